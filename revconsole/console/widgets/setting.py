"""Setting: the settings of a form as one painted list, with a single text field that lies over the row at hand.

A form has more than a hundred settings. A widget for each of them would be laid out again at every key; here a key changes
the text field and one painted line.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widgets import Input

from revconsole.console.several import among
from revconsole.console.widgets.setting_rows import (
    CHOICE,
    NAME_WIDTH,
    VALUE_WIDTH,
    Option,
    Painted,
    Row,
    cell,
)
from revconsole.lab.format import UNKNOWN
from revconsole.records.printable import one_line


class LineField(Input):
    """The text field over the value of the row at hand. Over a menu it shows the choice and takes no text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "pick", "Choose", show=False, id="form.pick")
    ]
    label: str | None = None
    _loaded = ""
    _edited = False

    class PickAsked(Message):
        """The user asked for the choices of the row at hand."""

    def load(self, text: str, label: str | None) -> None:
        """Take over the value of another row. label: shown instead of a text that can be edited."""
        turned = (label is None) is not (self.label is None)
        self.label, self._loaded, self._edited = label, text, False
        if turned and self.is_attached:  # letters are keys over a menu and text elsewhere
            self.screen.refresh_bindings()
        with self.prevent(Input.Changed):
            self.value = "" if label is not None else text
        self.cursor_blink = label is None
        self.action_select_all() if label is None else self.refresh()

    @property
    def touched(self) -> bool:
        """Whether the text was edited since it was loaded."""
        self._edited = self._edited or self.value != self._loaded
        return self.label is None and self._edited

    def render_line(self, y: int) -> Strip:
        """The text, or the label."""
        if self.label is None:
            return super().render_line(y)
        text = set_cell_size(self.label, self.size.width)
        return Strip([Segment(text, self.rich_style)], self.size.width)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether the key is text here."""
        return self.label is None and super().check_consume_key(key, character)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of editing have no effect over a label."""
        if self.label is not None and action != "pick":
            return action not in EDITING
        return super().check_action(action, parameters)

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # Textual calls the one of Input, too
        if self.label is not None:
            event.prevent_default()
            if event.key == "space":
                event.stop()
                self.post_message(self.PickAsked())

    def _on_paste(self, event: events.Paste) -> None:
        if self.label is not None:
            event.prevent_default()
            event.stop()

    def action_pick(self) -> None:
        """Open the choices of the row, or go to the next row."""
        self.post_message(self.PickAsked())


EDITING = {
    binding.action.partition("(")[0] for binding in Input.BINDINGS if isinstance(binding, Binding)
}


class SettingList(Container):
    """The rows of a form. The row at hand has the text field over its value."""

    class SettingEdited(Message):
        """The user chose or typed another value."""

        def __init__(self, key: str, text: str) -> None:
            self.key, self.text = key, text
            super().__init__()

    class SettingPicked(Message):
        """The user asked for the choices of a setting."""

        def __init__(self, row: Row) -> None:
            self.row = row
            super().__init__()

    class RowArrived(Message):
        """Another row is at hand."""

        def __init__(self, row: Row) -> None:
            self.row = row
            super().__init__()

    def __init__(self, rows: Sequence[Row], *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._rows = {row.key: row for row in rows}
        self._painted, self._entry = Painted(), LineField(compact=True)
        self._order: tuple[str, ...] = tuple(self._rows)

    def compose(self) -> ComposeResult:
        """The painted rows, and the text field over them."""
        yield self._painted
        yield self._entry

    def on_mount(self) -> None:
        """Show the rows."""
        self.arrange_rows(self._order)
        self._entry.focus()

    @property
    def at_hand(self) -> Row:
        """The row at hand."""
        return self._painted.rows[self._painted.at]

    @property
    def texts(self) -> Mapping[str, str]:
        """The value of every setting by key."""
        return {key: self.text(key) for key in self._rows}

    def text(self, key: str) -> str:
        """The value of a setting."""
        row = self._rows[key]
        return self._entry.value if row is self.at_hand and row.written else row.text

    @property
    def keys_shown(self) -> tuple[str, ...]:
        """The keys of the rows that are shown."""
        return tuple(row.key for row in self._painted.rows)

    @property
    def wrong(self) -> str:
        """The key of the first row with a complaint, shown or not; empty if there is none."""
        return next((row.key for row in self._rows.values() if row.wrong), "")

    @property
    def complaint(self) -> tuple[int, str]:
        """The line on the screen of the first row with a complaint, and the complaint."""
        row = self._rows[self.wrong]
        shown = self._painted.rows.index(row) if row in self._painted.rows else 0
        return shown - self._painted.scroll_offset.y, row.wrong

    def mark(self, marks: Mapping[str, str]) -> None:
        """Show these marks before the names, by key, and no other."""
        for key, row in self._rows.items():
            if row.mark != marks.get(key, ""):
                row.mark = marks.get(key, "")
                self._painted.repaint(row)

    def arrange_rows(self, keys: Sequence[str]) -> None:
        """Show these rows in this order; the row at hand stays so if it is among them."""
        rows = [self._rows[key] for key in keys]
        if rows == list(self._painted.rows):
            return
        before = self.at_hand if self._painted.rows else None
        if before is not None:
            self._keep()
        self._painted.replace(rows)
        if before is not None and before in rows:
            self._painted.at = rows.index(before)
            self._keep_in_view()
            self._place()
        else:
            self._arrive(min(self._painted.at, len(rows) - 1))

    def move(self, by: int, far: int = 1) -> None:
        """Go to the next row that applies, or to the one before; from the last to the first.

        far: how many rows; more than one stops at the last row and at the first.
        """
        rows, at = self._painted.rows, self._painted.at
        if far > 1:
            at = max(0, min(at + by * far, len(rows) - 1)) - by
        for step in range(1, len(rows) + 1):
            number = (at + by * step) % len(rows)
            if not rows[number].off:
                self._keep()
                self._arrive(number)
                return

    def go(self, key: str) -> None:
        """Go to the row of a key, which is shown."""
        self._keep()
        self._arrive(self._painted.rows.index(self._rows[key]))
        self._entry.focus()

    def choose(self, key: str, text: str) -> None:
        """Set a value as if the user had typed or chosen it."""
        row = self._rows[key]
        if row is self.at_hand and row.written:
            self._entry.value = text
        elif text != row.text:
            row.text = row.known = text
            self._refresh(row)
            self.post_message(self.SettingEdited(key, text))

    def fill(self, key: str, text: str) -> None:
        """Show a value that the user did not type; a text that is being typed stays as it is."""
        row = self._rows[key]
        if row.options and not among(text, {value for _, value in row.options}):
            return
        if row is self.at_hand and row.written and self._entry.touched:
            return
        if text != row.text:
            row.text = row.known = text
            self._refresh(row)

    def offer(self, key: str, options: Sequence[Option]) -> None:
        """Replace the options; keeps the value if it is one of them, or a list of some."""
        row = self._rows[key]
        if tuple(options) != row.options:
            row.options = tuple(options)
            values = [value for _, value in options]
            row.text = row.known = row.text if among(row.text, values) else values[0]
            self._refresh(row)

    def explain(self, key: str, *, hint: str, off: str = "", typed: bool = False) -> None:
        """Set the meaning of a setting, and why it does not apply; empty if it does."""
        row = self._rows[key]
        if (row.hint, row.off, row.typed) != (hint, off, typed):
            row.hint, row.typed = hint, typed
            if row.off != off and row is self.at_hand:
                self._keep()
            row.off = off
            if off:
                row.text = row.known = UNKNOWN
            self._refresh(row)

    def complain(self, wrong: Mapping[str, str]) -> None:
        """Show what is wrong, by key; every other row shows its meaning again."""
        for key, row in self._rows.items():
            if row.wrong != wrong.get(key, ""):
                row.wrong = wrong.get(key, "")
                self._refresh(row)

    def _refresh(self, row: Row) -> None:
        self._painted.repaint(row)
        if self._painted.rows and row is self.at_hand and not (row.written and self._entry.touched):
            self._load(row)

    @property
    def _typing(self) -> bool:
        """Whether the text field takes text."""
        return self._entry.label is None

    def _load(self, row: Row) -> None:
        self._entry.load(row.text, None if row.written else _label(row))

    def _arrive(self, number: int) -> None:
        """Put the text field over a row."""
        painted = self._painted
        for each in {painted.at, number}:
            painted.refresh(Region(0, each - painted.scroll_offset.y, painted.size.width, 1))
        painted.at = number
        self._keep_in_view()
        self._place()
        self._load(self.at_hand)
        self.post_message(self.RowArrived(self.at_hand))

    def _keep_in_view(self) -> None:
        """Scroll to the row at hand if it is out of sight."""
        painted = self._painted
        if painted.size.height:
            painted.scroll_to_region(Region(0, painted.at, 1, 1), animate=False, force=True)

    def _keep(self) -> None:
        """Keep the text of the row that is left, and report it if it was not yet."""
        row = self.at_hand
        if row.written and self._typing:
            row.text = self._entry.value
            self._report(row)

    def _report(self, row: Row) -> None:
        if row.text != row.known:
            row.known = row.text
            self.post_message(self.SettingEdited(row.key, row.text))

    def _place(self) -> None:
        line = self._painted.at - self._painted.scroll_offset.y
        styles = self._entry.styles
        if (styles.offset.x.value, styles.offset.y.value) != (NAME_WIDTH, line):
            styles.offset = (NAME_WIDTH, line)
        self._entry.set_class(self.at_hand.wide, "-wide")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        """Report a change made by the user."""
        event.stop()
        row = self.at_hand
        if row.written and self._entry.touched:
            row.text = self._entry.value
            self._report(row)

    @on(LineField.PickAsked)
    def _picked(self, event: LineField.PickAsked) -> None:
        event.stop()
        row = self.at_hand
        if row.options or row.listed:
            self.post_message(self.SettingPicked(row))
        else:
            self.move(1)

    @on(Painted.RowClicked)
    def _clicked(self, event: Painted.RowClicked) -> None:
        event.stop()
        row = self._painted.rows[event.number]
        if not row.off:
            self._keep()
            self._arrive(event.number)
            if not row.written:
                self._picked(LineField.PickAsked())

    @on(Painted.RowsScrolled)
    def _scrolled(self, event: Painted.RowsScrolled) -> None:
        event.stop()
        self._place()


def _label(row: Row) -> str:
    return f"{cell(one_line(row.shown), VALUE_WIDTH - 2)}{CHOICE}"
