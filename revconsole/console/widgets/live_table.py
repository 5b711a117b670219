"""LiveTable: a table whose cells change in place; only changed cells are updated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal, Self

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column: its key, its heading with unit, its width in cells."""

    key: str
    label: str
    width: int
    right: bool = True
    """Whether cells are aligned on the right, as for numbers."""
    strong: bool = False
    """Whether the heading is bold, as that of the column the table is sorted by."""
    after: int = 0
    """Empty cells on its right, beside the one on the left of the next column."""


def spaced(columns: Sequence[TableColumn], spare: int, first: int = 0) -> list[TableColumn]:
    """The columns with a second empty cell between them, as far as `spare` cells go; none before the column `first`.

    Without room for all, only where a number stands before a text, which the eye would read as one.
    """
    places = list(range(first, len(columns) - 1))
    if spare < len(places):
        pairs = list(pairwise(columns))
        meeting = [n for n in places if pairs[n][0].right and not pairs[n][1].right]
        places = meeting[: max(spare, 0)]
    return [replace(each, after=int(n in places)) for n, each in enumerate(columns)]


class LiveTable(DataTable[Text]):
    """A table with a cursor of rows or of cells. Every column has an empty cell on its left, and what `after` asks for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", id="table.open"),
        Binding("j", "cursor_down", "Down", show=False, id="table.down"),
        Binding("k", "cursor_up", "Up", show=False, id="table.up"),
        Binding("h", "cursor_left", "Left", show=False, id="table.left"),
        Binding("l", "cursor_right", "Right", show=False, id="table.right"),
        Binding("g", "scroll_top", "First row", show=False, id="table.first"),
        Binding("G", "scroll_bottom", "Last row", show=False, id="table.last"),
    ]

    _replacing = False

    def __init__(self, *, id: str, by_cell: bool = False) -> None:  # noqa: A002  Textual's word
        cursor: Literal["row", "cell"] = "cell" if by_cell else "row"
        super().__init__(id=id, cursor_type=cursor, cell_padding=0, zebra_stripes=False)
        self._columns: tuple[TableColumn, ...] = ()
        self._shown: dict[str, tuple[Text, ...]] = {}

    @property
    def selected(self) -> str | None:
        """Key of the row under the cursor; None without one."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    @property
    def selected_column(self) -> str | None:
        """Key of the column under the cursor; None without one."""
        if not self.row_count:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).column_key.value

    def set_columns(self, columns: Sequence[TableColumn]) -> None:
        """Set the columns; if more than headings differ from the present ones, all rows are redrawn."""
        before, self._columns = self._columns, tuple(columns)
        if self._columns == before:
            return
        if _shapes(before) == _shapes(columns):
            self._relabel()
            return
        selected, rows = self.selected, dict(self._shown)
        self.clear(columns=True)
        self._shown.clear()
        for column in columns:
            width = column.width + 1 + column.after
            self.add_column(_heading(column), width=width, key=column.key)
        if rows and all(len(cells) == len(columns) for cells in rows.values()):
            self.set_rows(list(rows.items()))
            self.select(selected)

    def _relabel(self) -> None:
        """Paint the headings again, without the rows."""
        for column in self._columns:
            self.columns[ColumnKey(column.key)].label = _heading(column)
        self._update_count += 1  # or the table takes the headings that it has rendered before
        self.refresh(Region(0, 0, self.size.width, self.header_height))

    def set_rows(self, rows: Sequence[tuple[str, tuple[Text, ...]]]) -> None:
        """Show these rows in this order, one cell per column."""
        selected = self.selected
        keys = [key for key, _ in rows]
        for gone in self._shown.keys() - set(keys):
            self.remove_row(gone)
            del self._shown[gone]
        for key, cells in rows:
            self._put(key, cells)
        if [row.key.value for row in self.ordered_rows] != keys:
            self._order(keys)
        if selected in self._shown and self.selected != selected:
            self.select(selected)

    def select(self, key: str | None) -> None:
        """Move the cursor to a row if the table has it."""
        if key is not None and key in self._shown:
            self.move_cursor(row=self.get_row_index(key), animate=False)

    def _put(self, key: str, cells: tuple[Text, ...]) -> None:
        before = self._shown.get(key)
        if before is None:
            dressed = (_cell(t, c) for t, c in zip(cells, self._columns, strict=True))
            self.add_row(*dressed, key=key)
        else:
            self._replace(key, before, cells)
        self._shown[key] = cells

    def _replace(self, key: str, before: tuple[Text, ...], cells: tuple[Text, ...]) -> None:
        changed = [
            (column, new)
            for old, new, column in zip(before, cells, self._columns, strict=True)
            if old != new or old.style != new.style
        ]
        self._replacing = True
        for column, new in changed:
            self.update_cell(key, column.key, _cell(new, column))
        self._replacing = False
        if changed:
            self.refresh_row(self.get_row_index(key))

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Repaint; while cells are replaced, only the rows concerned are repainted, at the end."""
        if self._replacing and not regions:
            return self
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def _order(self, keys: list[str]) -> None:
        """Sort the rows. Textual sorts by cells, so the first cell of a row stands for the row."""
        first = self._columns[0].key
        rank = {id(self.get_cell(key, first)): n for n, key in enumerate(keys)}
        self.sort(first, key=lambda cell: rank[id(cell)])


def _shapes(columns: Sequence[TableColumn]) -> list[TableColumn]:
    """The columns without their headings."""
    return [replace(column, label="", strong=False) for column in columns]


def _heading(column: TableColumn) -> Text:
    label = Text(
        column.label,
        style="bold" if column.strong else "",
        no_wrap=True,
    )
    return _cell(label, column)


def _cell(text: Text, column: TableColumn) -> Text:
    """A cell with an empty cell on its left, cut with an ellipsis."""
    cell = text.copy()
    cell.truncate(column.width, overflow="ellipsis")
    cell.no_wrap = True
    cell.pad_left(1 + (column.width - cell.cell_len if column.right else 0))
    return cell
