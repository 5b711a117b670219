"""Canvas: a figure as lines of text with ink.

Figures arrive decimated. A value that is not finite breaks the curve and is marked with a cross at the bottom of the
plot. Letters tell curves apart where colours do not. Faint points come first, then faint curves, then the others, and last
the curve in front.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from revconsole.lab import format as shown
from revconsole.lab.curves import axes, lettering, scales, ticks
from revconsole.lab.curves.cells import DOTS, Cells, Dot, Ink, Line, Marker
from revconsole.lab.curves.colours import Colour
from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.scales import Scale

CROSS = "×"
RULER = {"braille": "│", "block": "│", "ascii": "|"}
CURSOR = {"braille": "┊", "block": "┊", "ascii": ":"}
PLAIN_CROSS = "x"
SHORTAGE = "!"
"""Marks where memory ran out."""
TALL = 9
"""Rows from which a plot has a rule above its horizontal ticks."""
FAINT, USUAL, FRONT = 1, 2, 3
"""Ranks of curves; what is scattered around them has rank 0."""
LEAST_ROWS_ABOVE, MOST_WIDER = 1.5, 2
"""Rows above the highest tick from which the upper end has a label too, and columns by which that may widen the axis."""
MARGIN = 2
"""Columns right of a plot for the letters of its curves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a curve is told from others: its letter, its colour, and whether it stands back."""

    letter: str
    colour: Colour
    faint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlottedFigure:
    """A drawn figure: its lines, and where its plot is: the first column and the number of columns.

    rows: of those from the top in which a cursor can be put; none by `with_cursor` where it is drawn with the figure.
    """

    lines: list[Line]
    vertical: Scale
    horizontal: Scale
    first: int
    columns: int
    rows: int = 0

    def x_of(self, column: int) -> float:
        """The place on the horizontal axis of a column of the picture."""
        share = (column - self.first + 0.5) / max(1, self.columns)
        return self.horizontal.value(min(max(share, 0.0), 1.0))


def letter(number: int) -> str:
    """A for 0, B for 1, …"""
    return chr(ord("A") + number % 26)


def letters(labels: Sequence[str]) -> list[str]:
    """A letter for each curve: the initials if they differ, else A, B, C, …"""
    initials = [label.strip()[:1].upper() for label in labels]
    if len(set(initials)) == len(initials) and all(i.isascii() and i.isalpha() for i in initials):
        return initials
    return [letter(n) for n in range(len(labels))]


def drawn(
    figure: Figure, marks: Sequence[Mark], width: int, height: int, *,
    marker: Marker = "braille", front: int | None = None, before: Scale | None = None,
) -> PlottedFigure:  # fmt: skip
    """The figure as `height` lines of `width` columns, without a value cursor, see `with_cursor`.

    marks: those of the curves. front: the index of the curve that is drawn last. before: the vertical axis of the picture
    before this one, which stays if it still fits.
    """
    vertical = scales.steady(before, _values(figure), logarithmic=figure.logarithmic)
    if figure.y_label == "%" and vertical.high > 100 >= max(_values(figure), default=101):
        vertical = Scale(vertical.low, 100.0)
    horizontal = horizontal_scale(figure)
    rule, rows, labels, gutter, columns = frame(vertical, width, height)
    cells = Cells(columns + MARGIN, rows, marker)
    plot = _Plot(figure, list(marks), cells, columns, vertical, horizontal)
    plot.draw(front)
    beside = sides(labels, vertical, rows, gutter, marker)
    lines = [[*side, *line] for side, line in zip(beside, cells.lines(), strict=True)]
    lines += below(figure, horizontal, gutter, columns, marker, rule=rule)
    return PlottedFigure(
        lines=lines, vertical=vertical, horizontal=horizontal, first=gutter, columns=columns, rows=rows
    )  # fmt: skip


def with_cursor(picture: PlottedFigure, x: float, marker: Marker) -> PlottedFigure:
    """The picture with the value cursor in every blank cell above a place of the axis; without it outside of the plot."""
    across = DOTS[marker][0]
    dot = picture.horizontal.cell(x, picture.columns * across)
    if dot is None or not 0 <= dot < picture.columns * across:
        return picture
    column, sign = picture.first + dot // across, CURSOR[marker]
    marked = [_marked(line, column, sign) for line in picture.lines[: picture.rows]]
    return replace(picture, lines=[*marked, *picture.lines[picture.rows :]])


def _marked(line: Line, column: int, sign: str) -> Line:
    """The line with a sign in a column, if nothing stands there."""
    start = 0
    for number, (text, ink) in enumerate(line):
        at = column - start
        if at < len(text):
            parts = [(text[:at], ink), (sign, Ink()), (text[at + 1 :], ink)]
            return line if text[at] != " " else [*line[:number], *parts, *line[number + 1 :]]
        start += len(text)
    return line


def pieces(curve: Curve) -> list[tuple[list[float], list[float]]]:
    """The parts of the curve between its gaps."""
    parts: list[tuple[list[float], list[float]]] = []
    gaps = iter((*sorted(x for x in curve.gaps if math.isfinite(x)), math.inf))
    gap = next(gaps)
    xs: list[float] = []
    ys: list[float] = []
    for x, y in zip(curve.xs, curve.ys, strict=True):
        if not math.isfinite(x):
            continue
        if x >= gap:
            parts.append((xs, ys))
            xs, ys = [], []
            while x >= gap:
                gap = next(gaps)
        xs.append(x)
        ys.append(y)
    return [(a, b) for a, b in (*parts, (xs, ys)) if a]


@dataclass(frozen=True, slots=True)
class _Plot:
    """The drawing of curves into cells. columns: those of the plot, without the margin for letters."""

    figure: Figure
    marks: list[Mark]
    cells: Cells
    columns: int
    vertical: Scale
    horizontal: Scale

    def draw(self, front: int | None) -> None:
        """Draw everything, what stands back first."""
        pairs = list(enumerate(zip(self.marks, self.figure.curves, strict=True)))
        pairs.sort(key=lambda pair: (pair[0] == front, not pair[1][0].faint))
        for _, (mark, curve) in pairs:
            self._raw(mark, curve)
        for _, (mark, curve) in pairs:
            self._band(mark, curve)
        for number, (mark, curve) in pairs:
            self.cells.begin(FRONT if number == front else FAINT if mark.faint else USUAL)
            self._strokes(mark, curve)
        for x in self.figure.shortages:
            self._column(x, SHORTAGE)
        for _, (mark, curve) in pairs:
            self._crosses(mark, curve)
        self._letters([pair for _, pair in reversed(pairs)])

    def _dot(self, x: float, y: float) -> tuple[int, int] | None:
        """The dot of a point; None where an axis has no place for it."""
        across = self.horizontal.cell(x, self.columns * self.cells.dots_across)
        up = self.vertical.cell(y, self.cells.height)
        return None if across is None or up is None else (across, self.cells.height - 1 - up)

    def _inside(self, dot: tuple[int, int] | None) -> bool:
        return dot is not None and 0 <= dot[0] < self.columns * self.cells.dots_across

    def _raw(self, mark: Mark, curve: Curve) -> None:
        if mark.faint:
            return
        self.cells.begin()
        for x, y in curve.raw:
            dot = self._dot(x, y)
            if dot is not None and self._inside(dot):
                self.cells.dot(*dot, Ink(mark.colour, faint=True))

    def _band(self, mark: Mark, curve: Curve) -> None:
        """The deviation around a mean, as a field of sparse dots."""
        if mark.faint:
            return
        self.cells.begin()
        for x, low, high in curve.band:
            ends = self._dot(x, high), self._dot(x, low if low > 0 else high)
            if not self.vertical.logarithmic:
                ends = self._dot(x, high), self._dot(x, low)
            top, bottom = ends
            if top is None or bottom is None or not self._inside(top):
                continue
            for down in range(top[1], bottom[1] + 1):
                if (down + top[0]) % 2 == 0 or down in {top[1], bottom[1]}:
                    self.cells.dot(top[0], down, Ink(mark.colour, faint=True))

    def _strokes(self, mark: Mark, curve: Curve) -> None:
        ink = Ink(mark.colour, mark.faint)
        for xs, ys in pieces(curve):
            before: tuple[int, int] | None = None
            for x, y in zip(xs, ys, strict=True):
                dot = self._dot(x, y)
                if dot is not None:
                    self._stroke(before or dot, dot, ink, dotted=curve.member > 0)
                before = dot

    def _stroke(
        self, start: tuple[int, int], end: tuple[int, int], ink: Ink, *, dotted: bool
    ) -> None:
        """A line within the plot; a dotted one has every other column of dots."""
        last = self.columns * self.cells.dots_across - 1
        clipped = _clipped(start, end, last)
        if clipped is None:
            return
        (x0, y0), (x1, y1) = clipped
        self.cells.line((x0, y0), (x1, y1), ink, every=2 if dotted else 1)

    def _column(self, x: float, sign: str) -> None:
        """A sign in every blank cell above a place of the axis."""
        dot = self._dot(x, self.vertical.low)
        if dot is None or not self._inside(dot):
            return
        column = dot[0] // self.cells.dots_across
        for row in range(self.cells.rows):
            if self.cells.blank(column, row):
                self.cells.text(column, row, sign, Ink())

    def _crosses(self, mark: Mark, curve: Curve) -> None:
        sign = PLAIN_CROSS if self.cells.marker == "ascii" else CROSS
        for x in curve.gaps:
            dot = self._dot(x, self.vertical.low)
            if dot is not None and self._inside(dot):
                column = dot[0] // self.cells.dots_across
                self.cells.text(column, self.cells.rows - 1, sign, Ink(mark.colour))

    def _letters(self, pairs: Sequence[tuple[Mark, Curve]]) -> None:
        """The letter of each curve: at its end, and once on its way. pairs: what is more important first."""
        seen = [(mark, self._seen(curve)) for mark, curve in pairs]
        seen = [(mark, dots) for mark, dots in seen if dots]
        ends = [(mark.letter, Ink(mark.colour, mark.faint), dots[-1]) for mark, dots in seen]
        lettering.at_ends(self.cells, ends)
        for number, (mark, dots) in enumerate(seen):
            if len(pairs) > 1 and not mark.faint:
                wanted = len(dots) * (number + 1) // (len(pairs) + 1)
                lettering.on_way(self.cells, mark.letter, Ink(mark.colour), dots, wanted)

    def _seen(self, curve: Curve) -> list[Dot]:
        """The dots of the points within the plot."""
        dots = (self._dot(x, y) for x, y in zip(curve.xs, curve.ys, strict=True))
        return [dot for dot in dots if dot is not None and self._inside(dot)]


def _values(figure: Figure) -> list[float]:
    """Every value that the vertical axis has to hold, so that nothing is cut off."""
    ys = [y for curve in figure.curves for y in curve.ys]
    ys += [y for curve in figure.curves for _, y in curve.raw]
    return ys + [end for curve in figure.curves for _, *ends in curve.band for end in ends]


def horizontal_scale(figure: Figure) -> Scale:
    """The horizontal axis of a figure."""
    xs = [x for curve in figure.curves for x in (*curve.xs, *curve.gaps)]
    xs = [x for x in xs if math.isfinite(x)]
    low = min(xs, default=0.0) if figure.left is None else figure.left
    high = max(xs, default=1.0) if figure.right is None else figure.right
    if figure.logarithmic_x:
        positive = [x for x in xs if x > 0]
        low = max(low, min(positive, default=1.0))
        return Scale(low, high if high > low else 10 * low, logarithmic=True)
    return Scale(low, high if high > low else scales.above(low))


class PlotFrame(NamedTuple):
    """What stands around a plot. rule: whether there is a line below it. labels: those of the vertical axis, with values.

    rows, gutter, columns: cells of the plot's height, of the labels with a blank, and of the plot's width.
    """

    rule: bool
    rows: int
    labels: list[tuple[float, str]]
    gutter: int
    columns: int


def frame(vertical: Scale, width: int, height: int) -> PlotFrame:
    """The frame of a plot that has so many cells in all."""
    rule = height >= TALL
    rows = max(1, height - (2 if rule else 1))
    labels = vertical.ticks(max(2, rows // 2 if rows < 12 else rows // 3))
    labels += _top(labels, vertical, rows)
    gutter = max([len(text) for _, text in labels], default=0) + 1
    return PlotFrame(rule, rows, labels, gutter, max(1, width - gutter - MARGIN))


def _top(labels: Sequence[tuple[float, str]], scale: Scale, rows: int) -> list[tuple[float, str]]:
    """The upper end of the axis with its label, where the highest label leaves a row free between them."""
    if not labels or (1 - scale.share(labels[-1][0])) * (rows - 1) < LEAST_ROWS_ABOVE:
        return []
    if scale.logarithmic:
        return [tick for tick in scale.ticks(rows) if math.isclose(tick[0], scale.high)]
    text = f"{scale.high:,.6g}"
    longest = max(len(label) for _, label in labels)
    return [(scale.high, text)] if len(text) <= longest + MOST_WIDER else []


def sides(
    labels: Sequence[tuple[float, str]], scale: Scale, rows: int, gutter: int, marker: Marker
) -> Iterator[Line]:
    """The vertical axis, row by row: labels on the right of the gutter, and the ruler."""
    places = {round((1 - scale.share(value)) * (rows - 1)): text for value, text in labels}
    for row in range(rows):
        text = places.get(row, "")
        yield [(text.rjust(gutter - 1) + RULER[marker], Ink())]


def below(
    figure: Figure, scale: Scale, gutter: int, columns: int, marker: Marker, *, rule: bool
) -> list[Line]:
    """The rule, if there is room, and the row of horizontal ticks; what the axis counts is written after the last."""
    width = gutter + columns + MARGIN
    word = figure.x_label
    end_text = _tick(scale.high, figure, [scale.low, scale.high])
    tail = f"{end_text} {word}"
    start = max(0, min(gutter + columns - len(end_text), width - len(tail)))
    row = [" "] * width
    row[start : start + len(tail)] = tail[: width - start]
    rule_row = ["-" if marker == "ascii" else "─"] * columns
    for value, text in _ticks(figure, scale, max(2, columns // 9)):
        column = round(scale.share(value) * (columns - 1))
        at = min(max(gutter + column - len(text) // 2, 0), width)
        if at + len(text) < start and all(c == " " for c in row[max(0, at - 1) : at + len(text)]):
            row[at : at + len(text)] = text
            rule_row[column] = "+" if marker == "ascii" else "┴"
    lines: list[Line] = [[("".join(row)[:width], Ink())]]
    if rule:
        corner = "+" if marker == "ascii" else "└"
        text = " " * (gutter - 1) + corner + "".join(rule_row) + " " * MARGIN
        lines.insert(0, [(text[:width], Ink())])
    return lines


def _ticks(figure: Figure, scale: Scale, most: int) -> list[tuple[float, str]]:
    if figure.horizontal in {axes.ELAPSED, axes.WALL} and not scale.logarithmic:
        times = ticks.time_ticks(scale.low, scale.high, most)
        return [(place, _tick(place, figure, times)) for place in times]
    places = scale.ticks(most)
    whole = figure.horizontal == axes.STEP
    return [(place, text) for place, text in places if not whole or place == int(place)]


def _tick(value: float, figure: Figure, neighbours: list[float]) -> str:
    if figure.horizontal == axes.ELAPSED:
        return shown.clock(value)
    if figure.horizontal == axes.WALL:
        return time.strftime(
            "%H:%M:%S" if neighbours[-1] - neighbours[0] < 600 else "%H:%M", time.localtime(value)
        )
    if figure.horizontal == axes.STEP:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1e5 else f"{value:.3g}"


def _clipped(
    start: tuple[int, int], end: tuple[int, int], last: int
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The part of a line between the columns of dots 0 and `last`; None if it is outside."""
    (x0, y0), (x1, y1) = (start, end) if start[0] <= end[0] else (end, start)
    if x1 < 0 or x0 > last:
        return None

    def at(x: int) -> int:
        return y0 if x1 == x0 else round(y0 + (y1 - y0) * (x - x0) / (x1 - x0))

    left, right = max(x0, 0), min(x1, last)
    return (left, at(left)), (right, at(right))
