"""Panes: facts as aligned pairs, the log as a tail, and the title line of a screen."""

import time
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import RichLog, Static

from revconsole.console.colours import themed
from revconsole.lab.format import fitted, shortened_path
from revconsole.records.printable import one_line
from revconsole.records.runs.run import LogLine

NAME = "revconsole"
LEAST_PATH = 12
COLOURS = {"note": "text-accent", "warning": "text-warning", "alarm": "text-error"}


class Words(Static):
    """Text that is laid out and painted anew only if it differs."""

    _words: Text | None = None

    def show_text(self, text: Text) -> None:
        """Show `text`."""
        before, self._words = self._words, text
        if before is None or before != text or before.style != text.style:
            self.update(text)


class Title(Words):
    """The first line of a screen: where one is, and how things stand."""

    _parts: tuple[str, ...] = ()

    def say(self, *parts: str) -> None:
        """Show parts with a dot between them; a path at their end has what room they leave."""
        self._parts = tuple(f" · {one_line(part, 4000)}" for part in parts if part)
        self._show()

    def on_resize(self) -> None:
        """A path that did not fit may fit now."""
        self._show()

    def _show(self) -> None:
        text = Text(NAME, style="bold", no_wrap=True, overflow="ellipsis")
        *front, last = self._parts or ("",)
        if "/" in last and self.size.width:
            room = self.size.width - len(NAME) - sum(map(len, front))
            last = f" · {shortened_path(last.removeprefix(' · '), max(room - 3, LEAST_PATH))}"
        text.append("".join((*front, last)), style="not bold")
        self.show_text(text)


class Problem(Words):
    """Why something cannot be shown: a line or more, or not there at all."""

    DEFAULT_CSS = "Problem { height: auto; padding: 0 1; color: $text-error; display: none; }"
    _sentence = ""

    def say(self, sentence: str) -> None:
        """Show a sentence; nothing if it is empty."""
        self._sentence = one_line(sentence, 600)
        self.display = bool(sentence)
        self.show_text(Text(fitted(self._sentence, self.app.size.width - 2)))

    def on_resize(self) -> None:
        """Paths in it may have more room now, or less."""
        self.say(self._sentence)


class FormOrigin(Problem):
    """Where the values of a form come from, if that takes more than a name."""

    DEFAULT_CSS = "FormOrigin { color: $foreground; background: $boost; max-height: 3; }"


class Facts(VerticalScroll, can_focus=True):
    """Name and value, one pair a line."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._pairs: tuple[tuple[str, str], ...] = ()

    def compose(self) -> ComposeResult:
        """A heading and the pairs."""
        yield Static(Text("facts"), classes="heading")
        yield Static(classes="pairs")

    def show_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show these pairs in this order."""
        if tuple(pairs) == self._pairs:
            return
        self._pairs = tuple(pairs)
        table = Table.grid(padding=(0, 1))
        for name, value in pairs:
            table.add_row(Text(one_line(name), style="dim", no_wrap=True), Text(one_line(value)))
        self.query_one(".pairs", Static).update(table)


class LogTail(RichLog):
    """The last lines of a run's log, with clock time; advice says how serious it is."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id, max_lines=2000, wrap=True, markup=False, min_width=20)
        self._lines: tuple[LogLine, ...] = ()

    def on_resize(self, event: events.Resize) -> None:
        """Wrap the lines anew."""
        if event.size.width:
            lines, self._lines = self._lines, ()
            self.clear()
            self.show_lines(lines)

    def show_lines(self, lines: tuple[LogLine, ...]) -> None:
        """Append what is new since the last call."""
        known = self._known(lines)
        if known is None:
            self.clear()
            known = 0
        self._lines = lines
        for line in lines[known:]:
            self.write(self._shown(line))

    def _known(self, lines: tuple[LogLine, ...]) -> int | None:
        """How many of `lines` are on screen already; None if the log is another one."""
        if not self._lines:
            return 0
        for index in range(len(lines) - 1, -1, -1):
            if lines[index] is self._lines[-1] or lines[index] == self._lines[-1]:
                return index + 1
        return None

    def _shown(self, line: LogLine) -> Text:
        text = Text(time.strftime("%H:%M:%S ", time.localtime(line.time)), style="dim")
        style = themed(self.app.theme_variables, COLOURS.get(line.level, ""))
        word = "" if line.level == "log" else f"{line.level}: "
        text.append(f"{word}{one_line(line.text, 1000)}", style=f"not dim {style}".strip())
        return text
