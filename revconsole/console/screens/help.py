"""Help: every key of every screen, read from the bindings themselves."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.keys import format_key
from textual.screen import ModalScreen
from textual.widgets import Static


class Help(ModalScreen[None]):
    """Lists keys, a group per screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", id="help.close"),
        Binding("j", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, groups: Sequence[tuple[str, Sequence[BindingType]]]) -> None:
        super().__init__()
        self._groups = groups

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll():
            yield Static(_text(self._groups))

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _text(groups: Sequence[tuple[str, Sequence[BindingType]]]) -> Text:
    text = Text()
    for title, bindings in groups:
        text.append(f"\n{title}\n", style="bold")
        for keys, what in _entries(bindings):
            text.append(f"  {keys:<14}", style="bold")
            text.append(f"{what}\n", style="not bold")
    return text


def _entries(bindings: Sequence[BindingType]) -> Iterable[tuple[str, str]]:
    for binding in bindings:
        if isinstance(binding, Binding):
            keys = ", ".join(format_key(key) for key in binding.key.split(","))
            yield keys, binding.description
