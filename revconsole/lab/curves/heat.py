"""Heat map: what is measured for every block, a row for each block, the axis from left to right, values as shades.

The scale is logarithmic where all values are above 0, because gradients and errors of blocks differ by powers of ten.
"""

import math
from collections.abc import Sequence

from revconsole.lab.curves import canvas
from revconsole.lab.curves.canvas import PlottedFigure
from revconsole.lab.curves.cells import Ink, Line, Marker
from revconsole.lab.curves.colours import Colour
from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.scales import Scale, above

RAMP: tuple[Colour, ...] = (
    (0, 60, 120), (60, 85, 125), (110, 112, 120), (160, 145, 110), (205, 180, 90), (250, 225, 70),
)  # fmt: skip
"""From low to high; its lightness grows evenly, also for people who do not tell red from green (after cividis)."""
SHADES = {"braille": "░░▒▒▓█", "block": "░░▒▒▓█", "ascii": ".:-=*#"}
"""The same steps without colour."""
MISSING = {"braille": "×", "block": "×", "ascii": "x"}


def drawn(
    figure: Figure, width: int, height: int, *, marker: Marker = "braille", cursor: float | None = None
) -> PlottedFigure:  # fmt: skip
    """The figure as `height` lines of `width` columns; each curve is a block, the first at the top."""
    rows = max(1, height - 1)
    count = len(figure.curves)
    gutter = len(str(count - 1)) + 1
    columns = max(1, width - gutter - canvas.MARGIN)
    horizontal = canvas.horizontal_scale(figure)
    scale = _scale(figure)
    groups = [figure.curves[r * count // rows : max((r + 1) * count // rows, r * count // rows + 1)]
              for r in range(rows)]  # fmt: skip
    at_cursor = None if cursor is None else horizontal.cell(cursor, columns)
    lines: list[Line] = []
    for row, curves in enumerate(groups):
        first = row * count // rows
        new = row == 0 or first != (row - 1) * count // rows
        label = str(first) if new else ""
        shades = _shades(curves, horizontal, columns, scale, marker)
        if at_cursor is not None and 0 <= at_cursor < columns:
            shades[at_cursor] = (canvas.CURSOR[marker], Ink())
        side = label.rjust(gutter - 1) + canvas.RULER[marker]
        lines.append([(side, Ink()), *_joined(shades), (" " * canvas.MARGIN, Ink())])
    lines += canvas.below(figure, horizontal, gutter, columns, marker, rule=False)
    return PlottedFigure(
        lines=lines, vertical=scale, horizontal=horizontal, first=gutter, columns=columns
    )


def extremes(figure: Figure) -> tuple[float, float] | None:
    """The lowest and the highest value that is drawn; None without any."""
    values = [y for curve in figure.curves for y in curve.ys if math.isfinite(y)]
    return (min(values), max(values)) if values else None


def _scale(figure: Figure) -> Scale:
    low, high = extremes(figure) or (0.0, 1.0)
    positive = [y for curve in figure.curves for y in curve.ys if math.isfinite(y) and y > 0]
    if positive and low >= 0:
        low = min(positive)
        return Scale(low, high if high > low else low * 10, logarithmic=True)
    return Scale(low, high if high > low else above(low))


def _shades(
    curves: Sequence[Curve], horizontal: Scale, columns: int, scale: Scale, marker: Marker
) -> list[tuple[str, Ink]]:
    """A shade for each column: the highest value of the blocks there; between two measurements the earlier one."""
    largest: list[float | None] = [None] * columns
    gaps = set()
    for curve in curves:
        for x, y in zip(curve.xs, curve.ys, strict=True):
            column = horizontal.cell(x, columns)
            if column is not None and 0 <= column < columns and math.isfinite(y):
                largest[column] = max(y, largest[column] or y)
        gaps |= {horizontal.cell(x, columns) for x in curve.gaps}
    shades: list[tuple[str, Ink]] = []
    value: float | None = None
    for column, here in enumerate(largest):
        value = here if here is not None else value
        if column in gaps:
            shades.append((MISSING[marker], Ink()))
        else:
            shades.append(_shade(value, scale, marker))
    return shades


def _shade(value: float | None, scale: Scale, marker: Marker) -> tuple[str, Ink]:
    if value is None:
        return " ", Ink()
    share = 0.0 if scale.logarithmic and value <= 0 else scale.share(value)
    step = min(max(int(share * len(RAMP)), 0), len(RAMP) - 1)
    return SHADES[marker][step], Ink(RAMP[step])


def _joined(cells: Sequence[tuple[str, Ink]]) -> Line:
    line: Line = []
    for text, ink in cells:
        if line and line[-1][1] == ink:
            line[-1] = (line[-1][0] + text, ink)
        else:
            line.append((text, ink))
    return line
