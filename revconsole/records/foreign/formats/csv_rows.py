"""Rows of a CSV that grows: what timm, Lightning and Keras have in common."""

import csv
from collections.abc import Callable
from typing import Any

from revconsole.records.foreign.gathered import Gathered, number
from revconsole.records.foreign.part import Reach, Take

LONGEST_ROW = 1 << 20
Row = dict[str, float]
"""The numbers of a row by column; empty cells are left out."""


def rows(take_row: Callable[[Row, Gathered], None]) -> Take:
    """What takes the whole rows of a CSV whose first row names the columns; `take_row` gets the numbers of one."""

    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        stop = data.rfind(b"\n") + 1
        if not stop and len(data) > LONGEST_ROW:
            reach.doubt = "it has no rows"
        for line in data[:stop].decode(errors="replace").split("\n")[:-1]:
            cells = _cells(line)
            if "columns" not in reach.memory:
                reach.memory["columns"] = cells or []
            elif cells is None:
                into.damage("a row is no row of a CSV, and left out")
            elif cells:
                _take(cells, reach.memory, take_row, into)
        return stop

    return take


def header(data: bytes) -> list[str]:
    """The names of the columns of a CSV from its first bytes; empty without a whole first line."""
    line, mark, _ = data.partition(b"\n")
    return (_cells(line.decode(errors="replace")) or []) if mark else []


def _cells(line: str) -> list[str] | None:
    """The cells of a row; None for what a CSV cannot have, as a return within a cell."""
    try:
        return next(csv.reader([line.rstrip("\r")]), [])
    except csv.Error:
        return None


def _take(
    cells: list[str],
    memory: dict[str, Any],
    take_row: Callable[[Row, Gathered], None],
    into: Gathered,
) -> None:
    columns = memory["columns"]
    if cells == columns:  # a program that began again wrote its head again
        return
    if len(cells) != len(columns):
        into.damage(
            f"a row has {len(cells)} cells, and there are {len(columns)} columns: it is left out"
        )
        return
    numbers = {name: number(cell) for name, cell in zip(columns, cells, strict=True) if cell}
    take_row({name: value for name, value in numbers.items() if value is not None}, into)
