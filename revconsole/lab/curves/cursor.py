"""Cursor: a place on the horizontal axis that all plots of a screen share, and what their curves are there."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.points import CurvePoints, PointReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadValue:
    """A curve at the cursor. delta: its distance to the baseline's curve there; None without one."""

    figure: Figure
    curve: Curve
    reading: PointReading
    delta: float | None = None


def moved(
    figure: Figure, current: float | None, by: int, *, front: str = "", column_share: float = 0.01
) -> float | None:
    """The place of the cursor after some key presses to the right (negative: left); None if there is nothing to stand on.

    The cursor goes from column to column and stands on a point of the leading curve; where points are further apart than
    columns, from point to point. Without a place it begins at the right end. front: the run whose curve leads.
    column_share: the share of the plot's width that a column takes.
    """
    points = leading(figure, front)
    if points is None:
        return None
    low, high = _window(figure)
    if current is None:
        return _place(points, high)
    column = (high - low) * column_share
    here, there = points.near(current), points.near(current + by * column)
    if here is None or there is None:
        return None
    if here == there:
        there = min(max(here + by, 0), points.length - 1)
        while not math.isfinite(points.x_at(there)) and 0 < there < points.length - 1:
            there += 1 if by > 0 else -1
    x = points.x_at(there)
    return x if math.isfinite(x) else current


def leading(figure: Figure, front: str = "") -> CurvePoints | None:
    """The points of the curve in front, or of the curve with the most points."""
    own = [c for c in figure.curves if c.of(front)] or list(figure.curves)
    known = [curve.points for curve in own if curve.points is not None]
    return max(known, key=lambda points: points.length, default=None)


def read(
    figures: Sequence[Figure], x: float, *, run_id: str = "", baseline: str = ""
) -> Iterator[ReadValue]:
    """Yield the curves of the figures at `x`. baseline: the run of differences. run_id: of this run only, also within a mean."""
    for figure in figures:
        reference = baseline if run_id else ""
        at_baseline = {
            c.member: points.known_at(x)
            for c in figure.curves
            if c.of(baseline) and (points := c.points_of(reference))
        }
        for curve in figure.curves:
            points = curve.points_of(run_id)
            if points is None or (run_id and not curve.of(run_id)):
                continue
            reading, other = points.known_at(x), at_baseline.get(curve.member)
            if reading is not None:
                delta = None if other is None or curve.of(baseline) else reading.y - other.y
                yield ReadValue(figure=figure, curve=curve, reading=reading, delta=delta)


def _place(points: CurvePoints, x: float) -> float | None:
    index = points.near(x)
    x = math.nan if index is None else points.x_at(index)
    return x if math.isfinite(x) else None


def _window(figure: Figure) -> tuple[float, float]:
    if figure.left is not None and figure.right is not None:
        return figure.left, figure.right
    xs = [x for curve in figure.curves for x in curve.xs]
    return min(xs, default=0.0), max(xs, default=1.0)
