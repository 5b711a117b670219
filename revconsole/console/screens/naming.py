"""Naming: a line to type a name into."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from revconsole.console.screens.newest import Newest


class Naming(Newest, ModalScreen[str | None]):
    """A dialog that returns the name typed; None if it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel", id="naming.cancel")
    ]

    def __init__(self, question: str, proposed: str = "") -> None:
        super().__init__()
        self._question, self._proposed = question, proposed

    def compose(self) -> ComposeResult:
        """The question and the line."""
        with Vertical():
            yield Static(Text(self._question), classes="question")
            yield Input(self._proposed, compact=True)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        """Return the name."""
        event.stop()
        self.dismiss(event.value.strip() or None)
