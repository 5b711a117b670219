"""Newest: a screen is laid out for the newest size of the terminal only."""

from textual import events
from textual.app import App


class Newest:
    """Stands before Textual's `Screen` in the bases of a screen.

    Laying out a screen tells it its size, which lays it out again. If the terminal is resized faster than that, two
    sizes chase each other through its queue for ever: the screen stays as it was and the processor busy.
    """

    app: App[object]

    async def _on_resize(self, event: events.Resize) -> None:
        if event.size != self.app.size:
            event.stop()
            event.prevent_default()
