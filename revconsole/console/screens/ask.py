"""Ask: a question before an action that cannot be undone at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from revconsole.console.screens.newest import Newest
from revconsole.records.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A possible answer. answer: the value returned to the caller. key: the letter that picks it; also: another one."""

    answer: str
    key: str
    label: str
    also: str = ""


CANCEL = Answer(answer="", key="n", label="Cancel")
EDGES = 10
"""Lines of a dialog beside its answers and its detail: frame, blanks, a question of two lines."""
MOST_ABREAST = 3
"""Most answers that stand side by side; more are stacked."""


class Ask(Newest, ModalScreen[str]):
    """A dialog that returns the chosen answer; Escape and the last choice, Cancel, return the empty string."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer('')", "Cancel", id="ask.cancel"),
        Binding("left,h,up,k", "app.focus_previous", "Previous", show=False, id="ask.previous"),
        Binding("right,l,down,j", "app.focus_next", "Next", show=False, id="ask.next"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="ask.page-down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="ask.page-up"),
    ]

    def __init__(self, question: str, detail: str, choices: Sequence[Answer]) -> None:
        super().__init__()
        self._question, self._detail = question, detail
        self._choices = (*choices, CANCEL)

    def compose(self) -> ComposeResult:
        """The question, the meaning of each answer, and the buttons."""
        with Vertical():
            yield Static(Text(printable(self._question)), classes="question")
            with VerticalScroll(classes="detail", can_focus=False):
                yield Static(Text(printable(self._detail)))
            with (
                Horizontal() if len(self._choices) <= MOST_ABREAST else Vertical(classes="answers")
            ):
                for choice in self._choices:
                    label = Text.assemble(f"{choice.label} ", (f"[{choice.key}]", "not bold"))
                    yield Button(label, id=f"answer-{choice.key}", compact=True)

    def on_mount(self) -> None:
        """Focus Cancel, so that Enter alone does nothing."""
        self.query(Button).last().focus()

    def on_resize(self) -> None:
        """Leave room for every answer: where there is little, the detail scrolls."""
        answers = len(self._choices) if len(self._choices) > MOST_ABREAST else 1
        room = self.app.size.height - answers - EDGES
        self.query_one(".detail").styles.max_height = max(room, 1)

    def action_page(self, by: int) -> None:
        """Scroll the detail."""
        detail = self.query_one(".detail", VerticalScroll)
        detail.scroll_relative(y=by * max(detail.size.height - 1, 1), animate=False)

    def on_key(self, event: events.Key) -> None:
        """Pick the answer whose letter was typed."""
        for choice in self._choices:
            if event.key in {choice.key, choice.also or choice.key}:
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
