"""Scatter plots: accuracy against a cost, a letter for each run, and the front of the runs that none beats as a line of steps."""

from collections.abc import Mapping
from dataclasses import dataclass

from revconsole.lab.curves import canvas, scales
from revconsole.lab.curves.canvas import MARGIN, Mark
from revconsole.lab.curves.cells import Cells, Ink, Line, Marker
from revconsole.lab.curves.figures import Figure
from revconsole.lab.curves.scales import Scale
from revconsole.lab.trade_offs import Scatter

FAR = 6
"""Cells beside its point at which a letter still stands for it."""
AXIS = "cost"
"""The kind of the horizontal axis, which counts neither steps nor time of day."""


def drawn(
    scatter: Scatter, marks: Mapping[str, Mark], width: int, height: int, *, marker: Marker = "braille"
) -> tuple[list[Line], int]:  # fmt: skip
    """The plot as `height` lines of `width` columns, and how many runs found no room beside others.

    marks: how each run is told from the others, by its id.
    """
    vertical, horizontal = _scales(scatter)
    rule, rows, labels, gutter, columns = canvas.frame(vertical, width, height)
    cells = Cells(columns + MARGIN, rows, marker)
    field = _Field(cells, columns, vertical, horizontal)
    field.draw_front(scatter)
    hidden = field.draw_letters(scatter, marks)
    sides = canvas.sides(labels, vertical, rows, gutter, marker)
    lines = [[*side, *line] for side, line in zip(sides, cells.lines(), strict=True)]
    axis = Figure(
        title="",
        x_label=scatter.unit,
        y_label="%",
        horizontal=AXIS,
        logarithmic_x=scatter.logarithmic,
    )
    lines += canvas.below(axis, horizontal, gutter, columns, marker, rule=rule)
    return lines, hidden


def _scales(scatter: Scatter) -> tuple[Scale, Scale]:
    """The vertical and the horizontal axis: round ends; an accuracy is never above 100 %."""
    vertical = scales.fitting([y for _, _, y in scatter.points])
    if vertical.high > 100:
        vertical = Scale(vertical.low, 100.0)
    return vertical, scales.fitting(
        [x for _, x, _ in scatter.points], logarithmic=scatter.logarithmic
    )


@dataclass(frozen=True, slots=True)
class _Field:
    """The cells of a plot with its axes. columns: those of the plot, without the margin."""

    cells: Cells
    columns: int
    vertical: Scale
    horizontal: Scale

    def draw_front(self, scatter: Scatter) -> None:
        """The best accuracy that is had at each cost: level from a run of the front to the next, then up to it."""
        last = self.columns * self.cells.dots_across - 1
        dots = [
            (across, self.cells.height - 1 - up)
            for x, y in scatter.steps
            if (across := self.horizontal.cell(x, last + 1)) is not None
            and (up := self.vertical.cell(y, self.cells.height)) is not None
        ]
        ends = [*dots[1:], *((last, y) for _, y in dots[-1:])]
        self.cells.begin()
        for (x, y), (next_x, next_y) in zip(dots, ends, strict=True):
            self.cells.line((x, y), (next_x, y), Ink(), every=2)
            self.cells.line((next_x, y), (next_x, next_y), Ink())

    def draw_letters(self, scatter: Scatter, marks: Mapping[str, Mark]) -> int:
        """Write the letters, those of the front first; returns how many found no place near their point."""
        order = sorted(scatter.points, key=lambda point: point[0] not in scatter.front)
        hidden = 0
        for run_id, x, y in order:
            mark, place = marks.get(run_id), self._place(x, y)
            if place is None or mark is None:
                hidden += 1
            else:
                self.cells.text(*place, mark.letter, Ink(mark.colour))
        return hidden

    def _place(self, x: float, y: float) -> tuple[int, int] | None:
        """The free cell nearest to a point; a row is twice as far as a column."""
        column = self.horizontal.cell(x, self.columns)
        up = self.vertical.cell(y, self.cells.rows)
        if column is None or up is None:
            return None
        row = self.cells.rows - 1 - up
        around = [
            (abs(across) + 2 * abs(down), column + across, row + down)
            for across in range(-FAR, FAR + 1)
            for down in range(-FAR // 2, FAR // 2 + 1)
        ]
        near = sorted(place for place in around if place[0] <= FAR)
        return next(((x, y) for _, x, y in near if self.cells.free(x, y)), None)
