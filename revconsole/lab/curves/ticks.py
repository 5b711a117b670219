"""Ticks: round numbers for the axes of a plot, and limits that do not change with every new point."""

import itertools
import math


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten in [low, high]; `low` alone if there is none."""
    if not high > low or most < 1:
        return [low]
    step = _step((high - low) / most)
    ticks = _multiples(low, high, step)
    if len(ticks) > most:
        ticks = _multiples(low, high, _step(1.5 * step))
    return ticks or [low]


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
"""Distances between ticks of time, in seconds; beyond them multiples of days."""


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` ticks in [low, high], both in seconds, at round times of day."""
    rough = (high - low) / max(1, most)
    step = next((t for t in TIMES if t >= rough), 86400 * math.ceil(rough / 86400))
    first = math.ceil(low / step)
    return [n * float(step) for n in range(first, math.floor(high / step) + 1)] or [low]


def limits(values: list[float]) -> tuple[float, float]:
    """Lower and upper limit of an axis: those of the values, widened to round numbers so that they rarely change.

    A constant is put in the middle. Values must be finite, and at least one.
    """
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        room = abs(low) * 0.1 or 1.0
        return low - room, high + room
    step = _step((high - low) / 5)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def whole_limits(values: list[float]) -> tuple[float, float]:
    """Limits like `limits`, at whole numbers, for the exponents of a logarithmic axis."""
    low, high = math.floor(min(values)), math.ceil(max(values))
    return float(low), float(max(high, low + 1))


def whole_ticks(low: float, high: float, most: int) -> list[int]:
    """At most `most` equidistant whole numbers in [low, high]."""
    numbers = range(math.ceil(low), math.floor(high) + 1)
    return list(numbers)[:: max(1, math.ceil(len(numbers) / max(1, most)))]


def label(tick: float, ticks: list[float]) -> str:
    """A tick as text, with as many decimals as distinguish neighbouring ticks."""
    gap = min((b - a for a, b in itertools.pairwise(ticks)), default=abs(tick) or 1.0)
    if abs(tick) >= 1e6 or (0 < gap < 1e-4):
        return f"{tick:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9)) if gap < 1 else 0
    return f"{tick:,.{min(decimals, 6)}f}"


def _step(rough: float) -> float:
    """The smallest of 1, 2, 5, 10 times a power of ten that is not below `rough`."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next((f * power for f in (1, 2, 5) if f * power >= rough * (1 - 1e-9)), 10 * power)
