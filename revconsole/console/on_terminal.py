"""On the terminal: of each frame, only what differs from what the terminal shows is written.

Textual writes every line of a widget that has changed, and the whole screen after each layout: a key in the filter is 18 kB
at 160x45, of which most is there already, and over a line of 64 kB a second that is a quarter of a second.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import get_character_cell_size
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

FORGET_SECONDS = 10.0
"""Age at which the lines are forgotten, since a library may have written across the screen: the next whole frame mends it."""
Cell = tuple[str, Style | None]
UNKNOWN = "\ufdd0"
"""Stands in a cell of which nobody knows what it shows; Unicode has set it aside as no character."""
BEHIND = ""
"""The text of the second cell of a wide character."""


class Piece(NamedTuple):
    """A part of a line that begins at column `x` of line `y`."""

    x: int
    y: int
    strip: Strip


class Pieces(CompositorUpdate):
    """An update of some parts of the screen."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces

    def render_segments(self, console: Console) -> str:
        """See CompositorUpdate."""
        return "".join(
            Control.move_to(each.x, each.y).segment.text + each.strip.render(console)
            for each in self._pieces
        )


class Terminal:
    """The lines that a terminal shows, as far as they are known."""

    def __init__(self) -> None:
        self._lines: dict[int, Strip] = {}
        self._size, self._since = Size(0, 0), 0.0

    def forget(self) -> None:
        """Treat every line as unknown, as after a change of size."""
        self._lines.clear()

    def changes(self, update: LayoutUpdate | ChopsUpdate, size: Size) -> Pieces | None:
        """The parts of an update that the terminal does not show yet; None if it shows all of it."""
        now = time.monotonic()
        if size != self._size or now - self._since > FORGET_SECONDS:
            self._size, self._since = size, now
            self.forget()
        parts = _of_screen(update) if isinstance(update, LayoutUpdate) else _of_spans(update)
        changed = [piece for part in parts if (piece := self._changed(part)) is not None]
        return Pieces(changed) if changed else None

    def _changed(self, piece: Piece) -> Piece | None:
        end = piece.x + piece.strip.cell_length
        before = self._lines.get(piece.y)
        if before is None and piece.x == 0 and end == self._size.width:
            self._lines[piece.y] = piece.strip
            return piece
        before = before or Strip([Segment(UNKNOWN * self._size.width)])
        old = before.crop(piece.x, end)
        if old == piece.strip:
            return None
        self._lines[piece.y] = Strip.join([before.crop(0, piece.x), piece.strip, before.crop(end)])
        first, last = _difference(_cells(old), _cells(piece.strip))
        if first == last:
            return None
        return Piece(piece.x + first, piece.y, piece.strip.crop(first, last))


def _of_screen(update: LayoutUpdate) -> Iterator[Piece]:
    """The lines of a whole frame."""
    for y, line in enumerate(update.strips, update.region.y):
        yield Piece(update.region.x, y, Strip.join(list(line)))


def _of_spans(update: ChopsUpdate) -> Iterator[Piece]:
    """The parts of lines that Textual would write."""
    for y, begin, end in update.spans:
        for stop, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= end and stop > begin:
                whole = begin <= x < end and stop <= end
                yield Piece(x, y, strip if whole else strip.crop(0, min(stop, end) - x))


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, _ in strip:
        if text.isascii():
            cells += [(character, style) for character in text]
            continue
        for character in text:
            width = get_character_cell_size(character)
            if width == 0 and cells:
                cells[-1] = cells[-1][0] + character, cells[-1][1]
            else:
                cells += [(character, style), *[(BEHIND, style)] * (width - 1)]
    return cells


def _difference(old: Sequence[Cell], new: Sequence[Cell]) -> tuple[int, int]:
    """The first and the last column, exclusive, between which the cells differ; no wide character is cut."""
    last = len(new)
    if len(old) != last:
        return 0, last
    first = next((n for n in range(last) if old[n] != new[n]), last)
    while last > first and old[last - 1] == new[last - 1]:
        last -= 1
    while 0 < first < last and BEHIND in {old[first][0], new[first][0]}:
        first -= 1
    while first < last < len(new) and BEHIND in {old[last][0], new[last][0]}:
        last += 1
    return first, last
