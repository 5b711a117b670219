"""TomlView: the runs of a form as the profile that saving would write."""

import re

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from revconsole.console.colours import themed
from revconsole.console.widgets.panes import Words
from revconsole.records.printable import printable

HEADING = "TOML  ^y copies it, ^s saves it as a profile"
KEY = re.compile(r"^([\w\"'.-]+) = ", re.MULTILINE)
TABLE = re.compile(r"^\[.*\]$", re.MULTILINE)
LONGEST = 200_000


class TomlView(VerticalScroll, can_focus=False):
    """The text of the profile, or why there is none."""

    DEFAULT_CSS = """
    TomlView { display: none; padding: 0 2; scrollbar-size-vertical: 1; }
    TomlView > Words { height: auto; }
    """

    def compose(self) -> ComposeResult:
        """A heading and the text."""
        yield Words(Text(HEADING, style="dim"), id="toml-heading")
        yield Words(id="toml")

    _told = ("", "")

    def on_mount(self) -> None:
        """Show it in the colours of a theme that is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.say(*self._told))

    def say(self, toml: str, problem: str = "") -> None:
        """Show the text, or the problem where there is none."""
        self._told = toml, problem
        text = Text(printable(toml.rstrip() or problem, LONGEST), style="" if toml else "dim")
        if toml:
            text.highlight_regex(TABLE, f"bold {themed(self.app.theme_variables, 'text-accent')}")
            text.highlight_regex(KEY, "dim")
        self.query_one("#toml", Words).show_text(text)

    def page(self, by: int) -> None:
        """Scroll by pages."""
        self.scroll_relative(y=by * max(self.size.height - 2, 1), animate=False)
