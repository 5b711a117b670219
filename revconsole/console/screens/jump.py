"""Jump: a letter on every pane that can have the focus; typing it goes there."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import Static

from revconsole.console.messages import Said
from revconsole.console.screens.newest import Newest

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Jump(Newest, ModalScreen[int | None]):
    """Letters over the screen below; its result is the number of the chosen place, None for none.

    places: where each of them is, in cells of the screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Stay here", id="jump.stay")
    ]

    def __init__(self, places: Sequence[Region]) -> None:
        super().__init__()
        self._places = places[: len(LETTERS)]

    def compose(self) -> ComposeResult:
        """A letter at the top left of each place."""
        for place, letter in zip(self._places, LETTERS, strict=False):
            label = Static(Text(f" {letter} "))
            label.styles.offset = place.offset
            yield label

    def on_key(self, event: events.Key) -> None:
        """Go to the place of a letter; any other key goes nowhere."""
        if event.key == "escape":
            return
        event.stop()
        number = LETTERS.find(event.key)
        self.dismiss(number if 0 <= number < len(self._places) else None)


def offer_places(app: App[Any]) -> None:
    """Label the panes of the screen in front; the chosen one gets the focus."""
    screen = app.screen
    panes = [pane for pane in screen.focus_chain if pane.region.overlaps(screen.region)]
    if len(panes) < 2 or isinstance(screen, ModalScreen):
        app.post_message(Said("there is one place to go to here"))
        return

    def chosen(number: int | None) -> None:
        if number is not None and panes[number].is_attached:
            panes[number].focus()

    app.push_screen(Jump([pane.region for pane in panes]), chosen)
