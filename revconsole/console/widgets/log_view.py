"""LogView: the log of a run, to search and to choose a time from; advice begins with its severity."""

import re
import time
from collections.abc import Sequence

from rich.text import Text
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from revconsole.console.colours import themed
from revconsole.lab import log_lines
from revconsole.records.printable import one_line
from revconsole.records.runs.run import LogLine

LEAST_ROOM, EDGES = 24, 3
"""Fewest cells of a line, and those that blanks and the scrollbar take beside it."""
UNIT = re.compile(r"(?<=\d) (?=%|[KMG]iB\b|nats\b|pp\b|min\b|h\b|s\b)")
"""The blank before a unit, where no line is broken."""
UNBROKEN = "\u2800"
"""A blank that is no white space to whoever breaks lines."""
COLOURS = {"note": "text-accent", "warning": "text-warning", "alarm": "text-error"}


class LogView(OptionList):
    """Log lines, the newest last; text is data and never markup. It follows the newest line unless one is marked."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id, markup=False, compact=True)
        self._shown_lines: list[LogLine] = []
        self._broken_at = 0
        self.words, self.least = "", log_lines.LEVELS[0]

    def on_mount(self) -> None:
        """Show the levels in the colours of a theme that is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_again())

    def on_resize(self) -> None:
        """Break the lines elsewhere, and go on following the newest one."""
        room = self._room()
        if room != self._broken_at and self._shown_lines:
            self._broken_at = room
            self._show_again()
        elif self.highlighted is None:
            self.scroll_end(animate=False)

    def _show_again(self) -> None:
        """Show the same lines anew, and stay where it was."""
        at = self.highlighted
        self.set_options(Option(self._shown(line)) for line in self._shown_lines)
        self.highlighted = at
        if at is None:
            self.scroll_end(animate=False)

    def _room(self) -> int:
        """Cells of a line, also where there is no scrollbar yet."""
        return max(LEAST_ROOM, self.size.width - EDGES)

    def show_lines(self, every: Sequence[LogLine], *, wall: float | None = None) -> None:
        """Show the lines that are asked for. wall: a time whose line is marked."""
        lines = log_lines.chosen(every, least=self.least, words=self.words)
        known = len(self._shown_lines)
        if lines[:known] != self._shown_lines:
            self.clear_options()
            known = 0
        new, self._shown_lines = lines[known:], lines
        if new:
            self._broken_at = self._room()
            self.add_options([Option(self._shown(line)) for line in new])
        if wall is not None:
            self.highlighted = log_lines.at(lines, wall)
        elif not self.has_focus:
            self.highlighted = None
            if new:
                self.scroll_end(animate=False)

    def next_level(self) -> str:
        """Show only what is more urgent; after the most urgent level the output of the processes, then everything again."""
        levels = log_lines.LEVELS
        self.least = levels[(levels.index(self.least) + 1) % len(levels)]
        return self.least

    @property
    def heading(self) -> str:
        """What the shown lines were chosen by; empty if all are shown."""
        return log_lines.heading(len(self._shown_lines), least=self.least, words=self.words)

    def time_of(self, index: int) -> float:
        """The time of a line, in seconds since 1970."""
        return self._shown_lines[index].time

    def _shown(self, line: LogLine) -> Text:
        written = line.source == log_lines.OUTPUT
        when = "output   " if written else time.strftime("%H:%M:%S ", time.localtime(line.time))
        text = Text(when, style="dim")
        style = themed(self.app.theme_variables, COLOURS.get(line.level, ""))
        word = "" if line.level == "log" else f"{line.level}: "
        text.append(f"{word}{one_line(line.text, 1000)}", style=f"not dim {style}".strip())
        return self._hanging(text, len(when))

    def _hanging(self, text: Text, indent: int) -> Text:
        """A text in lines that fit, those after the first `indent` cells further in."""
        if text.cell_len <= self._room():
            return text
        first, rest = text.divide([indent])
        rest.plain = UNIT.sub(UNBROKEN, rest.plain)
        lines = rest.wrap(self.app.console, self._room() - indent)
        for line in lines:
            line.plain = line.plain.replace(UNBROKEN, " ")
        return first.append_text(Text(f"\n{'':{indent}}").join(lines))
