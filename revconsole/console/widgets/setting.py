"""Setting: one line of a form: name, control, and beside it the meaning of the field or what is wrong with it."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Select, Static
from textual.widgets._select import SelectCurrent

from revconsole.lab.format import UNKNOWN
from revconsole.records.printable import one_line

Option = tuple[str, str]
"""Label and value of a choice."""


class Menu(Select[str], inherit_bindings=False):
    """A menu that opens on enter or space only, so that up and down move between the fields."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "show_overlay", "Choose", id="menu.open")
    ]

    def offer(self, options: Sequence[tuple[Text, str]], value: str) -> None:
        """Have these choices, and this one chosen, as nobody did by hand.

        The label is drawn in any case: a value may stay while what it is called does not.
        """
        with self.prevent(Select.Changed):
            self.set_options(options)
            self.value = value
        self.query_one(SelectCurrent).update(next(text for text, v in options if v == value))


class SettingField(Horizontal):
    """A field. With options it is a menu, without them a line of text."""

    class Edited(Message):
        """Somebody chose or typed another value."""

        def __init__(self, key: str, text: str) -> None:
            self.key, self.text = key, text
            super().__init__()

    def __init__(self, key: str, label: str, *, options: Sequence[Option] = (), hint: str) -> None:
        super().__init__(id=f"setting-{key.replace('.', '-')}")
        self.key, self._label, self._hint = key, label, hint
        self._options = tuple(options)
        self._known = options[0][1] if options else ""

    def compose(self) -> ComposeResult:
        """Name, control, remark."""
        yield Static(Text(self._label), classes="name")
        if self._options:
            yield Menu(self._prompts(), allow_blank=False, compact=True)
        else:
            yield Input(compact=True, select_on_focus=True)
        yield Static(Text(self._hint), classes="remark")

    @property
    def text(self) -> str:
        """The present value."""
        if self._options:
            return str(self.query_one(Menu).value)
        return self.query_one(Input).value

    def fill(self, text: str) -> None:
        """Show a value that nobody typed here; never under the fingers of somebody who types."""
        if self._options:
            box = self.query_one(Menu)
            if text in {value for _, value in self._options}:
                self._known = text
                with box.prevent(Select.Changed):
                    box.value = text
        elif not self.query_one(Input).has_focus:
            self._known = self.query_one(Input).value = text

    def offer(self, options: Sequence[Option]) -> None:
        """Offer these instead; keeps the value if it can."""
        if tuple(options) == self._options:
            return
        box = self.query_one(Menu)
        kept = str(box.value)
        self._options = tuple(options)
        values = [value for _, value in options]
        self._known = kept if kept in values else values[0]
        box.offer(self._prompts(), self._known)

    def explain(self, hint: str) -> None:
        """What the field means from now on: a kind of a section may mean something else by it."""
        if hint != self._hint:
            self._hint = hint
            if not self.has_class("-wrong") and not self.has_class("-off"):
                self._remark("")

    def complain(self, sentence: str) -> None:
        """Say what is wrong with the value; an empty sentence brings the meaning back."""
        self.set_class(bool(sentence), "-wrong")
        self._remark(sentence)

    def switch(self, *, off: str) -> None:
        """Switch the field off for the reason given, or on if there is none."""
        self.set_class(bool(off), "-off")
        control = self.query_one(Menu if self._options else Input)
        if control.disabled != bool(off):
            control.disabled = bool(off)
        if off:
            self.fill(UNKNOWN)
            self._remark(off)

    def seize(self) -> None:
        """Give the control the keys."""
        self.query_one(Menu if self._options else Input).focus()

    def _remark(self, sentence: str) -> None:
        self.query_one(".remark", Static).update(Text(one_line(sentence, 400) or self._hint))

    def _prompts(self) -> list[tuple[Text, str]]:
        return [(Text(one_line(label)), value) for label, value in self._options]

    @on(Select.Changed)
    @on(Input.Changed)
    def _edited(self, event: Select.Changed | Input.Changed) -> None:
        """Pass on what somebody did; what `fill` and the menu itself did is known."""
        event.stop()
        text = str(event.value)
        if text != self._known and event.value is not Select.NULL:
            self._known = text
            self.post_message(self.Edited(self.key, text))
