"""Boundary on a terminal: two places of the plane to a character, test points as letters over them.

Without colour it can be read as well: the second class is ink, the first is paper, and a letter is a point of the
class whose initial it is, a capital where the model calls that place the other class.
"""

from dataclasses import dataclass

from revconsole.records.logs.boundary import LEVELS, Boundary, Point
from revconsole.records.printable import one_line

Colour = tuple[int, int, int]
PAPER: tuple[Colour, Colour] = ((36, 58, 78), (22, 74, 122))
"""The first class, from unsure to sure; dark, so that it differs from the other without colour as well."""
INK: tuple[Colour, Colour] = ((168, 140, 96), (230, 159, 0))
"""The second class."""
LIGHT, DARK = (255, 255, 255), (0, 0, 0)
BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
PLACES_TO_A_POINT = 10
"""Characters of a drawing for each point on it: more points would hide the plane."""
MIDDLE = LEVELS // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One character, with the colours of it and behind it."""

    sign: str
    ink: Colour
    ground: Colour


def drawn(boundary: Boundary, *, columns: int, lines: int) -> list[list[Cell]]:
    """The plane in so many characters, from the top."""
    rows = [
        [_cell(boundary, column, line, columns, lines) for column in range(columns)]
        for line in range(lines)
    ]
    signs = letters(boundary.names)
    for point in boundary.points[: columns * lines // PLACES_TO_A_POINT]:
        across, down = boundary.share(point)
        column, line = int(across * columns), int(down * lines)
        if 0 <= column < columns and 0 <= line < lines:
            rows[line][column] = _point(boundary, point, signs)
    return rows


def legend(boundary: Boundary) -> str:
    """What the letters and the blocks are, and of when, in one line."""
    first, second = (one_line(name, 30) for name in boundary.names)
    a, b = letters(boundary.names)
    when = "as tested, " if boundary.tested else ""
    return (
        f"{when}epoch {boundary.epoch}: paper {first}, ink {second}; test points {a} {first}, {b} {second}, "
        "capitals on the wrong side"
    )


def letters(names: tuple[str, str]) -> tuple[str, str]:
    """A small letter for each class: the initials where they differ, else a and b."""
    first, second = (name.strip()[:1].lower() for name in names)
    plain = all(letter.isascii() and letter.isalpha() for letter in (first, second))
    return (first, second) if plain and first != second else ("a", "b")


def _cell(boundary: Boundary, column: int, line: int, columns: int, lines: int) -> Cell:
    across = (column + 0.5) / columns
    upper, lower = (boundary.level(across, (line + part) / lines) for part in (0.25, 0.75))
    halves = (upper >= MIDDLE, lower >= MIDDLE)
    inks, papers = (
        [level for level in (upper, lower) if (level >= MIDDLE) is second]
        for second in (True, False)
    )
    return Cell(sign=BLOCKS[halves], ink=_tint(inks), ground=_tint(papers))


def _point(boundary: Boundary, point: Point, signs: tuple[str, str]) -> Cell:
    level = boundary.level(*boundary.share(point))
    label, called = point[2], int(level >= MIDDLE)
    sign = signs[label] if label == called else signs[label].upper()
    return Cell(sign=sign, ink=DARK if called else LIGHT, ground=_tint([level]))


def _tint(levels: list[int]) -> Colour:
    """The colour of places of one class, the fuller the surer; of none, that of the paper."""
    if not levels:
        return PAPER[1]
    level = sum(levels) / len(levels)
    unsure, sure = INK if level >= MIDDLE else PAPER
    share = abs(level - (LEVELS - 1) / 2) / ((LEVELS - 1) / 2)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(unsure, sure, strict=True))
    return red, green, blue
