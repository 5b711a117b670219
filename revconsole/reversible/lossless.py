"""Scaling without loss: streams on the grid 2⁻ˡ, and the few bits a scaling would drop.

Multiplying by ±2⁻ᵇ and dividing again loses b bits of every number, and a stack of scaled
couplings loses them at every block, until the inverse is noise. On a grid nothing need be lost.
Write a stream as n·2⁻ˡ with whole n. Then, with m = ⌈n / 2ᵇ⌉ and the remainder s = m·2ᵇ − n,

    shrink:  n  →  ±m            and   s ∈ {0, …, 2ᵇ − 1} is kept: b bits per number
    grow:    ±m →  n = m·2ᵇ − s

For b = 1 this is BDIA's parity bit: s is one where n is odd, and ±½(n + s) is whole.

All of it is floating-point arithmetic that happens to be exact: whole numbers below 2²⁴ are
float32 numbers (2⁵³ in float64), and so are their sums, halves and doubles. `Grid.require_room`
raises before a stream outgrows that. Rounding onto the grid passes gradients straight through.

Source: Zhang, Lewis, Kleijn, "On Exact Bit-level Reversible Transformers Without Changing
Architectures" (arXiv 2407.09093, ICML 2025), in floor arithmetic for any b.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from revconsole.errors import RevconsoleError

WORD = torch.int64
GATHER = 0x0102040810204080  # multiplied into eight bytes of 0 or 1, leaves them as the top byte
SPREAD = 0x0101010101010101  # multiplied into a byte, copies it to all eight bytes of a word
PICK = 0x8040201008040201 - (1 << 64)  # keeps bit i of byte i; as a signed word


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The numbers n·2⁻ˡ, and scalings of them by ±2⁻ᵇ.

    fraction: l, the bits after the binary point.
    lost:     b, the bits that one scaling would lose per number; 0 where no coupling scales.
    """

    fraction: int
    lost: int = 0

    def dtype(self, given: torch.dtype) -> torch.dtype:
        """The dtype of streams on this grid: float32, or float64 where the input is."""
        return torch.promote_types(given, torch.float32)

    def round(self, value: Tensor) -> Tensor:
        """The nearest point of the grid, ties to even; the gradient passes unchanged."""
        rounded: Tensor = _StraightThrough.apply(value, self._nearest)
        return rounded

    def _nearest(self, value: Tensor) -> Tensor:
        return (value * 2.0**self.fraction).round_().mul_(2.0**-self.fraction)

    def shrink(self, value: Tensor, scale: float | Tensor) -> tuple[Tensor, Tensor]:
        """`scale · value` rounded away to the grid without loss, and its remainder.

        value: on the grid. scale: ±2⁻ᵇ, one number or one per sample.
        Returns the scaled value, whose gradient is `scale`, and s as uint8, shaped like `value`.
        """
        whole: Tensor = _StraightThrough.apply(
            value * 2.0 ** (self.fraction - self.lost), torch.ceil
        )
        with torch.no_grad():
            remainder = torch.add(whole * 2.0**self.lost, value, alpha=-(2.0**self.fraction))
        return whole * (scale * 2.0 ** (self.lost - self.fraction)), remainder.to(torch.uint8)

    def grow(self, scaled: Tensor, scale: float | Tensor, remainder: Tensor) -> Tensor:
        """The value that `shrink` was given, bit for bit. remainder: as `shrink` returned it."""
        return torch.sub(scaled / scale, remainder, alpha=2.0**-self.fraction)

    def pack(self, remainder: Tensor) -> Tensor:
        """The remainder in ⌈numel · b / 8⌉ bytes."""
        planes = (
            [(remainder >> bit) & 1 for bit in range(self.lost)] if self.lost > 1 else [remainder]
        )
        bits = torch.cat([plane.reshape(-1) for plane in planes])
        whole = torch.nn.functional.pad(bits, (0, -bits.numel() % 8))
        return ((whole.view(WORD) * GATHER) >> 56).to(torch.uint8)

    def unpack(self, packed: Tensor, shape: Sequence[int]) -> Tensor:
        """The remainder of that shape which `pack` was given."""
        words = packed.to(WORD).mul_(SPREAD).bitwise_and_(PICK)
        bits = words.view(torch.uint8).ne(0).view(torch.uint8)
        planes = bits[: self.lost * torch.Size(shape).numel()].view(self.lost, *shape)
        remainder = planes[0]
        for bit in range(1, self.lost):
            remainder = remainder + (planes[bit] << bit)
        return remainder

    def require_room(self, peaks: Sequence[Tensor], dtype: torch.dtype) -> None:
        """Raise if a stream has outgrown the whole numbers of its dtype, |n| ≥ 2²⁴ for float32.

        peaks: the largest magnitude of the stream as it enters, then after each block; together
        they cost one synchronisation with the device.
        """
        room = 2.0 / torch.finfo(dtype).eps * 2.0**-self.fraction
        for block, peak in enumerate(torch.stack(list(peaks)).tolist()):
            if not peak < room:
                where = f"after block {block - 1}" if block else "at the first block's input"
                raise RevconsoleError(
                    f"the stream {where} reaches {peak:g}, but a grid of {self.fraction} bits in "
                    f"{str(dtype).removeprefix('torch.')} holds magnitudes below {room:g}: "
                    "use fewer grid_bits, lower the learning rate or clip gradients"
                )


def peak(stream: Tensor) -> Tensor:
    """The largest magnitude in the stream, on its device; nan if there is one."""
    low, high = torch.aminmax(stream.detach())
    return torch.maximum(-low, high)


class _StraightThrough(torch.autograd.Function):
    """Any rounding, with the gradient of the identity (Bengio et al. 2013)."""

    @staticmethod
    def forward(_ctx: Any, value: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
        return rounding(value)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
