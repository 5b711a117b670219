"""TooSmall: the notice shown on a terminal that is too small."""

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from revconsole.console.screens.newest import Newest

LEAST_WIDTH, LEAST_HEIGHT = 60, 16


class TooSmall(Newest, Screen[None]):
    """Covers the screens while the terminal has too few columns or rows."""

    def compose(self) -> ComposeResult:
        """One notice."""
        yield Static()

    def on_resize(self, event: events.Resize) -> None:
        """Show how many columns and rows are missing; a screen that is being closed has no widgets."""
        if not self.children:
            return
        width, height = event.size
        text = f"{width}×{height} is too small\nneeds {LEAST_WIDTH}×{LEAST_HEIGHT}"
        self.query_one(Static).update(Text(text))


def too_small(width: int, height: int) -> bool:
    """Whether the terminal is too small for the screens."""
    return width < LEAST_WIDTH or height < LEAST_HEIGHT
