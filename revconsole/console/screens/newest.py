"""Newest: a screen is laid out for the terminal's newest size only."""

from typing import ClassVar

from textual import events
from textual.app import App
from textual.screen import Screen

from revconsole.console.widgets.keys import KeyBar


class Newest:
    """A mixin that stands before Textual's `Screen` in the bases of a screen.

    Layout tells a screen its size, which triggers another layout. If the terminal is resized faster than that, two sizes
    alternate in the message queue for ever: the screen does not change and the processor stays busy.
    """

    tab: ClassVar[str] = ""
    """The tab that it belongs to, see `tabs`; empty for what covers another screen."""
    home: ClassVar[bool] = False
    """Whether its tab leads to it."""
    app: App[object]

    def on_screen_suspend(self) -> None:
        """Hide the line of keys below a dialog, which takes the keys."""
        self._show_bar(shown=False)

    def on_screen_resume(self) -> None:
        """Show the line of keys again."""
        self._show_bar(shown=True)

    def _show_bar(self, *, shown: bool) -> None:
        if isinstance(self, Screen):
            for bar in self.query(KeyBar):
                bar.visible = shown

    async def _on_resize(self, event: events.Resize) -> None:
        if event.size != self.app.size:
            event.stop()
            event.prevent_default()
