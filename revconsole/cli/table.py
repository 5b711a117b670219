"""Table: rows as lines of a terminal, none wider than it and no word broken.

A table that is too wide is shortened in this order until it fits:

    a value that all rows share is printed once above the table
    prose is wrapped between words; headings likewise
    long names lose their middle, as long as they can be told apart; prose takes more lines
    the least important columns are left out, and named below the table
    long words of prose lose their middle; names lose more of theirs
"""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from revconsole.lab import format as form

GAP = 2
NUMBER = re.compile(
    r"[-+×]?[\d.,]+(e[-+]\d+)?( ± [\d.]+)?( ?(%|pp|s|[KMGT]i?B|bytes?))?|[-+]?∞|NaN|\d+/\d+"
)
LONG = 60
"""Text with spaces that is longer than this is prose in any column."""
WHOLE = 12
"""A cell of at most so many characters is never cut: a state, a duration, the name of a scheme."""
LONG_NAME, SHORT_NAME, SHORTEST_NAME = 32, 20, 8
WIDE_PROSE, LONG_PROSE = 36, 24
LONGEST_WORD, LONG_WORD = 44, 20
"""Words of prose longer than LONGEST_WORD, and paths, lose their middle before a column is left out; words longer than
LONG_WORD before names are cut further."""
MOST_COMPARED = 300
"""Most names for which the smallest width that tells them apart is computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A table as lines. above: the values that all rows share. left_out: the columns that did not fit."""

    above: str
    head: tuple[str, ...]
    body: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(slots=True)
class _Column:
    """A column while its width is being chosen."""

    label: str
    cells: list[str]
    prose: bool
    right: bool = False
    natural: int = 0
    width: int = 0
    head: int = 0
    lines: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        known = [cell for cell in self.cells if cell not in {"", form.UNKNOWN}]
        self.prose = self.prose or any(len(cell) > LONG and " " in cell for cell in self.cells)
        self.right = not self.prose and bool(known) and all(map(NUMBER.fullmatch, known))
        self.head = max(map(form.cells, _label_words(self.label)), default=0)
        widest = max(map(form.cells, self.cells), default=0)
        self.natural = self.width = max(self.head, widest)

    def least(self, name: int, prose: int, word: int) -> int:
        """The smallest acceptable width, given that of a name, of prose and of a word; names must stay distinct."""
        if self.right or self.natural <= WHOLE:
            return self.natural
        if self.prose:
            return min(self.natural, max(self.head, prose, self._longest_word(word)))
        width = max(self.head, min(name, self.natural))
        names = list(dict.fromkeys(self.cells))
        while (
            len(names) <= MOST_COMPARED
            and width < self.natural
            and len(set(form.told_apart(names, width))) < len(names)
        ):
            width += 1
        return width

    def _longest_word(self, most: int) -> int:
        """The width of the longest word in the column, at most `most`; a path counts as a word of LONG_WORD."""
        words = {word for cell in self.cells for word in cell.split()}
        return max(
            (min(form.cells(w), LONG_WORD if "/" in w else LONGEST_WORD, most) for w in words),
            default=0,
        )

    def set_lines(self) -> None:
        """Split every cell into lines of the column's width."""
        if self.prose:
            self.lines = [wrapped(cell, self.width) for cell in self.cells]
        else:
            self.lines = [[cell] for cell in form.told_apart(self.cells, self.width)]

    def padded(self, text: str) -> str:
        """The text padded to the column's width; numbers are aligned on the right."""
        if form.cells(text) > self.width:
            from rich.cells import set_cell_size  # rich: only on a terminal

            return set_cell_size(text, self.width)
        blank = " " * (self.width - form.cells(text))
        return blank + text if self.right else text + blank


def laid(
    labels: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    prose: Sequence[str] = (),
    yields: Sequence[str] = (),
    stays: Sequence[str] = (),
) -> Laid:
    """The table laid out in `width` cells.

    prose: columns that may take several lines. yields: columns that may be left out, the least important first.
    stays: columns that are shown although all rows have the same value, as the first column always is.
    """
    cells = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in labels]
    columns = [
        _Column(label, column, label in prose) for label, column in zip(labels, cells, strict=True)
    ]
    common = [
        column
        for column in columns[1:]
        if len(rows) > 1 and len(set(column.cells)) == 1 and column.label not in stays
    ]
    shown = [column for column in columns if column not in common]
    left_out = _fit(shown, width, yields)
    for column in shown:
        column.set_lines()
    shared = [f"{c.label} {c.cells[0]}" for c in common if c.cells[0] not in {"", form.UNKNOWN}]
    return Laid(
        above="\n".join(_in_lines(shared, width, glue=" · ")),
        head=tuple(_head(shown)),
        body=tuple(line for number in range(len(rows)) for line in _row(shown, number)),
        left_out=tuple(left_out),
    )


def width_of(stream: TextIO) -> int:
    """The width of a terminal in cells; the environment variable COLUMNS overrides it."""
    exported = os.environ.get("COLUMNS", "")
    if exported.isdecimal() and int(exported):
        return int(exported)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def bold(text: str) -> str:
    """The text in bold, unless the terminal has no bold, NO_COLOR is set, or stdout is no terminal."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or not sys.stdout.isatty() else f"\x1b[1m{text}\x1b[0m"


def sentence(text: str, width: int) -> str:
    """The text wrapped between words; a path longer than a line loses its middle."""
    lines, gap = [""], ""
    for part in re.findall(r"\s+|\S+", form.fitted(text, width - 2)):
        if part.isspace():
            gap = " " * len(part)
        elif lines[-1] and form.cells(lines[-1] + gap + part) > width:
            lines.append(f"  {part}")
        else:
            lines[-1] += gap + part
    return "\n".join(lines)


def _fit(columns: list[_Column], width: int, yields: Sequence[str]) -> list[str]:
    """Choose the widths of the columns; removes the columns that do not fit from the list, and returns their headings."""
    left_out: list[str] = []
    waiting = [label for label in yields if label in {column.label for column in columns}]
    wishes = [
        (width, WIDE_PROSE, width),
        (LONG_NAME, WIDE_PROSE, width),
        (LONG_NAME, LONG_PROSE, width),
        (LONG_NAME, 0, width),
        (SHORT_NAME, 0, width),
    ]
    shorter = [(name, 0, LONG_WORD) for name in range(SHORT_NAME, SHORTEST_NAME - 1, -1)]
    while _total(least := [column.least(*wishes[0]) for column in columns]) > width:
        if wishes[1:]:
            del wishes[0]
        elif waiting:
            label = waiting.pop(0)
            columns[:] = [column for column in columns if column.label != label]
            left_out.append(label)
        elif shorter:
            wishes = [shorter.pop(0)]
        else:
            break
    for column, size in zip(columns, least, strict=True):
        column.width = size
    _squeeze(columns, width)
    _spread(columns, width)
    return left_out


def _squeeze(columns: Sequence[_Column], width: int) -> None:
    """Narrow the widest columns until the table fits a very narrow terminal."""
    while (over := _total([c.width for c in columns]) - width) > 0:
        widest = max(columns, key=lambda column: column.width)
        if widest.width <= 1:
            return
        widest.width -= min(over, max(1, widest.width - SHORTEST_NAME))


def _spread(columns: Sequence[_Column], width: int) -> None:
    """Widen columns by the width that is left, names before prose, each up to its natural width."""
    names = [column for column in columns if not column.prose]
    prose = [column for column in columns if column.prose]
    for column in [*names, *sorted(prose, key=lambda column: column.natural)]:
        spare = width - _total([each.width for each in columns])
        if column.prose:
            wanted = sum(each.natural - each.width for each in prose)
            spare = spare * (column.natural - column.width) // max(1, wanted)
        column.width += max(0, min(spare, column.natural - column.width))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _head(columns: Sequence[_Column]) -> list[str]:
    """The headings, in as many lines as the longest needs."""
    labels = [_label_lines(column.label, column.width) for column in columns]
    height = max(map(len, labels), default=0)
    return [
        _line(columns, [["", *label][max(0, n + 1 - height + len(label))] for label in labels])
        for n in range(height)
    ]


def _row(columns: Sequence[_Column], number: int) -> list[str]:
    lines = [column.lines[number] for column in columns]
    return [
        _line(columns, [line[n] if n < len(line) else "" for line in lines])
        for n in range(max(map(len, lines), default=0))
    ]


def _line(columns: Sequence[_Column], texts: Sequence[str]) -> str:
    padded = [column.padded(text) for column, text in zip(columns, texts, strict=True)]
    return (" " * GAP).join(padded).rstrip()


def _label_words(label: str) -> list[str]:
    """The parts between which a heading may be wrapped: words, and the parts of a dotted key."""
    return re.findall(r"[^\s._]+[._]?", label)


def _label_lines(label: str, width: int) -> list[str]:
    if form.cells(label) <= width:
        return [label]
    lines: list[str] = [""]
    for word in _label_words(label):
        glue = "" if not lines[-1] or lines[-1].endswith((".", "_")) else " "
        if lines[-1] and form.cells(lines[-1] + glue + word) > width:
            lines.append(word)
        else:
            lines[-1] += glue + word
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """The text as lines of whole words; a word longer than a line loses its middle."""
    words = [
        form.shortened_path(word, width) if "/" in word else form.shortened(word, width)
        for word in text.split()
    ]
    return _in_lines(words, width, glue=" ") or [""]


def _in_lines(parts: Sequence[str], width: int, *, glue: str) -> list[str]:
    """The parts in lines, as many parts on each line as fit."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{glue}{part}" if lines else part
        if lines and form.cells(longer) <= width:
            lines[-1] = longer
        elif form.cells(part) > width and " " in part:
            lines += wrapped(part, width)
        else:
            lines.append(part)
    return lines
