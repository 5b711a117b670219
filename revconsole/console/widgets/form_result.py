"""FormResult: the lines below the launch form: the row at hand, the origin, the runs, what to expect, the command."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from revconsole.console.colours import themed
from revconsole.console.widgets.panes import ExpectedError, FormOrigin, Words
from revconsole.lab.format import fitted, shortened
from revconsole.records.printable import one_line
from revconsole.records.settings.plan import Plan


class FormResult(Vertical):
    """What a form says of itself as a whole."""

    DEFAULT_CSS = "FormResult { height: auto; }"
    _outcome = ("", False)
    _plans: Sequence[Plan] = ()

    def compose(self) -> ComposeResult:
        """The lines; those without anything to say are hidden."""
        yield Words(id="detail")
        yield FormOrigin(id="origin")
        yield Words(id="outcome")
        yield ExpectedError(id="forecast")
        yield Words(id="command")

    def on_mount(self) -> None:
        """Show them in the colours of a theme that is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._say_again())

    def _say_again(self) -> None:
        sentence, wrong = self._outcome
        self.say(sentence, wrong=wrong)
        self.expect(self._plans)

    def describe(self, words: str) -> None:
        """Say what the row at hand is."""
        width = max(self.app.size.width - 2, 1)
        text = Text("\n".join(shortened(each, width) for each in words.split("\n")))
        self.query_one("#detail", Words).show_text(text, layout=False)

    def say_origin(self, sentence: str) -> None:
        """Say where the values come from, where a name alone does not tell it."""
        self.query_one(FormOrigin).say(sentence)

    def expect(self, plans: Sequence[Plan]) -> None:
        """Say what to expect of the reconstruction of these runs."""
        self._plans = plans
        self.query_one(ExpectedError).say(plans)

    def say(self, sentence: str, *, wrong: bool = False) -> None:
        """Say what the form launches, or why it launches nothing."""
        self._outcome = sentence, wrong
        line = fitted(one_line(sentence, 300), self.app.size.width - 2)
        error = themed(self.app.theme_variables, "text-error")
        text = Text(line, style=error if wrong else "bold")
        self.query_one("#outcome", Words).show_text(text)

    def show_command(self, command: str) -> None:
        """Show the equivalent command."""
        self.query_one("#command", Words).show_text(Text(command))
