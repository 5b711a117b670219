"""OpeningScreen: the first paint, which stands in the place of the runs screen until that can be imported."""

from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.keys import KeyBar
from revconsole.records.printable import one_line


class OpeningScreen(Newest, Screen[None]):
    """Title, a word that runs are being read, and the line of keys."""

    def __init__(self, store: Path) -> None:
        super().__init__()
        self._store = store

    def compose(self) -> ComposeResult:
        """The three lines."""
        yield Static(Text(f"revconsole · {one_line(str(self._store))}"), classes="title")
        yield Static("Reading runs…", id="opening")
        yield KeyBar()
