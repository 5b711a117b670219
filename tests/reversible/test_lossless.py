"""Exact scaling: every number comes back, in exactly the bytes that theory asks for."""

import pytest
import torch

from revconsole.errors import RevconsoleError
from revconsole.reversible.lossless import Grid, peak

SIGNS = pytest.mark.parametrize("sign", [1, -1])
LOST = pytest.mark.parametrize("lost", [1, 2, 3])


@SIGNS
@LOST
def test_shrink_and_grow_are_inverse_on_every_whole_number(sign, lost):
    grid = Grid(fraction=9, lost=lost)
    value = torch.cat([torch.arange(-5000, 5001), torch.tensor([2**24 - 1, 1 - 2**24])]) * 2.0**-9
    scale = sign * 2.0**-lost
    scaled, remainder = grid.shrink(value, scale)
    assert torch.equal(scaled * 512, (scaled * 512).round())
    assert set(remainder.tolist()) == set(range(2**lost))
    assert torch.equal(grid.grow(scaled, scale, remainder), value)


def test_the_remainder_of_a_half_is_the_parity_bit():
    value = torch.arange(-6, 7) * 2.0**-9
    _, remainder = Grid(fraction=9, lost=1).shrink(value, 0.5)
    assert torch.equal(remainder, (torch.arange(-6, 7) % 2).to(torch.uint8))


def test_scales_may_differ_between_samples():
    grid = Grid(fraction=4, lost=1)
    value = grid.round(torch.randn(6, 5))
    scale = torch.tensor([0.5, -0.5, 0.5, 0.5, -0.5, -0.5])[:, None]
    scaled, remainder = grid.shrink(value, scale)
    assert torch.equal(grid.grow(scaled, scale, remainder), value)


@LOST
@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (3, 5, 7), (2, 64)])
def test_packing_takes_exactly_the_bytes_of_the_bits(lost, shape):
    torch.manual_seed(0)
    grid = Grid(fraction=9, lost=lost)
    remainder = torch.randint(0, 2**lost, shape, dtype=torch.uint8)
    packed = grid.pack(remainder)
    numbers = remainder.numel()
    assert packed.untyped_storage().nbytes() == -(-numbers * lost // 8)
    assert torch.equal(grid.unpack(packed, shape), remainder)


def test_packed_remainders_need_not_be_contiguous():
    grid = Grid(fraction=9, lost=2)
    remainder = torch.randint(0, 4, (6, 9), dtype=torch.uint8).T
    assert torch.equal(grid.unpack(grid.pack(remainder), remainder.shape), remainder)


def test_rounding_goes_to_the_nearest_point_and_passes_the_gradient():
    value = torch.randn(50, requires_grad=True)
    rounded = Grid(fraction=3).round(value)
    assert torch.equal(rounded * 8, (value * 8).round())
    rounded.backward(torch.arange(50.0))
    assert torch.equal(value.grad, torch.arange(50.0))


@SIGNS
def test_the_gradient_of_a_lossless_scaling_is_its_scale(sign):
    value = torch.arange(-5.0, 5.0).requires_grad_()
    scaled, _ = Grid(fraction=0, lost=2).shrink(value, sign / 4)
    scaled.sum().backward()
    assert torch.equal(value.grad, torch.full((10,), sign / 4))


@pytest.mark.parametrize(
    ("bad", "shown"), [(32768.0, "32768"), (-40000.0, "40000"), (float("nan"), "nan")]
)
def test_a_stream_that_outgrows_the_grid_is_named_with_its_block(bad, shown):
    peaks = [peak(torch.tensor([1.0])), peak(torch.tensor([0.0, bad])), peak(torch.ones(1))]
    with pytest.raises(RevconsoleError, match=f"after block 0 reaches {shown}"):
        Grid(fraction=9).require_room(peaks, torch.float32)
    with pytest.raises(RevconsoleError, match="first block's input"):
        Grid(fraction=9).require_room(peaks[1:], torch.float32)


def test_room_is_what_the_dtype_counts_exactly():
    almost = [torch.tensor(32767.998)]
    Grid(fraction=9).require_room(almost, torch.float32)
    with pytest.raises(RevconsoleError, match="below 16384"):
        Grid(fraction=10).require_room(almost, torch.float32)
    Grid(fraction=10).require_room([torch.tensor(1e6)], torch.float64)


def test_an_empty_batch_has_no_magnitude():
    assert peak(torch.empty(0, 5)) == 0.0


def test_a_residual_may_be_the_same_for_all_samples():
    grid = Grid(fraction=9)
    value = grid.round(torch.randn(3, 4))
    residual = torch.randn(1, 4, requires_grad=True)
    after = grid.add(value, residual)
    assert torch.equal(after, value + grid.round(residual))
    assert torch.equal(grid.subtract(after.detach(), residual.detach()), value)
    after.sum().backward()
    assert torch.equal(residual.grad, torch.full((1, 4), 3.0))
