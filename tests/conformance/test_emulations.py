"""Exact schemes on devices that compute otherwise than a CPU, as far as a CPU can act like one.

Each mode below computes what some device does. Within it every exact scheme must restore each stream
to the bit, and its gradients must be those of `stored` within the same mode.
"""

from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from revconsole.reversible import (
    Bdia,
    Coefficients,
    Momentum,
    ReversibleSequence,
    make_scheme,
)
from revconsole.reversible.lossless import floored
from tests.conformance.conftest import SCHEMES

pytestmark = pytest.mark.slow

SAME_NUMBERS = 1e-4  # same activations bit for bit; gradients of float32 summed in another order
STEEP = 5  # times larger weights, so that the numbers on the grid are not all next to zero
RANDOM = {"proj_drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.2}
GRID = {name: scheme for name, scheme in SCHEMES.items() if scheme.grid is not None} | {
    "momentum-0.7": Momentum(gamma=0.7, grid_bits=9),
    "momentum-0.65": Momentum(gamma=0.65, grid_bits=9),
    "momentum-0.99": Momentum(gamma=0.99, grid_bits=9),
    "midpoint_a-spread": make_scheme("midpoint_a", {"spread": 0.4, "grid_bits": 9}),
    "coefficients-0.41": Coefficients(end_beta=0.41, progress=1.0, grid_bits=9),
}
EVERY_EXACT_SCHEME = pytest.mark.parametrize("wiring", GRID.values(), ids=GRID)
FIRST = {scheme.name: scheme for scheme in reversed(GRID.values())}
"""One variant of each: which kernels a branch takes does not hang on the numbers of a scheme."""


class ReciprocalDivision(TorchDispatchMode):
    """CUDA's quotient of a tensor and a Python number: the product with its rounded reciprocal."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        division = torch.ops.aten.div.Tensor, torch.ops.aten.div_.Tensor
        if func in division and not isinstance(args[1], torch.Tensor):
            tensor, number = args
            reciprocal = (1 / torch.tensor(number, dtype=tensor.dtype)).item()
            into = tensor if func is division[1] else None
            return torch.mul(tensor, reciprocal, out=into)
        return func(*args, **(kwargs or {}))


KINDS = ("scaled_dot_product_attention", "linear", "layer_norm", "gelu")


@contextmanager
def other_kernels_without(usual):
    """Operators of blocks whose last bits are others where `usual` does not hold of their tensors.

    They are exchanged by name, as a mode of torch's is not in force in the backward.
    """

    def exchanged(operator):
        def kernel(*args, **kwargs):
            after = operator(*args, **kwargs)
            return after if usual(tree_leaves((args, kwargs))) else after * (1 + 2**-20)

        return kernel

    with pytest.MonkeyPatch.context() as patch:
        for name in KINDS:
            patch.setattr(nn.functional, name, exchanged(getattr(nn.functional, name)))
        yield


def without_graph():
    """As cuDNN's attention on H100, which builds another graph where statistics are not wanted."""
    return other_kernels_without(lambda _given: torch.is_grad_enabled())


def without_gradient():
    """As attention with wide heads, which takes another kernel where no input requires a gradient."""

    def usual(given):
        tensors = [each for each in given if isinstance(each, torch.Tensor)]
        return torch.is_grad_enabled() and any(each.requires_grad for each in tensors)

    return other_kernels_without(usual)


@pytest.fixture
def alike(wire, images, witness, worst_error):
    """`alike(scheme, mode)`: whether both evaluations see equal streams, and the gradient's error."""

    def judge(scheme, mode, *, frozen=()):
        results = []
        for backward in ("stored", "reversible"):
            model = wire(scheme, backward, depth=5, **RANDOM).train()
            for weight in model.blocks.parameters():
                weight.data *= STEEP
            for name, weight in model.named_parameters():
                weight.requires_grad_(not name.startswith(frozen))
            seen = witness(model)
            x = images.clone().requires_grad_(not frozen)
            torch.manual_seed(2)
            with mode():
                model(x).square().sum().backward()
            gradients = {name: weight.grad for name, weight in model.named_parameters()}
            results.append(gradients | {"images": x.grad})
        equal = all(torch.equal(before, again) for before, again in seen.repeats())
        return equal, worst_error(*results)

    return judge


@EVERY_EXACT_SCHEME
def test_division_by_a_number_as_cuda_computes_it_loses_no_bit(wiring, alike):
    equal, error = alike(wiring, ReciprocalDivision)
    assert equal
    assert error < SAME_NUMBERS


STEM = ("patch_embed", "pos_embed", "cls_token")
FROZEN = {
    "nothing": (),
    "stem-and-attention": (*STEM, "blocks.0.attn", "blocks.0.norm1", "blocks.2."),
}


@pytest.mark.parametrize("wiring", FIRST.values(), ids=FIRST)
@pytest.mark.parametrize("mode", [without_graph, without_gradient])
@pytest.mark.parametrize("frozen", FROZEN.values(), ids=FROZEN)
def test_kernels_that_differ_where_autograd_does_not_record_lose_no_bit(
    wiring, mode, frozen, alike
):
    equal, error = alike(wiring, mode, frozen=frozen)
    assert equal
    assert error < SAME_NUMBERS


class TorchAttention(nn.Module):
    """A residual block on torch's own attention, which has a fast path where nothing is recorded."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(24)
        self.attention = nn.MultiheadAttention(24, 2, batch_first=True)

    def forward(self, x):
        tokens = self.norm(x)
        return x + self.attention(tokens, tokens, tokens, need_weights=False)[0]


def test_the_fast_path_of_attention_in_evaluation_mode_is_taken_twice_or_never(worst_error):
    results, calls = [], []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if "native_multi_head_attention" in str(func):
                calls.append(func)
            return func(*args, **(kwargs or {}))

    for backward in ("stored", "reversible"):
        torch.manual_seed(0)
        blocks = [TorchAttention() for _ in range(8)]
        stack = ReversibleSequence(*blocks, scheme=Bdia(grid_bits=9), backward=backward)
        for block in blocks:
            block.attention.eval()
        x = torch.randn(3, 17, 24, requires_grad=True)
        with Watch():
            stack(x).square().sum().backward()
        gradients = {name: weight.grad for name, weight in stack.named_parameters()}
        results.append(gradients | {"x": x.grad})
    assert calls == []
    assert worst_error(*results) < SAME_NUMBERS


WHOLE = torch.cat([torch.arange(-50_000, 50_000), torch.arange(2**24 - 50_000, 2**24)])


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 9, 10, 11, 13, 41, 49, 100, 500, 999, 1000])
@pytest.mark.parametrize("rounded", [True, False], ids=["rounded", "not-rounded"])
def test_floors_of_quotients_are_those_of_whole_number_arithmetic(divisor, rounded):
    expected = WHOLE.div(divisor, rounding_mode="floor")
    with ReciprocalDivision():
        given = floored(WHOLE.float(), divisor, rounded=rounded)
    assert torch.equal(given.long(), expected)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_quotient_one_unit_off_is_put_right_where_the_device_does_not_round(off):
    """As far off as fast arithmetic may be: the tensor by tensor division, too, is a wrong one."""

    class FastDivision(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.div.Tensor:
                result = torch.nextafter(result, torch.full_like(result, off * float("inf")))
            return result

    for divisor in (3, 7, 10, 13, 1000):
        expected = WHOLE.div(divisor, rounding_mode="floor")
        with FastDivision():
            given = floored(WHOLE.float(), divisor, rounded=False)
        assert torch.equal(given.long(), expected)
