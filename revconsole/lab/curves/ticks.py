"""Ticks: round numbers for the axes of a plot, and limits that do not jump with every new point."""

import itertools
import math


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten within [low, high]; `low` where there is none."""
    if not high > low or most < 1:
        return [low]
    step = _step((high - low) / most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    ticks = [n * step for n in range(first, last + 1)]
    return ticks[:: max(1, math.ceil(len(ticks) / most))] or [low]


def limits(values: list[float]) -> tuple[float, float]:
    """Lower and upper end of an axis: the values, widened to round numbers so that it holds still.

    A constant is put in the middle. Values must be finite and not empty.
    """
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        room = abs(low) * 0.1 or 1.0
        return low - room, high + room
    step = _step((high - low) / 5)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def whole_limits(values: list[float]) -> tuple[float, float]:
    """Limits like `limits`, at whole numbers: powers of ten of a logarithmic axis."""
    low, high = math.floor(min(values)), math.ceil(max(values))
    return float(low), float(max(high, low + 1))


def whole_ticks(low: float, high: float, most: int) -> list[int]:
    """At most `most` whole numbers within [low, high], evenly apart."""
    numbers = range(math.ceil(low), math.floor(high) + 1)
    return list(numbers)[:: math.ceil(len(numbers) / max(1, most))]


def label(tick: float, ticks: list[float]) -> str:
    """A tick as text, with as many decimals as tell it from its neighbours."""
    gap = min((b - a for a, b in itertools.pairwise(ticks)), default=abs(tick) or 1.0)
    if abs(tick) >= 1e6 or (0 < gap < 1e-4):
        return f"{tick:.3g}"
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9)) if gap < 1 else 0
    return f"{tick:,.{min(decimals, 6)}f}"


def _step(rough: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten that is not below `rough`."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next((f * power for f in (1, 2, 5) if f * power >= rough * (1 - 1e-9)), 10 * power)
