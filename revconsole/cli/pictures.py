"""Pictures on a terminal: each character shows two pixels, in colour or, without colour, by density."""

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
    """Lines with as many pictures side by side as fit into `columns`, each above its caption."""
    width = max(len(picture.rows[0]) for picture in pictures)
    shown = pictures[: max(1, (columns + 1) // (width + 1))]
    drawn = [coloured(picture) if colour else shaded(picture.rows) for picture in shown]
    lines = [" ".join(parts) for parts in zip(*drawn, strict=True)]
    captions = [one_line(picture.caption)[:width].ljust(width) for picture in shown]
    return [*lines, " ".join(captions).rstrip()]


def coloured(picture: Picture) -> list[str]:
    """The picture as lines of half blocks: the upper pixel is the foreground colour, the lower pixel the background."""
    return [
        "".join(f"\x1b[{_code(38, a)};{_code(48, b)}m{UPPER}" for a, b in zip(up, low, strict=True))
        + "\x1b[0m"
        for up, low in paired(picture.rows)
    ]


def of_boundary(boundary: Boundary) -> list[str]:
    """The decision boundary of a run as lines; the first line explains the signs."""
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
