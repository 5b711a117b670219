"""Ask: a question before an action that cannot be undone at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from revconsole.console.screens.newest import Newest
from revconsole.records.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A possible answer. answer: the value returned to the caller. key: the letter that picks it."""

    answer: str
    key: str
    label: str


CANCEL = Answer(answer="", key="n", label="Cancel")
MOST_ABREAST = 3
"""Most answers that stand side by side; more are stacked."""


class Ask(Newest, ModalScreen[str]):
    """A dialog that returns the chosen answer; Escape and the last choice, Cancel, return the empty string."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer('')", "Cancel", id="ask.cancel"),
        Binding("left,h,up,k", "app.focus_previous", "Previous", show=False, id="ask.previous"),
        Binding("right,l,down,j", "app.focus_next", "Next", show=False, id="ask.next"),
    ]

    def __init__(self, question: str, detail: str, choices: Sequence[Answer]) -> None:
        super().__init__()
        self._question, self._detail = question, detail
        self._choices = (*choices, CANCEL)

    def compose(self) -> ComposeResult:
        """The question, the meaning of each answer, and the buttons."""
        with Vertical():
            yield Static(Text(printable(self._question)), classes="question")
            yield Static(Text(printable(self._detail)), classes="detail")
            with (
                Horizontal() if len(self._choices) <= MOST_ABREAST else Vertical(classes="answers")
            ):
                for choice in self._choices:
                    label = Text.assemble(f"{choice.label} ", (f"[{choice.key}]", "dim"))
                    yield Button(label, id=f"answer-{choice.key}", compact=True)

    def on_mount(self) -> None:
        """Focus Cancel, so that Enter alone does nothing."""
        self.query(Button).last().focus()

    def on_key(self, event: events.Key) -> None:
        """Pick the answer whose letter was typed."""
        for choice in self._choices:
            if event.key == choice.key:
                event.stop()
                self.dismiss(choice.answer)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Pick the focused answer."""
        key = (event.button.id or "").removeprefix("answer-")
        self.dismiss(next(c.answer for c in self._choices if c.key == key))

    def action_answer(self, answer: str) -> None:
        """Close with an answer."""
        self.dismiss(answer)


def confirm(
    app: App[Any], question: str, detail: str, label: str, then: Callable[[], object]
) -> None:
    """Ask a question with one answer, and go on if it is given. label: of the answer."""

    def answered(given: str | None) -> None:
        if given:
            then()

    app.push_screen(Ask(question, detail, [Answer(answer="yes", key="y", label=label)]), answered)
