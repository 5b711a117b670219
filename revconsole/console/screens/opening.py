"""OpeningScreen: the first paint, which stands in the place of the runs screen until that can be imported."""

import threading
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.keys import KeyBar
from revconsole.records.printable import one_line
from revconsole.records.runs.glimpse import glimpse

STATE = f"{'  …':14}"
"""What stands before a name, as wide as mark and state in the runs table, so that no name moves when that comes."""
PAINT_SECONDS = 1.0
"""Longest that a thread waits for the names to be painted."""


class OpeningScreen(Newest, Screen[None]):
    """Title, the names of the newest runs or a word that runs are being read, and the line of keys."""

    def __init__(self, store: Path) -> None:
        super().__init__()
        self._store = store

    def compose(self) -> ComposeResult:
        """The three parts."""
        yield Static(Text(f"revconsole · reading runs… · {one_line(str(self._store))}"), classes="title")  # fmt: skip
        yield Static("Reading runs…", id="opening")
        yield KeyBar()

    def show_names(self) -> None:
        """Read the names and return when they are painted. To be called from a thread, before it loads what would delay them."""
        painted, names = threading.Event(), glimpse(self._store, self.app.size.height)

        def paint() -> None:
            listed = self.query_one("#opening", Static)
            listed.add_class("-listed")
            listed.update(Text("\n".join(["", *(f"{STATE}{name}" for name in names)])))
            self.call_after_refresh(painted.set)

        if names:
            self.app.call_later(paint)
            painted.wait(PAINT_SECONDS)
