"""Scale: from values to places on an axis, linear or logarithmic, with round ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from revconsole.lab.curves import ticks

SHRINK = 0.5
"""An axis is narrowed once the values take less than this share of it."""
PLAIN = (-3, 4)
"""Powers of ten between which a logarithmic axis has plain numbers."""
DIGITS = (range(1, 10), (1, 2, 5), (1, 3), (1, 5), (2, 5), (5, 8))
"""Leading digits that the ticks of a short logarithmic axis have, from many to few."""
FINEST = 9
"""Most ticks more than asked for among which two round values are looked for."""
SAME = 1 + 1e-9
"""Two values whose ratio is below this are one."""
CONSTANT = 1.01
"""A logarithmic axis whose values differ by less than this factor shows a whole power of ten."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high`, both in the unit of the values. A logarithmic one has low > 0."""

    low: float
    high: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value is between low (0) and high (1); outside for values beyond. Needs value > 0 on a logarithm."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def cell(self, value: float, cells: int) -> int | None:
        """The cell of a value, 0 at low and `cells` - 1 at high; None for NaN, infinity and what has no logarithm."""
        if not math.isfinite(value) or (self.logarithmic and value <= 0):
            return None
        share = self.share(value)
        return round(share * (cells - 1)) if math.isfinite(share) else None

    def value(self, share: float) -> float:
        """The value at a share of the way from low to high."""
        if self.logarithmic:
            return self.low * float((self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def holds(self, values: Sequence[float]) -> bool:
        """Whether all values are on the axis."""
        return self.low <= min(values) and max(values) <= self.high

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """At most `most` ticks (at least two) at round values, with their labels."""
        if not self.logarithmic:
            places = ticks.round_ticks(self.low, self.high, max(2, most))
            return [(place, ticks.label(place, places)) for place in places]
        powers = ticks.whole_ticks(math.log10(self.low), math.log10(self.high), max(2, most))
        if len(powers) > 1:
            return _labelled([(1, power) for power in powers])
        return self._between_powers(max(2, most))

    def _between_powers(self, most: int) -> list[tuple[float, str]]:
        """Ticks of a logarithmic axis that holds at most one power of ten: few of its digits, else round values."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for digits in DIGITS:
            every = [(digit, power) for power in range(first, last + 1) for digit in digits]
            held = [(d, p) for d, p in every if self.low / SAME <= d * 10.0**p <= self.high * SAME]
            if 2 <= len(held) <= most:
                return _labelled(held)
        finer = (ticks.round_ticks(self.low, self.high, most + more) for more in range(FINEST))
        places = next((found for found in finer if len(found) > 1), [self.low, self.high])
        shown = places if len(places) <= most else [places[0], places[-1]]
        return [(place, ticks.label(place, places)) for place in shown]


def _labelled(places: Sequence[tuple[int, int]]) -> list[tuple[float, str]]:
    """Digits times powers of ten with their labels: plain numbers where all of them are short."""
    plain = PLAIN[0] <= places[0][1] and places[-1][1] <= PLAIN[1]
    return [(d * 10.0**p, f"{d * 10.0**p:,g}" if plain else f"{d}e{p}") for d, p in places]


def above(low: float) -> float:
    """The upper end of an axis on which a single value is the lower one, larger than it also where the value is huge."""
    return low + max(1.0, abs(low) * 0.1)


def fitting(values: Iterable[float], *, logarithmic: bool = False) -> Scale:
    """The axis for these values: round limits, a constant in the middle. Values that cannot be drawn are left out."""
    usable = [v for v in values if math.isfinite(v) and (v > 0 or not logarithmic)]
    if not usable:
        return Scale(1.0, 10.0, logarithmic) if logarithmic else Scale(0.0, 1.0)
    if not logarithmic:
        return Scale(*ticks.limits(usable))
    if CONSTANT < max(usable) / min(usable) < 10:
        low, high = ticks.limits(usable)
        return Scale(low if low > 0 else min(usable) / 1.5, high, logarithmic=True)
    low, high = ticks.whole_limits([math.log10(v) for v in usable])
    return Scale(10.0**low, 10.0**high, logarithmic=True)


def steady(before: Scale | None, values: Sequence[float], *, logarithmic: bool = False) -> Scale:
    """The axis for new values: the one before while it holds them and they take enough of it, so that it does not jump."""
    new = fitting(values, logarithmic=logarithmic)
    if before is None or before.logarithmic != logarithmic:
        return new
    usable = [v for v in values if math.isfinite(v) and (v > 0 or not logarithmic)]
    if not usable or not before.holds(usable):
        return new
    taken = before.share(new.high) - before.share(new.low)
    return before if taken >= SHRINK else new
