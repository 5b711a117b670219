"""Scaling without loss: streams on the grid 2⁻ˡ, and the bits a scaling would drop.

Multiplying by a number below one and dividing again loses bits of every number, and a stack of
scaled couplings loses them at every block, until the inverse is noise. On a grid nothing need be
lost. Write a stream as n·2⁻ˡ with whole n; `Grid` scales it in one of two ways.

By ±2⁻ᵇ, each scaling keeping its own remainder. With m = ⌈n / 2ᵇ⌉ and s = m·2ᵇ − n,

    shrink:  n  →  ±m            and   s ∈ {0, …, 2ᵇ − 1} is kept: b bits per number
    grow:    ±m →  n = m·2ᵇ − s

For b = 1 this is BDIA's parity bit: s is one where n is odd, and ±½(n + s) is whole.

By a ratio p/q, all scalings of a stream sharing one store B of whole numbers, from B = 0. With
floors throughout, which is what makes it right for negative numbers too,

    n ← ⌊n / q⌋ · p + t mod p    B ← ⌊t / p⌋    where t = B·q + (n mod q)

maps pairs (n, B) to pairs, one to one, and the same with p and q exchanged undoes it. B grows by
log₂(q/p) bits a scaling, 0.15 at 9/10: the least there is. It is set aside before it overflows.

All of it is floating-point arithmetic that happens to be exact: whole numbers below 2²⁴ are float32 numbers (2⁵³ in
float64), and so are their sums and products below that, and the floor of their correctly rounded quotient is the floor
of the true one (see `floored` for devices that round otherwise). `Grid.require_room` raises before a stream outgrows
that. Rounding onto the grid passes gradients straight through.

Sources: Zhang, Lewis, Kleijn, "On Exact Bit-level Reversible Transformers Without Changing Architectures" (arXiv
2407.09093, ICML 2025), in floor arithmetic for any b; Maclaurin, Duvenaud, Adams 2015, "Gradient-based Hyperparameter
Optimization through Reversible Learning" (arXiv 1502.03492), section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import torch
from torch import Tensor

from revconsole import arithmetic
from revconsole.errors import RevconsoleError
from revconsole.reversible.transforms import recorded

WORD = torch.int64
GATHER = 0x0102040810204080  # multiplied into eight bytes of 0 or 1, leaves them as the top byte
SPREAD = 0x0101010101010101  # multiplied into a byte, copies it to all eight bytes of a word
FINEST = 20  # bits after the point that leave float32 room up to 16
STORE_LIMIT = 2**24  # whole numbers below it are float32 numbers
STORE_BYTES = 3  # which is also what one of them takes
ROUND_QUOTIENTS = ("cpu", "cuda")  # devices whose quotient of two tensors is correctly rounded
PICK = 0x8040201008040201 - (1 << 64)  # keeps bit i of byte i; as a signed word


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The numbers n·2⁻ˡ, and scalings of them by ±2⁻ᵇ.

    fraction: l, the number of bits after the binary point.
    lost:     b, the bits that one scaling would lose per number; 0 if no coupling scales.
    """

    fraction: int
    lost: int = 0

    @classmethod
    def of(cls, fraction: int | None, lost: int = 0) -> "Grid | None":
        """The grid with that many bits after the point; None for None.

        Raises RevconsoleError if float32 would leave no bits before the point.
        """
        if fraction is None:
            return None
        if not 0 <= fraction <= FINEST:
            raise RevconsoleError(
                f"grid_bits lies between 0 and {FINEST}, not at {fraction}: 9 holds |x| < 32,768"
            )
        return cls(fraction=fraction, lost=lost)

    def dtype(self, given: torch.dtype) -> torch.dtype:
        """The dtype of streams on this grid: float32, or float64 for a float64 input."""
        return torch.promote_types(given, torch.float32)

    @property
    def unit(self) -> float:
        """The distance between neighbours, 2⁻ˡ."""
        return 2.0**-self.fraction

    def round(self, value: Tensor) -> Tensor:
        """The nearest point of the grid, ties to even; the gradient passes unchanged."""
        rounded: Tensor = _Rounded.apply(value, self)
        return rounded

    def whole(self, value: Tensor) -> Tensor:
        """The nearest whole number n of grid units, without a gradient."""
        return (value * 2.0**self.fraction).round_()

    def add(self, value: Tensor, residual: Tensor) -> Tensor:
        """`value + round(residual)` in one pass less than in two steps. value: on the grid."""
        total: Tensor = _Added.apply(value, residual, self)
        return total

    def subtract(self, value: Tensor, residual: Tensor) -> Tensor:
        """`value - round(residual)` in one pass less than in two steps, without a gradient. value: on the grid."""
        return _plus(value, self.whole(residual), -self.unit)

    def shrink(self, value: Tensor, scale: float | Tensor) -> tuple[Tensor, Tensor]:
        """`scale · value` rounded away to the grid without loss, and its remainder.

        value: on the grid. scale: ±2⁻ᵇ, one number or one per sample.
        Returns the scaled value, whose gradient is `scale`, and s as uint8, shaped like `value`.
        """
        scaled, remainder = _Shrunk.apply(value, scale, self)
        return scaled, remainder

    def grow(self, scaled: Tensor, scale: float | Tensor, remainder: Tensor) -> Tensor:
        """The value that `shrink` was given, bit for bit. remainder: as `shrink` returned it."""
        return torch.div(scaled, scale).sub_(remainder, alpha=self.unit)

    def multiply(self, value: Tensor, ratio: Fraction, store: Tensor) -> tuple[Tensor, Tensor]:
        """`ratio · value` on the grid, and the store with the bits that this would have lost.

        value: on the grid. ratio: not 0; its sign is the result's. store: whole numbers below 2²⁴, shaped like
        `value`. The gradient of the result is `ratio`; the store has none.
        """
        size = abs(ratio)
        scaled, after = _Multiplied.apply(value, size, store, self.unit)
        return scaled if ratio > 0 else -scaled, after

    def divide(self, scaled: Tensor, ratio: Fraction, store: Tensor) -> tuple[Tensor, Tensor]:
        """The value and the store that `multiply` was given, bit for bit."""
        return self.multiply(scaled if ratio > 0 else -scaled, 1 / abs(ratio), store)

    def pack(self, remainder: Tensor) -> Tensor:
        """The remainder packed into ⌈numel · b / 8⌉ bytes."""
        bits = remainder.reshape(-1)
        if self.lost > 1:
            bits = torch.cat([(bits >> bit) & 1 for bit in range(self.lost)])
        if missing := -bits.numel() % 8:
            bits = torch.nn.functional.pad(bits, (0, missing))
        # A word holds eight bytes of 0 or 1. The product collects them in its top byte, which is
        # the last of its eight bytes on a little-endian machine.
        top = (bits.view(WORD) * GATHER).view(torch.uint8)[7::8]
        return top.clone(memory_format=torch.contiguous_format)

    def unpack(self, packed: Tensor, shape: Sequence[int]) -> Tensor:
        """The remainder of that shape from its packed bytes."""
        # Copy each byte into all eight bytes of a word and keep bit i of byte i.
        words = packed.to(WORD).mul_(SPREAD).bitwise_and_(PICK)
        bits = words.view(torch.uint8).ne(0).view(torch.uint8)
        planes = bits[: self.lost * torch.Size(shape).numel()].view(self.lost, *shape)
        remainder = planes[0]
        for bit in range(1, self.lost):
            remainder = remainder + (planes[bit] << bit)
        return remainder

    def require_room(self, peaks: Sequence[Tensor], dtype: torch.dtype) -> None:
        """Raise RevconsoleError if a stream exceeds the whole numbers of its dtype, |n| ≥ 2²⁴ for float32.

        peaks: the largest magnitude of the stream at its input, then after each block; reading them waits for the
        device, see `room`.
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


def thousandths(name: str, value: float) -> Fraction:
    """A weight as the ratio used in exact arithmetic. Raises RevconsoleError if it has more than three decimals."""
    ratio = arithmetic.thousandth(value)
    if ratio is None:
        raise RevconsoleError(
            f"exact mode takes {name} with at most three decimals, not {value!r}: "
            f"write {round(value, 3):g}, or leave grid_bits unset"
        )
    return ratio


def pack_store(store: Tensor) -> Tensor:
    """A store in three bytes per number, uint8 of shape (…, 3)."""
    return store.to(torch.int32).unsqueeze(-1).view(torch.uint8)[..., :STORE_BYTES].contiguous()


def unpack_store(packed: Tensor, dtype: torch.dtype) -> Tensor:
    """The store from its packed bytes, in the given dtype."""
    whole = torch.nn.functional.pad(packed, (0, 1)).view(torch.int32)
    return whole.squeeze(-1).to(dtype)


@lru_cache(maxsize=4096)
def store_fills(ratios: tuple[Fraction, ...]) -> bool:
    """Whether a store that holds these scalings would overflow in the last of them.

    A store starts at 0, and starts again whenever this is true; every call considers all ratios since the first
    scaling of the stack.
    """
    largest, full = 0, False
    for ratio in ratios:
        divisor, factor = ratio.denominator, abs(ratio.numerator)
        full = largest * divisor + divisor > STORE_LIMIT
        largest = 0 if full else largest
        largest = (largest * divisor + divisor - 1) // factor
    return full


def floored(
    value: Tensor, divisor: int, *, unit: float = 1.0, rounded: bool | None = None
) -> Tensor:
    """⌊n / divisor⌋, for whole numbers n that the dtype holds and value = n · unit.

    unit: a power of two, which changes no bit of a quotient. rounded: whether the device rounds quotients correctly;
    None asks `ROUND_QUOTIENTS`. The divisor is a tensor of the device: by a Python number CUDA divides as it multiplies
    by the rounded reciprocal, and the floor is then one too small or too large for some numbers. Where the quotient of
    tensors is not correctly rounded either, the remainder tells: half a unit above a whole number, no rounding reaches
    the next multiple.
    """
    by = value.new_full((1,), divisor * unit)
    quotient = (value / by).floor_()
    if not (value.device.type in ROUND_QUOTIENTS if rounded is None else rounded):
        remainder = torch.sub(value, quotient, alpha=divisor * unit)
        quotient += torch.floor(remainder.add_(0.5 * unit) / by)
    return quotient


def peak(stream: Tensor) -> Tensor:
    """The largest magnitude in the stream, on its device; NaN if it contains one, 0 if it is empty."""
    if not stream.numel():
        return stream.new_zeros(())
    low, high = torch.aminmax(stream.detach())
    return torch.maximum(-low, high)


def peak_of_changed(streams: Sequence[Tensor], before: Sequence[Tensor]) -> Tensor:
    """The largest magnitude in those streams that a block has written."""
    alike = {stream.data_ptr() for stream in before}
    changed = [stream for stream in streams if stream.data_ptr() not in alike] or list(streams)
    return reduce(torch.maximum, map(peak, changed))


def _plus(value: Tensor, whole: Tensor, unit: float) -> Tensor:
    """`value + unit · whole`, in the memory of `whole` unless that is broadcast or a program is recorded."""
    # In a recorded program an operation with `out` has no gradient.
    own = whole.shape == value.shape and not recorded()
    return torch.add(value, whole, alpha=unit, out=whole if own else None)


class _Multiplied(torch.autograd.Function):
    """`Grid.multiply` for a positive ratio p/q, on values n·unit instead of whole numbers n.

    The names of the module docstring, all shaped like `value`: factor is p, divisor q, store B.
        quotient  ←  ⌊n / q⌋
        rest      ←  t = B·q + (n mod q)
        after     ←  ⌊t / p⌋                        the new store
        rest      ←  t mod p + ⌊n / q⌋·p            the new n
    Values stay multiples of the unit, which saves a pass that would convert them.
    """

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, ratio: Fraction, store: Tensor, unit: float
    ) -> tuple[Tensor, Tensor]:
        factor, divisor = ratio.numerator, ratio.denominator
        quotient = floored(value, divisor, unit=unit)
        rest = torch.sub(value, quotient, alpha=divisor * unit).add_(store, alpha=divisor * unit)
        after = floored(rest, factor, unit=unit)
        rest.sub_(after, alpha=factor * unit).add_(quotient, alpha=factor * unit)
        ctx.ratio = ratio
        ctx.mark_non_differentiable(after)
        return rest, after

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _store: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient * float(ctx.ratio), None, None, None


class _Shrunk(torch.autograd.Function):
    """`Grid.shrink`, with the gradient of the identity for rounding up (Bengio et al. 2013).

    The names of the module docstring: exact is n / 2ᵇ, whole is m = ⌈n / 2ᵇ⌉, remainder is s = m·2ᵇ − n.
    """

    @staticmethod
    def forward(
        ctx: Any, value: Tensor, scale: float | Tensor, grid: Grid
    ) -> tuple[Tensor, Tensor]:
        exact = value * 2.0 ** (grid.fraction - grid.lost)
        whole = torch.ceil(exact)
        if grid.lost == 1:  # n / 2 is whole or ends in ½, so s is 0 or 1
            remainder = torch.ne(whole, exact).view(torch.uint8)
        else:
            remainder = torch.sub(whole, exact, out=exact).mul_(2.0**grid.lost).to(torch.uint8)
        ctx.scale = scale
        ctx.mark_non_differentiable(remainder)
        return whole.mul_(scale * 2.0 ** (grid.lost - grid.fraction)), remainder

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _remainder: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.scale, None, None


class _Rounded(torch.autograd.Function):
    """`Grid.round` with the gradient of the identity."""

    @staticmethod
    def forward(_ctx: Any, value: Tensor, grid: Grid) -> Tensor:
        return grid.whole(value).mul_(grid.unit)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Added(torch.autograd.Function):
    """`Grid.add`, with the gradient 1 for both terms."""

    @staticmethod
    def forward(_ctx: Any, value: Tensor, residual: Tensor, grid: Grid) -> Tensor:
        return _plus(value, grid.whole(residual), grid.unit)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        return gradient, gradient, None
