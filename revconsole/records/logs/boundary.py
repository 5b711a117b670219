"""Boundary: which class a model calls each place of the plane, as a coarse grid, and some test points to draw on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.records.logs.events import Bounded

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""One for a place: 0 is surely the first class, z surely the second; from i on it is called the second."""
LEVELS = len(DIGITS)
Point = tuple[float, float, int]
"""Two coordinates and a class, 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The plane as a model saw it at one step.

    box: left, right, bottom, top. cells: a digit for each of columns × rows places, line by line from the top left.
    of: what the digits are, the "probability" of the second class, or where it lies in the "margin" of a support
    vector machine. tested: whether it is of the weights that were tested, of the best epoch.
    """

    step: int
    epoch: int
    tested: bool
    box: tuple[float, float, float, float]
    columns: int
    rows: int
    cells: str
    of: str
    names: tuple[str, str]
    points: tuple[Point, ...]

    def level(self, across: float, down: float) -> int:
        """The digit at a place of the box, as a number; across and down are shares of it, 0 to 1 from the top left."""
        column = min(self.columns - 1, max(0, int(across * self.columns)))
        row = min(self.rows - 1, max(0, int(down * self.rows)))
        return DIGITS.index(self.cells[row * self.columns + column])

    def share(self, point: Point) -> tuple[float, float]:
        """Where a point lies: across and down, as `level` takes it."""
        left, right, bottom, top = self.box
        x, y, _ = point
        return (x - left) / (right - left), (top - y) / (top - bottom)


def following(before: Boundary | None, event: Bounded) -> Boundary:
    """What an event says; it names the points only if it is the first of an attempt."""
    first, second = event.names
    left, right, bottom, top = event.box
    if len(event.cells) != event.columns * event.rows or not set(event.cells) <= set(DIGITS):
        raise ValueError("a grid that is none")
    return Boundary(
        step=event.step,
        epoch=event.epoch,
        tested=event.tested,
        box=(left, right, bottom, top),
        columns=event.columns,
        rows=event.rows,
        cells=event.cells,
        of=event.of,
        names=(first, second),
        points=_points(event.points) or (before.points if before else ()),
    )


def _points(given: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    return tuple((float(x), float(y), int(label)) for x, y, label in given)
