"""SystemScreen: processors, memory, disk and cards of this machine, and what uses them."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from revconsole.console import gauges
from revconsole.console.screens.live import LiveScreen
from revconsole.console.snapshot import Snapshot, WantedByScreen
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Problem, Title, Words

EDGES = 2
"""Columns left and right of the text."""


class SystemScreen(LiveScreen):
    """The machine, read again with every snapshot while this screen is in front."""

    tab = "system"
    home = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="system.back"),
        Binding("j", "scroll(1)", "Down", show=False, id="system.down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="system.up"),
    ]

    def compose(self) -> ComposeResult:
        """Title, gauges, keys."""
        yield Title()
        yield Problem()
        with VerticalScroll(id="system"):
            yield Words(id="gauges")
        yield KeyBar()

    def on_mount(self) -> None:
        """Focus the gauges, so that arrows scroll them."""
        self.query_one("#system").focus()

    def on_screen_resume(self) -> None:
        """Ask the reader for the machine."""
        self.reader.want(WantedByScreen(system=True))
        self.redraw()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the gauges."""
        self.query_one(Problem).say(snapshot.problem)
        system = snapshot.system
        if system is None:
            self.query_one(Title).say("system", "reading…")
            return
        training = len(system.trainings)
        runs = (
            f"{training} run{'s' if training != 1 else ''} training"
            if training
            else "nothing trains"
        )
        self.query_one(Title).say("system", runs)
        width = self.size.width - EDGES
        self.query_one("#gauges", Words).show_text(
            gauges.lines(system, width, self.app.theme_variables)
        )

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
