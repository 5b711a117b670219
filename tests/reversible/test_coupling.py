"""The update rule by itself: what it computes, how it is undone, what its gradient is."""

from fractions import Fraction

import pytest
import torch

from revconsole.reversible.coupling import Coupling, Lost, advance, evaluate, itself, retreat, undo
from revconsole.reversible.lossless import Grid

ONE_ROUNDING = 1e-14  # of float64, divided by a scale of one half


@pytest.fixture
def streams():
    torch.manual_seed(0)
    return tuple(torch.randn(3, 4, dtype=torch.float64) for _ in range(2))


PER_SAMPLE = torch.tensor([[0.5], [-0.5], [0.5]], dtype=torch.float64)


@pytest.mark.parametrize(
    "scale", [1.0, -1.0, 0.5, -2.0, PER_SAMPLE], ids=["1", "-1", "half", "-2", "samples"]
)
def test_undo_recovers_what_advance_updated(scale, streams):
    coupling = Coupling(target=0, source=1, residual=torch.tanh, scale=scale)
    after, lost = advance(coupling, streams, None)
    assert lost == Lost()
    assert (after[0] - (streams[0] * scale + streams[1].tanh())).abs().max() < ONE_ROUNDING
    assert after[1] is streams[1]
    before = undo(coupling, after, streams[1].tanh(), None, lost)
    assert (before[0] - streams[0]).abs().max() < ONE_ROUNDING


def test_a_scale_of_zero_replaces_the_target(streams):
    coupling = Coupling(target=0, source=1, residual=torch.tanh, scale=0.0)
    after, _ = advance(coupling, streams, None)
    assert torch.equal(after[0], streams[1].tanh())
    assert undo(coupling, after, after[0], None, Lost()) is after


@pytest.mark.parametrize("scale", [0.0, 1e-9], ids=["replaced", "tiny"])
def test_a_parked_target_comes_back_as_it_was_whatever_the_scale(scale, streams):
    coupling = Coupling(target=0, source=1, residual=torch.tanh, scale=scale, parks=0)
    after, lost = advance(coupling, streams, None)
    assert torch.equal(undo(coupling, after, streams[1].tanh(), None, lost)[0], streams[0])


@pytest.mark.parametrize("parks", [None, 2], ids=["carried", "parked"])
@pytest.mark.parametrize("ratio", [Fraction(9, 10), Fraction(-3, 2)], ids=str)
def test_on_a_grid_a_store_takes_up_what_a_ratio_would_lose(ratio, parks):
    grid = Grid(fraction=9)
    x, y = (grid.round(torch.randn(500)) for _ in range(2))
    streams = (x, y, torch.arange(500.0))
    coupling = Coupling(target=0, source=1, residual=itself, scale=ratio, store=2, parks=parks)
    after, lost = advance(coupling, streams, grid)
    assert (after[0] - (float(ratio) * x + y)).abs().max() < 12 * 2**-9  # floors, not roundings
    before = undo(coupling, after, y, grid, lost)
    assert all(torch.equal(a, b) for a, b in zip(before, streams, strict=True))


@pytest.mark.parametrize(
    "scale", [0.0, 1.0, -1.0, 0.5, PER_SAMPLE], ids=["0", "1", "-1", "half", "samples"]
)
@pytest.mark.parametrize("source", [0, 1])
def test_retreat_gives_the_gradients_of_autograd(scale, source, streams):
    weight = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    unused = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    coupling = Coupling(
        target=1 - source, source=source, residual=lambda x: (weight * x).tanh(), scale=scale
    )
    leaves = [stream.requires_grad_() for stream in streams]
    after, _ = advance(coupling, tuple(leaves), None)
    at_after = tuple(torch.randn_like(stream) for stream in after)
    expected = torch.autograd.grad(after, [*leaves, weight], at_after, allow_unused=True)

    leaf, residual = evaluate(coupling, streams, source_wanted=True)
    at_before, (at_weight, at_unused) = retreat(
        coupling, at_after, leaf, residual, [weight, unused]
    )
    assert at_unused is None
    for left, right in zip(expected, (*at_before, at_weight), strict=True):
        zero = torch.zeros(())  # of a replaced target, for which None stands
        left, right = (zero if each is None else each for each in (left, right))  # noqa: PLW2901  as said
        assert torch.allclose(left, right, rtol=ONE_ROUNDING, atol=ONE_ROUNDING)


def test_a_target_without_gradient_passes_none_on(streams):
    coupling = Coupling(target=0, source=1, residual=torch.tanh)
    leaf, residual = evaluate(coupling, streams, source_wanted=True)
    at_before, found = retreat(coupling, (None, streams[0]), leaf, residual, [])
    assert at_before == (None, streams[0])
    assert found == []


def test_streams_keep_their_dtype_under_a_residual_of_another(streams):
    half = tuple(stream.bfloat16() for stream in streams)
    coupling = Coupling(target=0, source=1, residual=lambda x: x.double())
    after, _ = advance(coupling, half, None)
    assert after[0].dtype == torch.bfloat16


def test_on_a_grid_the_target_is_scaled_without_loss():
    grid = Grid(fraction=9, lost=1)
    x, y = (grid.round(torch.randn(100)) for _ in range(2))
    coupling = Coupling(target=0, source=1, residual=itself, scale=-0.5)
    after, lost = advance(coupling, (x, y), grid)
    assert torch.equal(undo(coupling, after, y, grid, lost)[0], x)
    assert not torch.equal((after[0] - y) / -0.5, x)
