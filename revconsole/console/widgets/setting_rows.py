"""SettingRows: the rows of a form, painted line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from revconsole.lab.format import ELLIPSIS
from revconsole.records.printable import one_line

Option = tuple[str, str]
"""Label and value of a choice."""
NAME_WIDTH, VALUE_WIDTH = 20, 24
LEAST_REMARK = 20
"""Cells below which a remark says nothing; the line for the row at hand has all of it."""
CHOICE = "▾"
"""Marks a value that is chosen from a list."""


@dataclass(slots=True, kw_only=True)
class Row:
    """A row of the form.

    known: the value as it was last filled in or reported. off: why the setting does not apply. wrong: what is wrong with
    its value. typed: whether the value is the user's own. listed: whether a text may be picked from a list. wide: whether the
    value takes the whole line. mark: what stands before the name of the first row of a group.
    """

    key: str
    label: str
    hint: str = ""
    options: tuple[Option, ...] = ()
    text: str = ""
    known: str = ""
    off: str = ""
    wrong: str = ""
    mark: str = ""
    typed: bool = False
    listed: bool = False
    wide: bool = False

    @property
    def written(self) -> bool:
        """Whether the value is typed as text."""
        return not (self.options or self.off)

    @property
    def shown(self) -> str:
        """The value as it is painted."""
        return next((label for label, value in self.options if value == self.text), self.text)


class Painted(ScrollView, can_focus=False):
    """The rows, painted line by line. Nothing of it is laid out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row--name",
        "row--here",
        "row--value",
        "row--typed",
        "row--remark",
        "row--wrong",
        "row--off",
        "row--mark",
    }

    class RowClicked(Message):
        """The user clicked a row."""

        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__()

    class RowsScrolled(Message):
        """The list was scrolled."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Row, ...] = ()
        self.at = 0

    def replace(self, rows: Sequence[Row]) -> None:
        """Show other rows."""
        self.rows = tuple(rows)
        self.virtual_size = Size(self.size.width, len(self.rows))
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Move the text field with the rows."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.RowsScrolled())

    def on_click(self, event: events.Click) -> None:
        """Go to the row."""
        number = event.y + self.scroll_offset.y
        if 0 <= number < len(self.rows):
            self.post_message(self.RowClicked(number))

    def repaint(self, row: Row) -> None:
        """Paint one row again."""
        if row in self.rows:
            line = self.rows.index(row) - self.scroll_offset.y
            self.refresh(Region(0, line, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One row: name, value, and its meaning or what is wrong."""
        number, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if number >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        row = self.rows[number]
        segments = self._segments(row, here=number == self.at)
        return Strip(segments).adjust_cell_length(width, self.rich_style).crop(0, width)

    def _segments(self, row: Row, *, here: bool) -> list[Segment]:
        name = "wrong" if row.wrong else "off" if row.off else "here" if here else "name"
        value = "off" if row.off else "typed" if row.typed else "value"
        width = VALUE_WIDTH if not row.wide or row.wrong else max(len(row.shown) + 2, VALUE_WIDTH)
        room = self.scrollable_content_region.width - NAME_WIDTH - width - 2
        remark = one_line(row.wrong or row.off or row.hint, 400)
        style = "wrong" if row.wrong else "off" if row.off else "remark"
        mark = CHOICE if row.options and not row.off else " "
        shown = cell(one_line(row.shown), width - 2) + f"{mark} "
        return [
            Segment(f"{row.mark:<2}", self._style("mark")),
            Segment(cell(row.label, NAME_WIDTH - 2), self._style(name)),
            Segment(shown, self._style(value)),
            Segment(
                f"  {cell(remark, room).rstrip() if room >= LEAST_REMARK else ''}",
                self._style(style),
            ),
        ]

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"row--{name}")


def cell(text: str, width: int) -> str:
    """The text in exactly so many cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + ELLIPSIS if width > 0 else ""
