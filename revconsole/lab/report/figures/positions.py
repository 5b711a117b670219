"""Position encodings: the similarity of each position with each other, and the table itself if it is fixed.

Shapes: R rows and C columns of the grid, N = R · C, D width.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from revconsole.lab.report import drawing
from revconsole.lab.report.figures.inspected import Inspections, inspected, of_which
from revconsole.lab.report.figures.sheet import Sheet, file_name
from revconsole.lab.report.results import Results
from revconsole.lab.report.wording import listed
from revconsole.records.findings.inspection import Inspection, Positions, Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "positions"
LARGEST, LOWEST = 3.7, 2.2
"""Inches: heights of a figure."""
MOST_TILES = 16
"""Most tiles on a side of the figure; a larger grid shows every second, third … position."""


LEAST_PIXELS = 8
"""Fewest pixels on a side of a tile; between two tiles is an empty line one pixel wide."""
GAP = float("nan")


def sheets(results: Results, inspections: Inspections) -> Iterator[Sheet]:
    """Yield a figure for each arm with position encodings; arms with equal encodings share one."""
    groups: dict[str, list[tuple[int, Inspection, Positions]]] = {}
    for place, inspection in inspected(results, inspections):
        if isinstance(inspection.positions, Positions):
            groups.setdefault(repr(inspection.positions.table), []).append(
                (place, inspection, inspection.positions)
            )
    for group in groups.values():
        place, inspection, shown = group[0]
        names = [results.arms[each].name for each, _, _ in group]
        arm = results.arms[place]
        whose = listed(names) if len(names) > 1 else of_which(arm, inspection)
        yield Sheet(
            name=file_name(NAME, place, arm), caption=_caption(shown, whose), figure=draw(shown)
        )


def draw(shown: Positions) -> "Figure":
    """The small multiples, with the table beside them if it is fixed."""
    fixed = shown.kind == "fixed"
    width = drawing.WIDTH if fixed else 4.4
    rows, columns = shown.grid
    height = LARGEST if fixed else min(LARGEST, max(LOWEST, LARGEST * rows / columns))
    figure, panels = drawing.canvas(2 if fixed else 1, size=(width, height), shared=False)
    figure.set_layout_engine("compressed")  # square panels leave room that the labels need
    tiles, low = panels[0], min(map(min, shown.similarity))
    image = drawing.picture(tiles, _tiled(shown), low=low, high=1.0)
    tiles.set_xticks([])
    tiles.set_yticks([])
    tiles.set_xlabel(f"column of the grid (1 to {shown.grid[1]})")
    tiles.set_ylabel(f"row of the grid (1 to {shown.grid[0]})")
    figure.colorbar(image, ax=tiles, shrink=0.8, aspect=25, label="cosine similarity")
    if fixed:
        table = drawing.picture(panels[1], shown.table, low=-1.0, high=1.0, square=False)
        panels[1].set_xlabel("dimension")
        panels[1].set_ylabel("position, row by row")
        figure.colorbar(table, ax=panels[1], shrink=0.8, aspect=25, label="value")
    return figure


def _caption(shown: Positions, whose: str) -> str:
    kind = "learned" if shown.kind == "learned" else "fixed, sinusoidal"
    text = (
        f"Position encodings ({kind}) of {whose}: each tile stands at its position on the grid of "
        f"{shown.grid[0]}×{shown.grid[1]} patches and shows its cosine similarity with every position"
    )
    if _step(shown) > 1:
        text += f"; tiles of every {_step(shown)} positions"
    if shown.kind == "fixed":
        text += f"; on the right the table itself, {len(shown.table)} positions of {len(shown.table[0])} dimensions"
    return f"{text}. A class token has no position and is left out."


def _tiled(shown: Positions) -> Rows:
    """One picture of all tiles, separated by empty lines; each number is as many pixels wide as makes those thin."""
    (rows, columns), step = shown.grid, _step(shown)
    wide = -(-LEAST_PIXELS // max(rows, columns))
    picture: list[list[float]] = []
    for row in range(0, rows, step):
        if row:
            picture.append([GAP] * len(picture[0]))
        tiles = [shown.similarity[row * columns + column] for column in range(0, columns, step)]
        for line in range(rows):
            picture += [_line(tiles, line, columns, wide)] * wide
    return picture


def _line(tiles: Sequence[Sequence[float]], line: int, columns: int, wide: int) -> list[float]:
    """One line of pixels through a row of tiles."""
    joined: list[float] = []
    for tile in tiles:
        joined += [GAP] * bool(joined)
        numbers = tile[line * columns : (line + 1) * columns]
        joined += [value for value in numbers for _ in range(wide)]
    return joined


def _step(shown: Positions) -> int:
    return -(-max(shown.grid) // MOST_TILES)
