"""Exact schemes on devices that compute otherwise than a CPU, as far as a CPU can act like one.

Each mode below computes what some device does. Within it every exact scheme must restore each stream
to the bit, and its gradients must be those of `stored` within the same mode.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from revconsole.reversible import Coefficients, Momentum, make_scheme, rewire
from revconsole.reversible.lossless import floored
from tests.conformance.conftest import SCHEMES

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


@pytest.fixture
def alike(vit, images, witness, train, worst_error):
    """`alike(scheme, mode)`: whether both evaluations see equal streams, and the gradient's error."""

    def judge(scheme, mode, *, depth=12, autocast=None):
        results = []
        for backward in ("stored", "reversible"):
            model = rewire(vit(depth=depth, **RANDOM), scheme, backward).train()
            for weight in model.blocks.parameters():
                weight.data *= STEEP
            seen = witness(model)
            with mode():
                results.append(train(model, images, autocast=autocast).gradients)
        equal = all(torch.equal(before, again) for before, again in seen.repeats())
        return equal, worst_error(*results)

    return judge


@EVERY_EXACT_SCHEME
def test_division_by_a_number_as_cuda_computes_it_loses_no_bit(wiring, alike):
    equal, error = alike(wiring, ReciprocalDivision)
    assert equal
    assert error < SAME_NUMBERS


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
