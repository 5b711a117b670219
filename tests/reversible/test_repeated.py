"""One block that its model calls several times in a row: wired in its place, or left with the reason."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import (
    Additive,
    Bdia,
    Hamiltonian,
    Momentum,
    ReversibleSequence,
    keep_within,
    kept_for_backward,
    rewire,
    sequences,
    set_draws,
    step_peak,
    survey,
    unwire,
)
from revconsole.reversible.audit.check import Case
from revconsole.reversible.audit.reversal import replay
from revconsole.reversible.audit.size import loudest

pytestmark = pytest.mark.slow

D = 6
X = torch.randn(3, 5, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
FLOATS, MEAN = Bdia(grid_bits=None), Additive(fuse="mean")


class Part(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(D), nn.Linear(D, D)
        self.scale, self.drop = nn.Parameter(torch.ones(D)), nn.Dropout(dropout)

    def forward(self, x):
        return x + self.scale * self.drop(self.linear(self.norm(x)).tanh())


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(D), nn.MultiheadAttention(D, 2, 0.2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(D), nn.Linear(D, D), nn.GELU(), nn.Dropout(0.2))

    def forward(self, x, mask=None):
        h = self.norm(x)
        x = x + self.attn(h, h, h, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(x)


class Telling(Part):
    def forward(self, x):
        return super().forward(x), None, x.mean()


class Counting(Part):
    """Takes other weights at each call, by a number that it counts itself."""

    def __init__(self):
        super().__init__()
        self.steps, self.call = nn.Parameter(torch.randn(4, D)), 0

    def forward(self, x):
        step = self.steps[self.call % 4]
        self.call += 1
        return super().forward(x) + step


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(5), nn.Linear(D, D)

    def forward(self, x):
        return x + self.linear(self.norm(x))


class Backwards(nn.Sequential):
    """A container with a way of its own, in which one block stands four times."""

    def __init__(self):
        super().__init__(*[Two()] * 4)

    def forward(self, x):
        for block in reversed(self):
            x = block(x)
        return x


class Net(nn.Module):
    """`walk` says how its block is called."""

    def __init__(self, walk, block):
        super().__init__()
        self.stem, self.walk, self.block, self.head = nn.Linear(D, D), walk, block, nn.Linear(D, 3)

    def forward(self, x):
        return self.head(self.walk(self, self.stem(x)))


def four_times(model, x):
    for _ in range(4):
        x = model.block(x)
    return x


def first_of_several(model, x):
    for _ in range(4):
        x = model.block(x)[0]
    return x


def masked(model, x):
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
    for _ in range(4):
        x = model.block(x, mask=mask)
    return x


def parted(model, x):
    for _ in range(2):
        x = model.block(model.block(x))
        x = model.stem(x).tanh()
    return x


def under_checkpoint(model, x):
    for _ in range(4):
        x = checkpoint(model.block, x, use_reentrant=False)
    return x


def looped(model, x):
    for block in model.block:
        x = block(x)
    return x


def by_index(model, x):
    for number in range(4):
        x = model.block[number](x)
    return x


def called(model, x):
    return model.block(x)


def under_two_names(model, x):
    return model.block(model.other(model.block(model.other(x))))


def made(walk, block, *, seed=0):
    torch.manual_seed(seed)
    model = Net(walk, block())
    model.past = [model.block]
    if walk is under_two_names:
        model.other = model.block
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model.double()


def listed():
    return nn.ModuleList([Two()] * 4)


def in_a_row():
    return nn.Sequential(*[Two()] * 4)


def alternating():
    return nn.Sequential(*[Two(), Two()] * 2)


def gradients(model, x=X, *, seed=1):
    model.zero_grad()
    torch.manual_seed(seed)
    model(x).square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_alike(found, expected, *, rtol=1e-9):
    assert found.keys() == expected.keys()
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=rtol, atol=1e-12 * largest), name


@pytest.mark.parametrize(
    ("walk", "block", "schemes"),
    [
        (four_times, Two, [FLOATS, Bdia(), MEAN, Hamiltonian()]),
        (four_times, lambda: Part(0.3), [FLOATS]),
        (four_times, Counting, [FLOATS]),
        (four_times, Normalised, [Momentum()]),
        (four_times, lambda: nn.Sequential(Part(), Part()), [FLOATS]),
        (first_of_several, Telling, [Momentum()]),
        (masked, Two, [FLOATS, MEAN]),
        (parted, Two, [FLOATS, MEAN]),
        (under_checkpoint, lambda: Part(0.3), [FLOATS]),
        (under_two_names, Two, [FLOATS, MEAN]),
        (looped, listed, [FLOATS, MEAN]),
        (by_index, listed, [FLOATS]),
        (called, Backwards, [FLOATS]),
        (called, in_a_row, [FLOATS, MEAN]),
        (called, alternating, [FLOATS, MEAN]),
    ],
)
def test_a_block_used_several_times_is_wired_without_changing_a_line(walk, block, schemes):
    model = made(walk, block)
    keys, names = list(model.state_dict()), [n for n, _ in model.named_parameters()]
    path = "block.0" if block is Backwards or walk is by_index else "block"
    assert survey(model, schemes[0], example=X).fit == {path: 4}
    expected = copy.deepcopy(model).eval()(X)
    for scheme in schemes:
        wired = {
            backward: rewire(copy.deepcopy(model), scheme, backward, example=X).train()
            for backward in ("stored", "reversible")
        }
        assert list(wired["reversible"].state_dict()) == keys
        found = {backward: gradients(each) for backward, each in wired.items()}
        assert list(found["reversible"]) == names
        assert_alike(found["reversible"], found["stored"])
        if scheme == FLOATS and block is not Counting:
            assert torch.equal(wired["reversible"].eval()(X), expected)


@pytest.mark.parametrize("scheme", [Bdia(), MEAN], ids=lambda scheme: scheme.name)
def test_the_gradient_is_that_of_a_sequence_made_by_hand(scheme):
    model = made(four_times, Two)
    by_hand = copy.deepcopy(model)
    by_hand.block = ReversibleSequence(*[by_hand.block] * 4, scheme=scheme, backward="stored")
    by_hand.walk = called
    expected = gradients(by_hand)
    wired = rewire(model, scheme, example=X)
    found = gradients(wired)
    assert_alike(
        {f"block.0{n[5:]}" if n[:5] == "block" else n: g for n, g in found.items()}, expected
    )


def other_lengths(model, x):
    x = model.stem(model.block(model.block(model.block(x))))
    return model.block(model.block(x))


def losses(model, x):
    states = []
    for _ in range(4):
        x = model.block(x)
        states.append(x)
    return torch.stack(states).sum(0)


def by_step(model, x):
    for step in range(4):
        x = model.block(x, torch.full((5, 5), float(step), dtype=x.dtype))
    return x


def set_between(model, x):
    for step in range(4):
        model.block.norm.eps = 1e-5 * (step + 1)
        x = model.block(x)
    return x


def in_turn(model, x):
    for _ in range(2):
        x = model.other(model.block(x))
    return x


def past_its_name(model, x):
    for block in [model.past[0]] * 4:
        x = block(x)
    return x


def by_keyword(model, x):
    for _ in range(4):
        x = model.block(x=x)
    return x


def more_in_training(model, x):
    for _ in range(4 + model.training):
        x = model.block(x)
    return x


def hooked():
    block = Part()
    block.register_forward_hook(lambda *_: None)
    return block


class Unwired(Part):
    unwired = 3


class Repeated(Part):
    repeated = 4


class Kept(Part):
    inventories = ()


@pytest.mark.parametrize(
    ("walk", "block", "reason"),
    [
        (other_lengths, Two, "Two is called 5 times in a run, and those that .* are 3 and 2"),
        (losses, Two, r"called 4 times in a run, and hands on what the model also uses \(stack\)"),
        (by_step, Two, "called 4 times in a run, and is given other arguments"),
        (set_between, Part, "Part is called 4 times .* precedes one whose 'eps' the model sets"),
        (in_turn, Two, "block, other: Two is called 2 times in a run, and .* acts between them"),
        (past_its_name, Two, r"called 4 times .* not through its name .*`ReversibleSequence\("),
        (
            by_keyword,
            Two,
            "Two is called 4 times in a run, and is not given its stream as the first",
        ),
        (more_in_training, Two, "not as often in training as in evaluation"),
        (four_times, hooked, "has a forward hook, which would not run"),
        (four_times, Unwired, "Unwired is called 4 times in a run, and has a 'unwired' of its own"),
        (four_times, Repeated, "has a 'repeated' of its own"),
        (four_times, Kept, "has a 'inventories' of its own"),
    ],
)
def test_what_is_no_row_of_one_block_is_left_with_the_reason(walk, block, reason):
    model = made(walk, block)
    if walk is in_turn:
        model.other = copy.deepcopy(model.block)
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(NotInvertible, match=reason):
        rewire(model, FLOATS, example=X)
    assert [type(module) for module in model.modules()] == kinds


def test_groups_of_blocks_and_blocks_inside_blocks_are_wired_each():
    def in_groups(model, x):
        for number in range(6):
            x = model.block[number // 3](x)
        return x

    model = made(in_groups, lambda: nn.ModuleList([Two(), Two()]))
    assert survey(model, MEAN, example=X).fit == {"block.0": 3, "block.1": 3}
    wired = [rewire(copy.deepcopy(model), MEAN, b, example=X) for b in ("stored", "reversible")]
    assert_alike(gradients(wired[1]), gradients(wired[0]))

    class Inside(Part):
        def __init__(self):
            super().__init__()
            self.inner = Part()

        def forward(self, x):
            return super().forward(x) + self.linear(self.inner(self.inner(x)))

    model = made(looped, lambda: nn.ModuleList([Inside(), Inside(), Inside()]))
    assert survey(model, FLOATS, example=X).fit == {"block": 3}
    wired = [rewire(copy.deepcopy(model), FLOATS, b, example=X) for b in ("stored", "reversible")]
    assert_alike(gradients(wired[1]), gradients(wired[0]))
    assert type(wired[1].block[0].inner) is Part


def two_views(model, x):
    return model.block(x) * model.block(-x).cos()


def round_and_round(model, x):
    entered = x
    for _ in range(2):
        x = model.stem(x) + entered
        for block in model.block:
            x = block(x)
    return x


class Inside(Two):
    """With a residual part that it calls twice, which is no row of the model's."""

    def __init__(self):
        super().__init__()
        self.part = Part()

    def forward(self, x, mask=None):
        x = x + self.attn(*[self.norm(x)] * 3, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.part(self.part(x)))


@pytest.mark.parametrize(
    ("walk", "block"),
    [
        (two_views, lambda: nn.Sequential(Two(), Two(), Two())),
        (round_and_round, lambda: nn.ModuleList([Two(), Two(), Two()])),
        (looped, lambda: nn.ModuleList([Inside(), Inside(), Inside()])),
    ],
)
def test_blocks_through_which_a_model_goes_several_times_are_a_run_each_time(walk, block):
    model = made(walk, block)
    expected = copy.deepcopy(model).eval()(X)
    for scheme in (FLOATS, MEAN):
        assert survey(model, scheme, example=X).fit == {"block": 3}
        wired = [
            rewire(copy.deepcopy(model), scheme, b, example=X).train()
            for b in ("stored", "reversible")
        ]
        assert_alike(gradients(wired[1]), gradients(wired[0]))
        if scheme == FLOATS:
            assert torch.equal(wired[1].eval()(X), expected)


# ------------------------------------------------------------------ when it is not called as it was


def test_other_ways_of_calling_it_raise_in_training():
    def fewer(model, x):
        return model.block(model.block(model.block(x)))

    def more(model, x):
        return model.block(four_times(model, x))

    def used(model, x):
        return model.block(model.block(model.block(model.block(x)) + 0))

    def other_mask(model, x):
        for step in range(4):
            x = model.block(x, torch.full((5, 5), float(step), dtype=x.dtype))
        return x

    def set_later(model, x):
        x = model.block(model.block(x))
        model.block.norm.eps += 1e-3
        return model.block(model.block(x))

    def old_one(model, x):
        first = model.block(x)
        model.block(first)
        return model.block(model.block(model.block(first)))

    wired = rewire(made(four_times, Two), FLOATS, example=X)
    right = gradients(wired)
    for walk in (fewer, more, used, other_mask, old_one, set_later):
        wired.walk = walk
        with pytest.raises(RevconsoleError, match=r"block \d of 4|block 'eps'|'eps'"):
            wired(X).sum().backward()
    wired.block.norm.eps -= 1e-3
    wired.walk = four_times
    assert_alike(gradients(wired), right)  # nothing is left of the forwards that raised


def test_several_forwards_wait_for_their_backward_and_may_take_turns():
    stored, reversible = (
        rewire(made(four_times, Two), FLOATS, b, example=X) for b in ("stored", "reversible")
    )
    found = []
    for model in (stored, reversible):
        torch.manual_seed(1)
        first, second = model(X), model(-X)
        (second.square().sum() + first.sum()).backward()
        found.append({name: p.grad for name, p in model.named_parameters()})
    assert_alike(found[1], found[0])

    def both(model, x):
        one, other = x, -x
        for _ in range(4):
            one, other = model.block(one), model.block(other)
        return one * other

    found = []
    for model in (stored, reversible):
        set_draws(model, lambda blocks, samples, _: torch.ones(blocks, samples))
        model.walk = both
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
        found.append(gradients(model))
    assert_alike(found[1], found[0])


# ------------------------------------------------------------------------------- as a module


class Told(Part):
    """With a state of its own, and a mode in which one part stays as it is."""

    def __init__(self):
        super().__init__()
        self.note = "new"
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("cache", torch.zeros(2), persistent=False)

    def get_extra_state(self):
        return {"note": self.note}

    def set_extra_state(self, state):
        self.note = state["note"]

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def __deepcopy__(self, memo):
        copied = type(self)()
        copied.load_state_dict(copy.deepcopy(self.state_dict()))
        return copied.to(self.scale.dtype)


def test_names_keys_modes_and_attributes_are_those_of_the_block():
    model = made(four_times, Told)
    block = model.block
    before = {
        "state": list(model.state_dict()),
        "buffers": [name for name, _ in model.named_buffers()],
        "modules": [name for name, _ in model.named_modules()],
    }
    rewire(model, FLOATS, example=X)
    assert before == {
        "state": list(model.state_dict()),
        "buffers": [name for name, _ in model.named_buffers()],
        "modules": [name for name, _ in model.named_modules()],
    }
    model.block.note = "set"
    model.block.extra = nn.Linear(D, D)
    assert block.note == "set"
    assert block.extra is model.block.extra
    assert "block.extra.weight" in model.state_dict()
    del model.block.extra
    model.train()
    assert (block.training, block.norm.training, block.linear.training) == (True, False, True)
    model.eval()
    assert not block.training
    assert not block.linear.training
    seen = []
    model.apply(lambda module: seen.append(type(module)))
    assert Told in seen

    state = model.state_dict()
    assert state["block._extra_state"] == {"note": "set"}
    plain = made(four_times, Told, seed=5)
    plain.load_state_dict(state)
    assert plain.block.note == "set"
    assert torch.equal(plain.eval()(X), model(X))
    model.load_state_dict(made(four_times, Told, seed=6).state_dict())
    assert block.note == "new"
    model.float()
    assert block.scale.dtype == torch.float32
    assert block.cache.dtype == torch.float32


def test_copies_and_pickles_train_by_themselves():
    model = rewire(made(four_times, Told), FLOATS, example=X).train()
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    others = [copy.deepcopy(model), torch.load(stream, weights_only=False)]
    expected = gradients(model)
    for other in others:
        assert_alike(gradients(other), expected)
        assert other.block.scale is not model.block.scale
        assert other.block.proxied[0].scale is other.block.scale


def test_unwire_gives_the_block_back_and_rewiring_again_replaces_the_wiring():
    model = made(under_two_names, Two)
    block = model.block
    rewire(model, FLOATS, example=X)
    rewire(model, MEAN, example=X)
    assert len(sequences(model)) == 1
    assert sequences(model)[0].scheme == MEAN
    gradients(model)
    calls = []
    handle = model.block.register_forward_hook(lambda *_: calls.append(1))
    assert unwire(model) is model
    assert model.block is block
    assert model.other is block
    model(X)
    assert len(calls) == 4
    handle.remove()
    assert not block._forward_hooks
    assert not block._forward_pre_hooks
    plain = made(under_two_names, Two)
    plain.load_state_dict(model.state_dict())
    assert_alike(gradients(model), gradients(plain))


def test_a_sequence_of_one_block_made_by_hand_stays_whole_when_it_is_wired_again():
    model = made(called, lambda: ReversibleSequence(*[Two()] * 4, scheme=FLOATS))
    rewire(model, MEAN, example=X)
    assert [len(run) for run in model.block.runs] == [4]
    assert not model.block.unwired


def test_a_budget_chooses_among_the_calls():
    model = rewire(made(four_times, Two), FLOATS, example=X).train()

    def forward():
        return model(X).square().sum()

    least = step_peak(forward)
    model.block.backward = "stored"
    most = step_peak(forward)
    expected = gradients(model)
    model.block.backward = "reversible"
    choice = keep_within(model, forward, (least + most) // 2 + 4096)
    assert choice.blocks == 4
    assert choice.peak <= (least + most) // 2 + 4096
    assert_alike(gradients(model), expected)
    model.block.backward = "anchored"
    assert_alike(gradients(model), expected)


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Conv2d(1, D, 2, 2), Two()
        self.positions = nn.Parameter(torch.randn(1, 16, D) * 0.02)
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, 10)

    def forward(self, images):
        x = four_times(self, self.stem(images).flatten(2).transpose(1, 2) + self.positions)
        return self.head(self.norm(x).mean(1))


def test_the_audit_measures_the_inverse_of_such_a_model_and_sees_what_its_modules_return():
    torch.manual_seed(0)
    images = torch.randn(4, 1, 8, 8)
    model = rewire(Vit(), Bdia(), example=images).train()
    case = Case(model=model, images=images, labels=torch.arange(4))
    inverse, replayed = replay(case)
    assert inverse.figure == "0 in all 1 blocks, bit for bit"
    assert replayed.passed
    assert loudest(case)[0]


def test_a_model_without_such_a_block_is_run_no_more_often_than_before():
    counts = []

    class Counted(Net):
        def forward(self, x):
            counts[-1] += 1
            return super().forward(x)

    for walk, block in ((looped, lambda: nn.ModuleList([Two(), Two()])), (looped, listed)):
        counts.append(0)
        survey(Counted(walk, block()).double(), FLOATS, example=X)
    assert counts[0] == counts[1] - 1


def test_checkpointing_under_the_plain_scheme_is_checkpointing_where_the_model_calls_its_blocks():
    kept = {}
    for walk, block in ((four_times, Two), (looped, listed)):
        for backward in ("stored", "checkpointed"):
            model = rewire(made(walk, block), "residual", backward, example=X).train()
            kept[backward] = kept_for_backward(lambda model=model: model(X))
        assert kept["checkpointed"] < kept["stored"] / 2


def test_a_backward_hook_on_the_block_is_refused_in_training():
    model = rewire(made(four_times, Part), FLOATS, example=X)
    handle = model.block.register_full_backward_hook(lambda *_: None)
    with pytest.raises(RevconsoleError, match="called 4 times in a run has a backward hook"):
        model(X)
    model.eval()(X)
    handle.remove()
    gradients(model.train())
