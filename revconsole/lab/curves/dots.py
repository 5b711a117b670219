"""Dot plots: a row for each arm of a study: the values of its seeds, their mean, and a line of their deviation to both sides.

A place on the axis is comparable between rows, and so is the deviation to the distance of two means. The mean of the
baseline goes through all rows as a line.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.lab import format as shown
from revconsole.lab.board import ArmStanding
from revconsole.lab.curves import canvas, scales
from revconsole.lab.curves.cells import Ink, Line, Marker
from revconsole.lab.curves.colours import ON_DARK, Palette, of_curve
from revconsole.lab.curves.figures import Figure
from revconsole.lab.curves.scales import Scale
from revconsole.lab.trade_offs import LOGARITHMIC_FROM
from revconsole.records.printable import one_line

MEAN = {"braille": "●", "block": "●", "ascii": "O"}
SEED = {"braille": "○", "block": "○", "ascii": "."}
DEVIATION = {"braille": "─", "block": "─", "ascii": "-"}
MOST_NAME, MOST_APART = 30, 4
"""Columns of a name at most, and rows from one arm to the next."""
AXIS_ROWS = 2
"""Rows of the axis: its rule, and its ticks."""
KIND = "value"
"""The kind of the horizontal axis, which counts neither steps nor time of day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DotRow:
    """An arm: the values of its seeds and their mean, and their sample deviation where there are several."""

    name: str
    values: tuple[float, ...]
    mean: float
    deviation: float = 0.0
    baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DotPlot:
    """A quantity of the arms that have it. unit: of all values."""

    title: str
    unit: str
    rows: tuple[DotRow, ...]
    logarithmic: bool = False

    def height(self, apart: int = 1) -> int:
        """Rows that it takes with so many from one arm to the next."""
        return apart * len(self.rows) + AXIS_ROWS


def accuracies(arms: Sequence[ArmStanding]) -> DotPlot:
    """Test accuracy in percent; mean and deviation are those of the table, in which copies of a run count once."""
    rows = [
        DotRow(
            name=arm.name,
            values=tuple(100 * value for value in _of_seeds(arm, "test_accuracy")),
            mean=100 * arm.accuracy.mean,
            deviation=100 * (arm.accuracy.deviation or 0.0),
            baseline=arm.baseline,
        )
        for arm in arms
        if arm.accuracy is not None
    ]
    return DotPlot(title="test accuracy", unit="%", rows=tuple(rows))


def sizes(arms: Sequence[ArmStanding]) -> DotPlot:
    """Memory kept for backward, in the unit of the largest."""
    found = [(arm, sizes) for arm in arms if (sizes := _of_seeds(arm, "kept_for_backward_bytes"))]
    every = [size for _, sizes in found for size in sizes if min(sizes) > 0]
    each, unit = shown.memory_unit(max(every, default=1.0))
    rows = [
        DotRow(
            name=arm.name,
            values=tuple(size / each for size in sizes),
            mean=statistics.fmean(sizes) / each,
            deviation=statistics.stdev(sizes) / each if len(sizes) > 1 else 0.0,
            baseline=arm.baseline,
        )
        for arm, sizes in found
        if min(sizes) > 0
    ]
    far = min(every, default=1.0) * LOGARITHMIC_FROM < max(every, default=1.0)
    return DotPlot(title="kept for backward", unit=unit, rows=tuple(rows), logarithmic=far)


def _of_seeds(arm: ArmStanding, quantity: str) -> list[float]:
    """A quantity of the runs of an arm that are done, as far as it is known."""
    done = [each.summary for each in arm.by_seed.values() if each.progress == "done"]
    values = (getattr(run, quantity) for run in done)
    return [float(value) for value in values if value is not None]


def drawn(
    plot: DotPlot, width: int, height: int, *,
    marker: Marker = "braille", colours: Palette = ON_DARK, front: str = "",
) -> list[Line]:  # fmt: skip
    """The plot as `height` lines of `width` columns. front: the name of the arm that is set off."""
    names = shown.told_apart(
        [one_line(row.name) for row in plot.rows], min(MOST_NAME, 2 * width // 5)
    )
    gutter = max(map(shown.cells, names), default=0) + 3
    columns = max(1, width - gutter - canvas.MARGIN)
    scale = _scale(plot)
    apart = max(1, min(MOST_APART, (height - AXIS_ROWS) // max(1, len(plot.rows))))
    through = next((scale.cell(row.mean, columns) for row in plot.rows if row.baseline), None)
    blank = [canvas.CURSOR[marker] if at == through else " " for at in range(columns)]
    between: Line = [(f"{'':{gutter - 1}}{canvas.RULER[marker]}", Ink())]
    between += [("".join(blank), Ink()), (" " * canvas.MARGIN, Ink())]
    lines = [between] * (apart // 2)
    for row, name in zip(plot.rows, names, strict=True):
        colour = Ink(of_curve(0, colours))
        ink = Ink() if row.baseline else colour
        side = f" {name}{' ' * (gutter - 2 - shown.cells(name))}{canvas.RULER[marker]}"
        lines.append(
            [(side, colour if row.name == front else Ink()), *_row(row, scale, blank, ink, marker)]
        )
        lines += [between] * (apart - 1)
    lines = lines[: height - AXIS_ROWS]
    lines += [between] * (height - AXIS_ROWS - len(lines))
    axis = Figure(
        title="", x_label=plot.unit, y_label="", horizontal=KIND, logarithmic_x=plot.logarithmic
    )
    return lines + canvas.below(axis, scale, gutter, columns, marker, rule=True)


def _scale(plot: DotPlot) -> Scale:
    """The axis of all values and deviations; a share is never beyond 0 and 100 %."""
    ends = [row.mean + side * row.deviation for row in plot.rows for side in (-1, 1)]
    every = [*ends, *(value for row in plot.rows for value in row.values)]
    scale = scales.fitting(every, logarithmic=plot.logarithmic)
    if plot.unit == "%":
        return Scale(max(scale.low, 0.0), min(scale.high, 100.0))
    return scale


def _row(row: DotRow, scale: Scale, blank: Sequence[str], ink: Ink, marker: Marker) -> Line:
    """The signs of an arm: deviation, then seeds, then the mean over them."""
    signs, last = list(blank), len(blank) - 1

    def at(value: float) -> int:
        cell = scale.cell(max(value, scale.low), len(blank))
        return min(max(cell or 0, 0), last)

    drawn = range(0)
    if row.deviation:
        drawn = range(at(row.mean - row.deviation), at(row.mean + row.deviation) + 1)
    for column in drawn:
        signs[column] = DEVIATION[marker]
    for value in row.values:
        signs[at(value)] = SEED[marker]
    signs[at(row.mean)] = MEAN[marker]
    return [("".join(signs), ink), (" " * canvas.MARGIN, Ink())]
