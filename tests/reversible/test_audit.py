"""The audit calls a good model good, and names each planted mistake and its place."""

import copy
import re

import pytest
import torch
from torch import nn

from revconsole import arithmetic
from revconsole.errors import RevconsoleError
from revconsole.reversible import Additive, Bdia, Momentum, ReversibleSequence, rewire
from revconsole.reversible.audit import audit, checks, learning, memory

pytestmark = pytest.mark.slow

WIDTH = 16


class Attention(nn.Module):
    """Single-head attention over the tokens; over the batch, if a transpose is left out."""

    def __init__(self, *, transposed):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.transposed = transposed

    def forward(self, x):
        x = x.transpose(0, 1) if self.transposed else x
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        x = (q @ k.transpose(1, 2) / WIDTH**0.5).softmax(dim=-1) @ v
        return x.transpose(0, 1) if self.transposed else x


class Torchs(nn.Module):
    """torch's attention as many first write it."""

    def __init__(self, **options):
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, 2, **options)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


class Block(nn.Module):
    def __init__(self, attention, dropout=0.0):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn = attention
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(dropout), nn.Linear(WIDTH, WIDTH)
        )
        self.cut = False

    def branches(self):
        return lambda x: self.attn(self.norm1(x)), lambda x: self.mlp(self.norm2(x))

    def forward(self, x):
        for branch in self.branches():
            x = x + (branch(x).detach() if self.cut else branch(x))
        return x


class Vit(nn.Module):
    """Four blocks on 4×4 patches of 8×8 pixels; `wired` makes the stack of the blocks."""

    def __init__(self, attention=None, *, pool="mean", dropout=0.0, depth=4, wired=nn.Sequential):
        super().__init__()
        make = attention or (lambda: Attention(transposed=False))
        self.pool = pool
        self.stem = nn.Conv2d(1, WIDTH, 2, 2)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, 17, WIDTH) * 0.02)
        self.blocks = wired(*(Block(make(), dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, images):
        x = self.stem(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0] if self.pool == "token" else x.mean(dim=1))


@pytest.fixture
def batch():
    """32 images in ten classes, each a pattern of its class and noise."""
    torch.manual_seed(3)
    labels = torch.arange(32) % 10
    return torch.randn(10, 1, 8, 8)[labels] + 0.3 * torch.randn(32, 1, 8, 8), labels


@pytest.fixture
def look(batch):
    """`look(model, **options)`: the audit of the model on the batch, by name of the check."""
    return lambda model, **options: {c.name: c for c in audit(model, *batch, **options)}


@pytest.fixture
def look_until(batch):
    """`look_until(name, model)`: the checks up to that one. What comes last, to learn one batch, takes most of the time."""

    def looked(name, model, **options):
        found = {}
        for check in checks(model, *batch, **options):
            found[check.name] = check
            if check.name == name:
                break
        return found

    return looked


def vit(*arguments, **options):
    torch.manual_seed(0)
    return Vit(*arguments, **options)


def rebuilt(scheme, **options):
    return vit(wired=lambda *blocks: ReversibleSequence(*blocks, scheme=scheme), **options)


def failed(found):
    return {name for name, check in found.items() if check.passed is False}


def test_a_good_model_passes_and_what_does_not_apply_is_skipped(look):
    found = look(vit())

    assert {name: check.level for name, check in found.items()} == {
        "initial loss": "passed",
        "uses its input": "passed",
        "no leak across batch": "passed",
        "images and labels": "passed",
        "outputs are logits": "passed",
        "gradient everywhere": "passed",
        "attention": "passed",
        "skip connections": "passed",
        "tokens read": "passed",
        "dropout": "skipped",
        "wired as plain": "skipped",
        "gradient as stored, float64": "skipped",
        "gradient as stored": "skipped",
        "inverse error": "skipped",
        "dropout masks repeated": "skipped",
        "bytes kept": "skipped",
        "one batch overfitted": "passed",
    }
    steps = re.search(r"in (\d+) steps", found["one batch overfitted"].figure)
    assert steps is not None
    assert int(steps[1]) < learning.STEPS  # it ends as soon as the batch is learnt


@pytest.mark.parametrize(
    ("scheme", "half", "last"),
    [
        (Additive(fuse="mean"), False, "bytes kept"),
        (Momentum(), True, "one batch overfitted"),
        (Momentum(grid_bits=9), False, "bytes kept"),
        (Bdia(), True, "bytes kept"),
        (Bdia(grid_bits=None), True, "one batch overfitted"),  # the nearest to what floats allow
    ],
    ids=str,
)
def test_a_good_reversible_model_passes_every_check(look_until, scheme, half, last):
    def autocast():
        return torch.autocast("cpu", torch.bfloat16, enabled=half)

    found = look_until(last, rebuilt(scheme, dropout=0.2), autocast=autocast)

    assert list(found)[-1] == last

    others = {name for name, check in found.items() if check.level != "passed"}
    assert others == {"skip connections"}  # a scheme adds the branches itself
    assert found["dropout masks repeated"].figure == "4 of 4 draws repeated"


@pytest.mark.parametrize("light", [True, False])
def test_torchs_attention_without_batch_first_is_named(look, look_until, light):
    check = look_until("no leak across batch", vit(Torchs), light=light)["no leak across batch"]
    assert check.passed is False
    assert check.advice.startswith("blocks.0.attn.inner (MultiheadAttention) mixes the samples")
    assert "batch_first=True" in check.advice
    assert look(vit(lambda: Torchs(batch_first=True)), light=True)["no leak across batch"].passed


def test_a_class_token_that_never_meets_a_patch_is_blamed_on_the_attention(look):
    found = look(vit(Torchs, pool="token"), light=True)

    assert {"uses its input", "no leak across batch"} <= failed(found)
    assert "blocks.0.attn.inner (MultiheadAttention)" in found["uses its input"].advice
    assert "batch_first=True" in found["uses its input"].advice


def test_attention_after_a_stray_transpose_is_named(look):
    found = look(vit(lambda: Attention(transposed=True)), light=True)

    assert found["no leak across batch"].advice.startswith(
        "blocks.0.attn (Attention) mixes the samples"
    )


def test_attention_of_one_late_block_over_the_batch_is_named(look):
    model = vit()
    model.blocks[2].attn = Attention(transposed=True)

    assert look(model, light=True)["no leak across batch"].advice.startswith(
        "blocks.2.attn (Attention)"
    )


class Detached(nn.Module):
    """Takes the mean over the batch away, without a gradient."""

    def forward(self, x):
        return x - x.mean(dim=0).detach()


def test_a_leak_without_a_gradient_is_seen_by_changing_an_image(look):
    model = vit()
    model.norm = nn.Sequential(Detached(), model.norm)

    check = look(model, light=True)["no leak across batch"]
    assert check.passed is False
    assert "gradient to other images 0 " in check.figure
    assert check.advice.startswith("norm.0 (Detached) mixes the samples")


@pytest.mark.parametrize("tracked", [True, False])
def test_batch_norm_may_mix_in_training_but_not_in_evaluation(look, tracked):
    model = vit()
    model.stem = nn.Sequential(model.stem, nn.BatchNorm2d(WIDTH, track_running_stats=tracked))

    found = look(model)
    assert found["no leak across batch"].passed is tracked
    assert ("stem.1 (BatchNorm2d)" in found["no leak across batch"].advice) is not tracked
    assert failed(found) == (set() if tracked else {"no leak across batch"})


class CentredInTraining(nn.Module):
    def forward(self, x):
        return x - x.mean(dim=0) if self.training else x


def test_other_mixing_in_training_is_a_note(look_until):
    model = vit()
    model.norm = nn.Sequential(CentredInTraining(), model.norm)

    name = "no leak across batch, training"
    check = look_until(name, model)[name]
    assert check.level == "note"
    assert "norm.0 (CentredInTraining)" in check.advice


class Deaf(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, 10)

    def forward(self, x):
        return self.linear(torch.ones_like(x))


def test_a_classifier_that_ignores_its_input_is_named(look):
    model = vit()
    model.head = Deaf()

    found = look(model)
    assert failed(found) == {"uses its input", "gradient everywhere", "one batch overfitted"}
    assert found["uses its input"].advice.startswith("head (Deaf) ignores what it is given")
    assert "token, positions, stem, blocks, norm" in found["gradient everywhere"].figure


class Quiet(nn.Module):
    """Hands on hardly anything but a constant."""

    def forward(self, x):
        return 1 + 1e-5 * x.tanh()


def test_what_cannot_learn_one_batch_names_the_one_cause_that_shows(look):
    muffled = vit()
    muffled.norm = Quiet()
    found = look(muffled)
    assert failed(found) == {"one batch overfitted"}
    assert "from norm (Quiet) on all images look alike" in found["one batch overfitted"].advice
    assert "'uses its input' failed before" in look(deaf())["one batch overfitted"].advice


def deaf():
    model = vit()
    model.head = Deaf()
    return model


class Dropping(Vit):
    def forward(self, images):
        return self.head(0 * self.norm(self.stem(images).mean(dim=(2, 3))))


def test_an_image_that_is_dropped_between_modules_is_followed_as_far_as_it_goes(look):
    found = look(Dropping(), light=True)
    assert "still counts in what norm (LayerNorm) returns" in found["uses its input"].advice


def test_a_frozen_stem_is_a_note(look):
    model = vit()
    model.stem.requires_grad_(False)

    found = look(model, light=True)
    assert failed(found) == set()
    check = found["frozen parameters"]
    assert check.level == "note"
    assert check.figure.startswith("2 of ")
    assert check.figure.endswith(": stem")
    assert "deliberate?" in check.advice


def test_blocks_frozen_behind_a_stem_that_learns_are_named(look):
    model = vit()
    model.blocks[2:].requires_grad_(False)

    check = look(model, light=True)["frozen parameters"]
    assert check.passed is False
    assert check.figure.endswith(": blocks.2, blocks.3")


def test_a_frozen_beginning_is_a_choice(look):
    model = vit()
    for part in (model.stem, model.blocks[:2]):
        part.requires_grad_(False)

    found = look(model, light=True)
    assert failed(found) == set()
    assert found["frozen parameters"].figure.endswith(": stem, blocks.0, blocks.1")


def test_blocks_whose_branches_are_detached_are_named(look):
    model = vit()
    for block in model.blocks[2:]:
        block.cut = True

    check = look(model, light=True)["gradient everywhere"]
    assert check.passed is False
    assert check.figure.endswith(": blocks.2, blocks.3")
    assert "detach()" in check.advice


class Cut(nn.Module):
    def forward(self, x):
        return x.detach()


def test_a_cut_way_back_is_placed(look):
    model = vit()
    model.norm = nn.Sequential(Cut(), model.norm)

    found = look(model, light=True)
    assert "detach() in norm.0 (Cut), test_audit.py line" in found["gradient everywhere"].advice
    assert found["uses its input"].level == "note"


def test_zeros_that_were_meant_are_not_called_dead(look):
    model = vit()
    for zero in (model.head.weight, *(block.mlp[3].weight for block in model.blocks)):
        nn.init.zeros_(zero)

    assert failed(look(model, light=True)) == set()


def test_first_losses_far_from_guessing_are_called_so(look, batch):
    loud = vit()
    nn.init.normal_(loud.head.weight, std=10.0)
    broken = vit()
    nn.init.constant_(broken.head.bias, torch.nan)
    known = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        known[1].weight.copy_(
            torch.linalg.lstsq(
                batch[0].flatten(1), 9.0 * nn.functional.one_hot(batch[1], 10)
            ).solution.T
        )

    assert "initial loss" in failed(look(loud, light=True))
    assert {"initial loss", "uses its input"} <= failed(look(broken, light=True))
    assert look(known, light=True)["initial loss"].level == "note"


def test_rounding_that_outgrows_floats_is_told_from_a_wrong_inverse(look_until, monkeypatch):
    """As if the blocks were steeper than the rule of `arithmetic` knows, which refuses this."""
    monkeypatch.setattr(arithmetic, "MARGIN", 1e-9)
    model = rebuilt(Bdia(gamma=0.25, grid_bits=None), depth=12)

    found = look_until("inverse error", model)
    assert {"inverse error", "gradient as stored"} <= failed(found)
    assert found["gradient as stored, float64"].passed
    assert "grid_bits" in found["inverse error"].advice


class Restless(nn.Module):
    """Never computes the same twice: a counter of its class is out of what a second evaluation repeats."""

    calls = 0

    def forward(self, x):
        type(self).calls += 1
        torch.rand(self.calls)
        return x * (1 + self.calls % 2)


def test_a_block_that_computes_otherwise_the_second_time_is_caught(look_until):
    model = rebuilt(Additive(fuse="mean"), dropout=0.2)
    model.blocks[1].mlp[1] = Restless()

    found = look_until("dropout masks repeated", model)
    assert {"gradient as stored", "gradient as stored, float64", "inverse error"} <= failed(found)
    assert "dropout masks repeated" in failed(found)
    assert "does not compute the same twice" in found["gradient as stored"].advice
    assert found["dropout masks repeated"].advice.startswith("blocks.1.mlp.2 drew other numbers")


class Rows(nn.Module):
    """One block that is called in two rows of two, with something of the model's between them."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        x = self.block(self.block(x)) * 0.9
        return self.block(self.block(x))


@pytest.mark.parametrize("scheme", [Momentum(), Bdia(grid_bits=9)], ids=str)
def test_the_inverse_of_a_block_that_is_called_in_several_rows_is_looked_at(
    look_until, scheme, batch
):
    torch.manual_seed(0)
    model = rewire(Vit(depth=1, wired=Rows), scheme, example=batch[0][:2])
    found = look_until("inverse error", model)["inverse error"]
    assert found.passed, found.figure


class Hoarder(ReversibleSequence):
    """Says that it is reversible, and stores everything."""

    def forward(self, x):
        self.backward = "stored"
        try:
            return super().forward(x)
        finally:
            self.backward = "reversible"


def test_a_stack_that_keeps_more_than_its_scheme_needs_is_caught(look_until):
    model = vit(wired=lambda *blocks: Hoarder(*blocks, scheme=Additive(fuse="mean")))

    assert look_until("bytes kept", model)["bytes kept"].passed is False


def test_bytes_are_predicted_to_within_a_hundredth(batch):
    for scheme in (Additive(fuse="mean"), Momentum(), Momentum(grid_bits=9), Bdia(grid_bits=9)):
        sequence = rebuilt(scheme, depth=8).blocks
        x = torch.randn(7, 17, WIDTH)
        predicted = memory.prediction(sequence, x, draws=False)
        assert predicted == pytest.approx(memory.measured(sequence, x), rel=0.01), scheme


def test_the_model_its_gradients_modes_and_the_generator_are_left_alone(look):
    model = rebuilt(Bdia(grid_bits=9), dropout=0.2)
    model.stem = nn.Sequential(model.stem, nn.BatchNorm2d(WIDTH))
    model.norm.eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    before, generator = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    draws = model.blocks.draws

    look(model)

    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all((parameter.grad == 0.5).all() for parameter in model.parameters())
    assert (model.training, model.norm.training) == (True, False)
    assert (model.blocks.draws, model.blocks.backward) == (draws, "reversible")
    assert not any(module._forward_pre_hooks for module in model.norm.modules())


def test_the_light_form_does_the_cheap_checks_only(look):
    assert list(look(rebuilt(Momentum()), light=True)) == [
        "initial loss",
        "uses its input",
        "no leak across batch",
        "images and labels",
        "outputs are logits",
        "gradient everywhere",
        "attention",
        "skip connections",
        "tokens read",
        "dropout",
        "gradient as stored",
        "wired as plain",
    ]


def test_a_model_that_is_no_classifier_of_this_data_is_one_sentence(look):
    with pytest.raises(RevconsoleError, match=r"returns \(32, 16, 4, 4\) for images"):
        look(nn.Conv2d(1, 16, 2, 2))
    with pytest.raises(RevconsoleError, match="tells 3 classes apart and the data has at least 10"):
        look(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)))


def test_what_a_check_makes_the_model_raise_is_a_finding_and_the_others_go_on(look):
    model = vit()
    model.register_forward_pre_hook(lambda module, _: None if module.training else 1 / 0)

    found = look(model, light=True)
    assert "raised ZeroDivisionError" in found["samples"].figure
    assert found["gradient everywhere"].passed


def test_no_check_is_begun_once_the_time_is_up(look):
    found = look(vit(), light=True, seconds=0)

    assert list(found) == ["initial loss", "uses its input", "no leak across batch"]


class OtherKernel(Attention):
    """Rounds otherwise where no gradient is wanted, as torch's own attention does in evaluation."""

    def forward(self, x):
        y = super().forward(x)
        return y if torch.is_grad_enabled() else y * (1 + 1e-5)


@pytest.mark.parametrize("bits", [9, 14])
def test_attention_that_takes_another_kernel_without_gradients_is_not_called_leaky(look, bits):
    """The grid turns a rounding into a whole step, which is no leak between the images of a batch."""
    attention = lambda: OtherKernel(transposed=False)  # noqa: E731
    model = rebuilt(Bdia(grid_bits=bits), attention=attention)

    found = look(model, light=True)["no leak across batch"]

    assert found.passed, (found.figure, found.advice)
