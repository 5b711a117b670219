"""Boundary: the class a model predicts at each place of the plane, as a coarse grid, with some test points to draw on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.records.logs.events import Bounded

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
"""One digit per place: 0 is certainly the first class, z certainly the second; from i on the prediction is the second."""
LEVELS = len(DIGITS)
Point = tuple[float, float, int]
"""(x, y, class), with class 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The predictions of a model over the plane at one step.

    box: left, right, bottom, top. cells: one digit for each of columns × rows places, row by row from the top left.
    of: quantity that the digits encode, the "probability" of the second class or the "margin" of a support vector
    machine. tested: whether the grid belongs to the tested weights, those of the best epoch.
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
        """The digit, as a number, at a place given as fractions (0 to 1) of the box from its top left corner."""
        column = min(self.columns - 1, max(0, int(across * self.columns)))
        row = min(self.rows - 1, max(0, int(down * self.rows)))
        return DIGITS.index(self.cells[row * self.columns + column])

    def share(self, point: Point) -> tuple[float, float]:
        """The fractions (across, down) of the box at which a point lies, as `level` takes them."""
        left, right, bottom, top = self.box
        x, y, _ = point
        return (x - left) / (right - left), (top - y) / (top - bottom)


def following(before: Boundary | None, event: Bounded) -> Boundary:
    """The boundary that an event describes. Only the first event of an attempt carries points; later ones reuse `before`'s."""
    first, second = event.names
    left, right, bottom, top = event.box
    if len(event.cells) != event.columns * event.rows or not set(event.cells) <= set(DIGITS):
        raise ValueError("the grid does not have columns × rows digits")
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


def _points(points: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    return tuple((float(x), float(y), int(label)) for x, y, label in points)
