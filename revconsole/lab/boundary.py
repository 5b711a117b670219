"""Decision boundary on a terminal: two points of the grid per character, test points as letters.

It is readable without colour: places of the second class are drawn in ink, those of the first are blank. A letter is a
test point of the class with that initial, a capital if the model predicts the other class there.
"""

from dataclasses import dataclass

from revconsole.records.logs.boundary import LEVELS, Boundary, Point
from revconsole.records.printable import one_line

Colour = tuple[int, int, int]
PAPER: tuple[Colour, Colour] = ((36, 58, 78), (22, 74, 122))
"""Colours of the first class, from unsure to sure; dark, so that it differs from the second without colour as well."""
INK: tuple[Colour, Colour] = ((168, 140, 96), (230, 159, 0))
"""Colours of the second class, from unsure to sure."""
LIGHT, DARK = (255, 255, 255), (0, 0, 0)
BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
PLACES_TO_A_POINT = 10
"""Characters of a drawing per test point: more points would hide the boundary."""
MIDDLE = LEVELS // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One character with its foreground and background colours."""

    sign: str
    ink: Colour
    ground: Colour


def drawn(boundary: Boundary, *, columns: int, lines: int) -> list[list[Cell]]:
    """The grid as rows of cells, the top row first."""
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
    """A line that explains letters and blocks, and names the epoch."""
    first, second = (one_line(name, 30) for name in boundary.names)
    a, b = letters(boundary.names)
    when = "as tested, " if boundary.tested else ""
    return (
        f"{when}epoch {boundary.epoch}: paper {first}, ink {second}; test points {a} {first}, {b} {second}, "
        "capitals on the wrong side"
    )


def letters(names: tuple[str, str]) -> tuple[str, str]:
    """A lower-case letter for each class: the initials if they differ, else a and b."""
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
    """The colour of a place by its class, stronger if the model is surer; the paper's colour without a class."""
    if not levels:
        return PAPER[1]
    level = sum(levels) / len(levels)
    unsure, sure = INK if level >= MIDDLE else PAPER
    share = abs(level - (LEVELS - 1) / 2) / ((LEVELS - 1) / 2)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(unsure, sure, strict=True))
    return red, green, blue
