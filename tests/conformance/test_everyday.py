"""What people do around a model: accumulate, clip, scale, average, compile, change kernels, pass arguments."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import Additive, Bdia, Midpoint, Momentum, ReversibleSequence, rewire

FLOAT64_GRADIENT = 1e-10  # reconstruction in float64, amplified over a few blocks
FLOAT32_CURVE = 1e-3  # of weights after some steps of float32 in another order
RANDOM = {"proj_drop_rate": 0.1, "drop_path_rate": 0.2}


def taught(model, images, *, accumulate=1, clip=None, scaler=None, ema=None, steps=3):
    """The weights after a few steps of the loop that everybody writes."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    labels = torch.tensor([0, 1, 2])
    torch.manual_seed(4)
    for _ in range(steps):
        optimizer.zero_grad()
        for _ in range(accumulate):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=scaler is not None):
                loss = nn.functional.cross_entropy(model(images), labels) / accumulate
            (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.unscale_(optimizer)
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        if ema:
            ema.update_parameters(model)
    return model.state_dict()


def furthest(left, right):
    return max((left[name] - right[name]).abs().max().item() for name in left)


@pytest.mark.parametrize("habit", [{"accumulate": 3}, {"clip": 0.1}], ids=str)
def test_accumulating_and_clipping_train_the_weights_that_stored_trains(
    representative, habit, pair, images
):
    stored, reversible = (
        taught(m, images.double(), **habit) for m in pair(representative, **RANDOM)
    )
    assert furthest(stored, reversible) < FLOAT64_GRADIENT


def test_a_gradient_scaler_under_autocast_trains_as_stored_does(exact, pair, images):
    stored, reversible = pair(exact, dtype=torch.float32)
    weights = [
        taught(m, images, scaler=torch.amp.GradScaler("cpu", init_scale=128.0))
        for m in (stored, reversible)
    ]
    assert furthest(*weights) < FLOAT32_CURVE


def test_an_average_of_the_weights_is_a_model_of_its_own(representative, pair, images):
    averages = []
    for model in pair(representative):
        ema = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
        )
        taught(model, images.double(), ema=ema)
        assert ema.module.blocks is not model.blocks
        ema.eval()
        averages.append(ema(images.double()))
    assert (averages[0] - averages[1]).abs().max() < FLOAT64_GRADIENT


def test_a_trained_copy_leaves_the_original_alone(representative, pair, images):
    _, model = pair(representative)
    before = copy.deepcopy(model.state_dict())
    taught(copy.deepcopy(model), images.double())
    assert furthest(before, model.state_dict()) == 0.0


COMPILED = {
    "additive": Additive(),
    "bdia-grid9": Bdia(grid_bits=9),
}  # tracing does not see the scheme


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute:UserWarning"
)  # the compiler looks at it itself
@pytest.mark.parametrize(("name", "part"), [("additive", "branches"), ("bdia-grid9", "whole")])
def test_compiling_changes_neither_outputs_nor_gradients(
    name, part, pair, train, images, worst_error
):
    """The compiler's own kernels need a C compiler; its tracing, which is what could go wrong, does not."""
    torch._dynamo.reset()
    wiring = COMPILED[name]
    expected = train(pair(wiring, depth=2)[1], images.double())
    model = pair(wiring, depth=2)[1]
    if part == "whole":
        compiled = torch.compile(model, backend="aot_eager")
        compiled.named_parameters = model.named_parameters
    else:
        for block in model.blocks:
            block.attn.compile(backend="aot_eager")
            block.mlp.compile(backend="aot_eager")
        compiled = model
    given = train(compiled, images.double())
    assert torch.equal(expected.output, given.output)
    assert worst_error(expected.gradients, given.gradients) < FLOAT64_GRADIENT


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # as above
def test_an_exact_scheme_stays_exact_with_compiled_branches(pair, witness, train, images):
    torch._dynamo.reset()
    _, model = pair(COMPILED["bdia-grid9"], dtype=torch.float32)
    for block in model.blocks:
        block.attn.compile(backend="aot_eager")
        block.mlp.compile(backend="aot_eager")
    seen = witness(model)
    for block in model.blocks:
        block.mlp.fc1._forward_hooks.clear()  # a list that grows is code made anew, which is refused
    train(model, images, autocast="bf16")
    assert all(torch.equal(before, again) for before, again in seen.repeats())


class Settings:
    """The arithmetic in force each time an attention is computed."""

    def __init__(self, model):
        self.seen = {}
        for index, block in enumerate(model.blocks):
            block.attn.register_forward_pre_hook(self._recorder(index))

    def _recorder(self, index):
        def record(_module, _given):
            cuda = torch.backends.cuda
            now = (
                cuda.flash_sdp_enabled(),
                cuda.mem_efficient_sdp_enabled(),
                cuda.math_sdp_enabled(),
                cuda.cudnn_sdp_enabled(),
                torch.get_float32_matmul_precision(),
            )
            self.seen.setdefault(index, []).append(now)

        return record


def test_the_backward_uses_the_attention_kernels_and_the_precision_of_the_forward(
    representative, again, pair, images
):
    _, model = pair(representative, again=again, dtype=torch.float32)
    settings, precision = Settings(model), torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with sdpa_kernel(SDPBackend.MATH):
            loss = model(images).square().sum()
    finally:
        torch.set_float32_matmul_precision(precision)
    assert torch.backends.cuda.flash_sdp_enabled()
    loss.backward()
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.get_float32_matmul_precision() == precision
    for forward, backward in settings.seen.values():
        assert forward == backward == (False, False, True, False, "medium")


class Convolution(nn.Module):
    """A residual block over (B, C, H, W)."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def branches(self):
        return (lambda x: self.convolution(self.norm(x)).tanh(),)

    def forward(self, x):
        return x + self.branches()[0](x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_images_in_any_layout(layout, representative, worst_error):
    if isinstance(representative, Additive) or representative.name == "hamiltonian":
        pytest.skip("one branch")
    gradients, strides = [], []
    for backward in ("stored", "reversible"):
        torch.manual_seed(0)
        blocks = [Convolution(6) for _ in range(4)]
        for block in blocks if backward == "reversible" else ():
            block.convolution.register_forward_pre_hook(lambda _, x: strides.append(x[0].stride()))
        model = ReversibleSequence(*blocks, scheme=representative, backward=backward)
        model = model.double().to(memory_format=layout).train()
        x = torch.randn(2, 6, 5, 5, dtype=torch.float64).contiguous(memory_format=layout)
        torch.manual_seed(1)
        model(x.requires_grad_()).square().sum().backward()
        gradients.append({"x": x.grad, **{name: p.grad for name, p in model.named_parameters()}})
    assert worst_error(*gradients) < FLOAT64_GRADIENT
    assert len(strides) == 8
    assert strides[:4] == strides[:3:-1]  # or another kernel would compute the second time


class Biased(nn.Module):
    """A block that is given more than its stream."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def branches(self):
        return (
            lambda x, bias, *, scale: scale * (self.first(x) + bias["shared"]).tanh(),
            lambda x, bias, *, scale: scale * self.second(x - bias["shared"]).tanh(),
        )

    def forward(self, x, bias, *, scale):
        for branch in self.branches():
            x = x + branch(x, bias, scale=scale)
        return x


def test_further_arguments_reach_every_block_and_get_their_gradients(representative, worst_error):
    gradients = []
    for backward in ("stored", "checkpointed", "reversible"):
        torch.manual_seed(0)
        blocks = [Biased(4) for _ in range(3)]
        model = (
            ReversibleSequence(*blocks, scheme=representative, backward=backward).double().train()
        )
        x, bias, unused = (torch.randn(2, 3, 4, dtype=torch.float64) for _ in range(3))
        bias.requires_grad_()
        torch.manual_seed(1)
        extra = {"shared": bias, "unused": unused.requires_grad_(), "whole": torch.arange(3)}
        model(x.requires_grad_(), extra, scale=0.5).square().sum().backward()
        assert bias.grad.abs().max() > 0
        assert unused.grad is None
        gradients.append({"x": x.grad, "bias": bias.grad})
    assert worst_error(gradients[0], gradients[1]) < FLOAT64_GRADIENT
    assert worst_error(gradients[0], gradients[2]) < FLOAT64_GRADIENT


def test_children_that_are_left_run_as_they_are_between_the_runs(batch_norm_block, worst_error):
    def built(backward):
        torch.manual_seed(0)
        names = ["a", "b", "wider", "c", "d", "e"]
        blocks = [batch_norm_block(4 if name in "ab" else 6) for name in names]
        children = OrderedDict(zip(names, blocks, strict=True))
        children["wider"] = nn.Linear(4, 6)
        return (
            ReversibleSequence(children, scheme=Midpoint(), backward=backward, unwired={"wider"})
            .double()
            .train()
        )

    x = torch.randn(2, 3, 4, dtype=torch.float64)
    gradients = []
    for backward in ("stored", "reversible", ("reversible", "stored", *["reversible"] * 3)):
        model = built(backward)
        assert [len(run) for run in model.runs] == [2, 3]
        model(x).square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert gradients[0]["wider.weight"].abs().max() > 0
    assert worst_error(gradients[0], gradients[1]) < FLOAT64_GRADIENT
    assert worst_error(gradients[0], gradients[2]) < FLOAT64_GRADIENT
    part = built(("reversible", "stored", *["reversible"] * 3))[1:4]
    assert part.unwired == {"wider"}
    assert part.backward == ("stored", "reversible")


def test_a_backward_for_each_block_must_be_for_each_block(vit):
    model = rewire(vit(depth=3), Bdia())
    with pytest.raises(RevconsoleError, match="2 backwards were given for 3 blocks"):
        model.blocks.backward = ("stored", "reversible")


def test_functional_transforms_are_refused_with_the_way_out(again, vit, images):
    model = rewire(vit(), Midpoint(), again).double()
    with pytest.raises(NotInvertible, match=r"torch\.func .*backward='stored' and grid_bits=None"):
        torch.func.grad(lambda x: model(x).sum())(images.double())


def test_the_way_out_leads_to_the_gradient(vit, images):
    model, x = rewire(vit(), Midpoint(), "stored").double(), images.double().requires_grad_()
    (expected,) = torch.autograd.grad(model(x).sum(), x)
    given = torch.func.grad(lambda x: model(x).sum())(x.detach())
    assert torch.allclose(given, expected, rtol=1e-12, atol=1e-12)


class Walked(nn.Module):
    """Walks over its blocks itself."""

    def __init__(self, vit):
        super().__init__()
        self.blocks = nn.ModuleList(vit.blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


TOKENS = torch.linspace(-1, 1, 2 * 5 * 24).view(2, 5, 24)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("wiring", "walked"),
    [(Bdia(), True), (Momentum(grid_bits=9), True), (Midpoint(), True), (Momentum(grid_bits=9), False)],
    ids=str,
)  # fmt: skip
def test_a_wired_model_in_evaluation_is_exported(walked, wiring, vit):
    model = Walked(vit()) if walked else nn.Sequential(vit().blocks)
    model = rewire(model, wiring, example=TOKENS).eval()
    program = torch.export.export(model, (TOKENS,)).module()
    assert torch.allclose(program(TOKENS), model(TOKENS), atol=1e-6)
    if walked and wiring.plain != "in evaluation":
        with pytest.raises(NotInvertible, match=r"use `torch\.export\.export`"):
            torch.jit.trace(model, TOKENS)
    else:
        assert torch.equal(torch.jit.trace(model, TOKENS)(TOKENS), model(TOKENS))


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("write", [torch.jit.trace, lambda m, x: torch.export.export(m, (x,))])
def test_a_model_that_trains_is_not_written_down(write, vit, images):
    model = rewire(vit()).train()
    with pytest.raises(NotInvertible, match=r"call `model\.eval\(\)` first"):
        write(model, images)
