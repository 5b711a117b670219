"""Choices: a list to choose from, narrowed by typing; several choices may be ticked."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from revconsole.console.messages import Said
from revconsole.console.ranking import NOT_MATCHED, rank
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.setting_rows import cell
from revconsole.errors import nearest
from revconsole.lab.format import cells, shortened
from revconsole.records.printable import one_line

Option = tuple[str, str]
"""Label and value of a choice."""
MOST_LINES, EDGES, MOST_WIDTH = 16, 7, 96
MOST_SHARE, FRAME = 0.95, 4
"""The most that the dialog takes of the terminal's width, as in the style sheet, and the cells that its frame takes of that."""
TICKED = "◆"
TICKING = "space ticks  ⏎ accepts (none: auto)  esc closes"
"""What the keys do where only what is ticked counts."""


class NarrowField(Input):
    """The field that narrows the list. Where choices can be ticked, space is no text while it is empty, or never."""

    def __init__(self, *, ticks: bool, always: bool) -> None:
        super().__init__(compact=True, placeholder="type to narrow the list")
        self._ticks, self._always = ticks, always

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether the key is text here."""
        ticks = self._ticks and key == "space" and (self._always or not self.value)
        return not ticks and super().check_consume_key(key, character)


class Matches(Static):
    """The choices around the chosen one, as many as there is room for."""

    class LineClicked(Message):
        """The user clicked a line."""

        def __init__(self, line: int) -> None:
            self.line = line
            super().__init__()

    def on_click(self, event: events.Click) -> None:
        """Tell which line it was."""
        self.post_message(self.LineClicked(event.y))


class Choices(Newest, ModalScreen[tuple[str, ...] | None]):
    """A dialog that returns the chosen values: those ticked, in the order of the ticks, or the one under the cursor.

    It returns None if it was closed. chosen: the value under the cursor at the start, unless one is ticked. remark: what to say
    of a value beside it; asked only for those on the screen. ticked: those ticked at the start; None if only one can be
    chosen. only_ticked: whether the one under the cursor counts for nothing. keys: what the keys do.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel", id="choices.cancel"),
        Binding("down", "step(1)", "Next", show=False, id="choices.next"),
        Binding("up", "step(-1)", "Previous", show=False, id="choices.previous"),
        Binding("pagedown", "step(10)", "Ten down", show=False, id="choices.down"),
        Binding("pageup", "step(-10)", "Ten up", show=False, id="choices.up"),
        Binding("tab,space", "tick", "Tick several", show=False, priority=True, id="choices.tick"),
    ]

    def __init__(
        self,
        title: str,
        options: Sequence[Option],
        chosen: str = "",
        remark: Callable[[str], str] = lambda _: "",
        *,
        ticked: Sequence[str] | None = None,
        only_ticked: bool = False,
        keys: str = "",
    ) -> None:
        super().__init__()
        self._title, self._options, self._remark = title, tuple(options), remark
        self._ticks, self._only_ticked = ticked is not None, only_ticked
        self._keys = keys or (TICKING if only_ticked else "")
        self._matching, self._ticked, self._before = self._options, list(ticked or ()), bool(ticked)
        self._typed = ""
        values, first = [value for _, value in self._options], next(iter(self._ticked), chosen)
        self._at = values.index(first) if first in values else 0

    def compose(self) -> ComposeResult:
        """The title, the field to narrow the list with, and the list."""
        with Vertical():
            yield Static(Text(self._title), classes="question")
            yield NarrowField(ticks=self._ticks, always=self._only_ticked)
            yield Matches()
            if self._keys:
                yield Static(Text(self._keys, style="dim"), classes="keys")

    def on_resize(self) -> None:
        """Show as much of the list as there is room for, as wide as the lines shown first: typing does not change it."""
        field, matches = self.query_one(NarrowField), self.query_one(Matches)
        self._lines = min(len(self._options), MOST_LINES, max(self.app.size.height - EDGES, 3))
        matches.styles.height = self._lines
        if not field.value:
            widest = max(map(cell_len, self._lines_shown().plain.splitlines()))
            matches.styles.width = min(widest, int(MOST_SHARE * self.app.size.width) - FRAME)
        self._show()

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        """Show the choices with all the words typed, those that begin with them first."""
        event.stop()
        self._narrow_to(event.value)
        self._show()

    def _narrow_to(self, typed: str) -> None:
        if typed != self._typed:
            self._typed, self._matching, self._at = typed, matching(self._options, typed), 0

    @on(Input.Submitted)
    def _take(self) -> None:
        """Return what is ticked, or the choice under the cursor."""
        if self._ticked or (self._only_ticked and self._before):
            self.dismiss(tuple(self._ticked))
        elif self._only_ticked:
            self.app.post_message(Said("nothing is ticked: space ticks an entry", "warning"))
        elif self._matching:
            self.dismiss((self._matching[self._at][1],))

    @on(Matches.LineClicked)
    def _clicked(self, event: Matches.LineClicked) -> None:
        number = self._first + event.line
        if number < len(self._matching) and self._only_ticked:
            self._at = number
            self.action_tick()
        elif number < len(self._matching):
            self.dismiss((self._matching[number][1],))

    def action_step(self, by: int) -> None:
        """Move the cursor."""
        if self._matching:
            self._at = max(0, min(self._at + by, len(self._matching) - 1))
            self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  Textual's
        """Nothing is ticked where only one can be chosen."""
        return action != "tick" or self._ticks

    def action_tick(self) -> None:
        """Tick the choice under the cursor, or take its tick away."""
        self._narrow_to(self.query_one(NarrowField).value)  # a fast typist is ahead of `_narrow`
        value = self._matching[self._at][1] if self._matching else ""
        if value in self._ticked:
            self._ticked.remove(value)
        elif value:
            self._ticked.append(value)
        self.query_one(NarrowField).value = ""
        self._show()

    @property
    def _first(self) -> int:
        """The number of the choice on the first line."""
        return max(0, min(self._at - self._lines // 2, len(self._matching) - self._lines))

    def _show(self) -> None:
        self.query_one(Matches).update(self._lines_shown(), layout=False)

    def _lines_shown(self) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        shown = self._matching[self._first : self._first + self._lines]
        room = min(self.app.size.width, MOST_WIDTH) - EDGES
        width = min(max((cells(one_line(label)) for label, _ in self._options), default=0), room)
        for number, (label, value) in enumerate(shown, self._first):
            here = number == self._at
            sign = "▸" if here else " "
            if self._ticks:
                sign += TICKED if value in self._ticked else " "
            name = cell(shortened(one_line(label), width), width)
            text.append(f"{sign} {name}", style="bold reverse" if here else "")
            text.append(f"  {self._remark(value)}\n", style="dim")
        if not self._matching:
            text.append(none_of(self._options, self.query_one(Input).value), style="dim")
        text.rstrip()
        return text


def matching(options: Sequence[Option], typed: str) -> tuple[Option, ...]:
    """The options whose label holds every word typed, the best match first; see `ranking`."""
    listed = [option for option in options if rank(typed, option[:1]) < NOT_MATCHED]
    return tuple(
        sorted(listed, key=lambda each: rank(typed, (each[0], each[1].rpartition(".")[2])))
    )


def none_of(options: Sequence[Option], typed: str) -> str:
    """Why no option matches, with the nearest name."""
    if not options:
        return "there is nothing to choose from"
    names = [one_line(name) for option in options for name in dict.fromkeys(option)]
    near = nearest(typed.strip().lower().replace(" ", "_"), names)
    return f"no choice has {one_line(typed, 40)!r} in its name{near}"
