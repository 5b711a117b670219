"""Cells: a plot as a grid of terminal cells, each made of dots: 2 × 4 in braille, 2 × 2 in blocks, 1 × 2 in ASCII."""

import os
from collections.abc import Mapping
from typing import Literal, NamedTuple

from revconsole.lab.curves.colours import Colour

Dot = tuple[int, int]
"""Column and row of a dot."""
Marker = Literal["braille", "block", "ascii"]
"""What dots are drawn with."""
DOTS: Mapping[Marker, tuple[int, int]] = {"braille": (2, 4), "block": (2, 2), "ascii": (1, 2)}
"""Columns and rows of dots in a cell."""
BITS = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""Bits of a braille character, row by row."""
TURN = 2
"""Columns for which one of several strokes has its turn."""
BLOCKS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
ASCII = " '.:"


class Ink(NamedTuple):
    """How a text is drawn. colour: None for the colour of the axes. faint: behind everything else. filled: on a ground of the colour."""

    colour: Colour | None = None
    faint: bool = False
    filled: bool = False


Line = list[tuple[str, Ink]]
"""One row of a picture: consecutive texts with their ink."""


def usual_marker(environment: Mapping[str, str] = os.environ) -> Marker:
    """The marker of this terminal: ASCII on the Linux console and without a UTF-8 locale, else braille."""
    locale = next((v for n in ("LC_ALL", "LC_CTYPE", "LANG") if (v := environment.get(n))), "UTF-8")
    plain = environment.get("TERM") in {"linux", "dumb"}
    return "ascii" if plain or "UTF" not in locale.upper() else "braille"


class Cells:
    """`columns` × `rows` cells. Dots have their origin at the top left.

    A cell shows one stroke, so colours do not bleed: that of the highest rank. Strokes of one rank that meet take turns
    from column to column, so that none hides another. Within one stroke dots add up.
    """

    def __init__(self, columns: int, rows: int, marker: Marker) -> None:
        self.columns, self.rows, self.marker = columns, rows, marker
        self.dots_across, self.dots_down = DOTS[marker]
        self.width, self.height = columns * self.dots_across, rows * self.dots_down
        self._dots: list[list[dict[int, tuple[int, Ink]]]] = [
            [{} for _ in range(columns)] for _ in range(rows)
        ]
        self._texts: list[list[str]] = [[""] * columns for _ in range(rows)]
        self._inks = [[Ink()] * columns for _ in range(rows)]
        self._ranks = [0]

    def begin(self, rank: int = 0) -> None:
        """Begin the next stroke."""
        self._ranks.append(rank)

    def dot(self, x: int, y: int, ink: Ink) -> None:
        """Set the dot in column `x` and row `y`; one outside the grid is left out."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return
        cell = self._dots[y // self.dots_down][x // self.dots_across]
        number = (y % self.dots_down) * self.dots_across + x % self.dots_across
        stroke = len(self._ranks) - 1
        mask, _ = cell.get(stroke, (0, ink))
        cell[stroke] = (mask | 1 << number, ink)

    def line(self, start: Dot, end: Dot, ink: Ink, *, every: int = 1) -> None:
        """Set the dots of a straight line (Bresenham), or only those in every so many columns of dots."""
        (x0, y0), (x1, y1) = start, end
        across, down = abs(x1 - x0), -abs(y1 - y0)
        right, below = (1 if x0 < x1 else -1), (1 if y0 < y1 else -1)
        error = across + down
        while True:
            if x0 % every == 0:
                self.dot(x0, y0, ink)
            if (x0, y0) == (x1, y1):
                return
            double = 2 * error
            if double >= down:
                error, x0 = error + down, x0 + right
            if double <= across:
                error, y0 = error + across, y0 + below

    def text(self, column: int, row: int, text: str, ink: Ink) -> None:
        """Write a text over the dots, cut at the edges."""
        for at, letter in enumerate(text, column):
            if 0 <= at < self.columns and 0 <= row < self.rows:
                self._texts[row][at], self._inks[row][at] = letter, ink

    def free(self, column: int, row: int) -> bool:
        """Whether no text stands in a cell of the grid."""
        return 0 <= column < self.columns and 0 <= row < self.rows and not self._texts[row][column]

    def blank(self, column: int, row: int) -> bool:
        """Whether a cell has neither text nor dots."""
        return self.free(column, row) and not self._dots[row][column]

    def shared(self, column: int, row: int) -> bool:
        """Whether strokes of several colours meet in a cell."""
        return len({ink.colour for _, ink in self._dots[row][column].values()}) > 1

    def lines(self) -> list[Line]:
        """The rows; neighbouring cells of the same ink are one text."""
        return [self._row(row) for row in range(self.rows)]

    def _row(self, row: int) -> Line:
        spans: Line = []
        for column in range(self.columns):
            letter, own = self._cell(row, column)
            ink = spans[-1][1] if letter == " " and spans else own
            if spans and spans[-1][1] == ink:
                spans[-1] = (spans[-1][0] + letter, ink)
            else:
                spans.append((letter, ink))
        return spans

    def _cell(self, row: int, column: int) -> tuple[str, Ink]:
        """The text of a cell, or the dots of the stroke whose turn it is."""
        text, strokes = self._texts[row][column], self._dots[row][column]
        if text or not strokes:
            return text or " ", self._inks[row][column]
        top = max(self._ranks[stroke] for stroke in strokes)
        turns = [stroke for stroke in strokes if self._ranks[stroke] == top]
        mask, ink = strokes[turns[column // TURN % len(turns)]]
        return self._dotted(mask), ink

    def _dotted(self, mask: int) -> str:
        if self.marker == "block":
            return BLOCKS[mask]
        if self.marker == "ascii":
            return ASCII[mask]
        return chr(0x2800 + sum(bit for n, bit in enumerate(BITS) if mask >> n & 1))
