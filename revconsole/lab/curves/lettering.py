"""Lettering: where the letters of curves stand: beside their ends in the order of the values, and once on the way of each."""

from collections.abc import Sequence

from revconsole.lab.curves.cells import Cells, Dot, Ink

LEAST_APART = 4
"""Columns between the letter on the way of a curve and its end."""


def at_ends(cells: Cells, ends: Sequence[tuple[str, Ink, Dot]]) -> None:
    """Write letters right of the last dots, in one column from the highest end to the lowest.

    ends: what is more important first, as the last ones get no place where there are too many.
    """
    across, down = cells.dots_across, cells.dots_down
    for column in {dot[0] // across + 1 for *_, dot in ends}:
        free = [row for row in range(cells.rows) if cells.free(column, row)]
        here = [end for end in ends if end[2][0] // across + 1 == column][: len(free)]
        here.sort(key=lambda end: end[2][1])
        first = 0
        for left, (letter, ink, dot) in zip(range(len(here), 0, -1), here, strict=True):
            row = dot[1] // down
            at = min(range(first, len(free) - left + 1), key=lambda n: abs(free[n] - row))
            cells.text(column, free[at], letter, ink)
            first = at + 1


def on_way(cells: Cells, letter: str, ink: Ink, dots: Sequence[Dot], wanted: int) -> None:
    """Write the letter where no other curve is and its end is not, as near to the wanted dot as there is such a place."""
    end = dots[-1][0] // cells.dots_across
    for number in sorted(range(len(dots)), key=lambda number: abs(number - wanted)):
        column, row = dots[number][0] // cells.dots_across, dots[number][1] // cells.dots_down
        free = cells.free(column, row) and not cells.shared(column, row)
        if free and end - column >= LEAST_APART:
            cells.text(column, row, letter, ink)
            return
