"""Pictures on a terminal: two pixels to a character, in colour, or by density where there is none."""

import os
import sys
from collections.abc import Sequence

from revconsole.lab.boundary import Cell, drawn, legend
from revconsole.lab.pictures import UPPER, paired, shaded
from revconsole.records.findings.samples import Colour, Picture
from revconsole.records.logs.boundary import Boundary
from revconsole.records.printable import one_line

COLUMNS = 80
BOUNDARY_COLUMNS = 64


def in_colour() -> bool:
    """Whether to use colour: on a terminal, unless NO_COLOR is set or the terminal has none."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "") == "dumb"
    return sys.stdout.isatty() and not plain


def beside(pictures: Sequence[Picture], *, colour: bool, columns: int = COLUMNS) -> list[str]:
    """Lines with as many of the pictures beside each other as fit, each with its caption below."""
    width = max(len(picture.rows[0]) for picture in pictures)
    shown = pictures[: max(1, (columns + 1) // (width + 1))]
    drawn = [coloured(picture) if colour else shaded(picture.rows) for picture in shown]
    lines = [" ".join(parts) for parts in zip(*drawn, strict=True)]
    captions = [one_line(picture.caption)[:width].ljust(width) for picture in shown]
    return [*lines, " ".join(captions).rstrip()]


def coloured(picture: Picture) -> list[str]:
    """The upper pixel in the colour of the character, the lower in that behind it."""
    return [
        "".join(f"\x1b[{_code(38, a)};{_code(48, b)}m{UPPER}" for a, b in zip(up, low, strict=True))
        + "\x1b[0m"
        for up, low in paired(picture.rows)
    ]


def of_boundary(boundary: Boundary) -> list[str]:
    """The plane of a run, its boxes as tall as wide, under a line that says what the signs are."""
    colour = in_colour()
    lines = [legend(boundary)]
    for row in drawn(boundary, columns=BOUNDARY_COLUMNS, lines=BOUNDARY_COLUMNS // 2):
        if colour:
            lines.append("".join(_tinted(cell) for cell in row) + "\x1b[0m")
        else:
            lines.append("".join(cell.sign for cell in row).rstrip())
    return lines


def _tinted(cell: Cell) -> str:
    return f"\x1b[{_code(38, cell.ink)};{_code(48, cell.ground)}m{cell.sign}"


def _code(ground: int, colour: Colour) -> str:
    return f"{ground};2;{colour[0]};{colour[1]};{colour[2]}"
