"""Keys: the last line of a screen, with the keys that do something as things are."""

from typing import Protocol, runtime_checkable

from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey


@runtime_checkable
class Idle(Protocol):
    """A screen some of whose keys have nothing to do now. Pressed, they still say why."""

    def useless(self) -> frozenset[str]:
        """Actions that would do nothing."""


class KeyBar(Footer):
    """Textual's footer without the keys that would do nothing."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)

    def compose(self) -> ComposeResult:
        """The keys of what has the focus, of the screen, of the app."""
        screen = self.screen
        useless = screen.useless() if isinstance(screen, Idle) else frozenset()
        for each in super().compose():
            if not (isinstance(each, FooterKey) and each.action in useless):
                yield each
