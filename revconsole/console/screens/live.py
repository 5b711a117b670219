"""LiveScreen: what screens share that show the reader's newest snapshot."""

from abc import abstractmethod

from textual import events
from textual.screen import Screen

from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.newest import Newest
from revconsole.console.snapshot import Snapshot


class LiveScreen(Newest, Screen[None]):
    """An abstract screen that is brought up to date by every snapshot, and by another size."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self._useless: frozenset[str] = frozenset()

    @abstractmethod
    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Bring the screen up to date."""

    def redraw(self) -> None:
        """Show the newest snapshot again."""
        self.show_snapshot(self.reader.latest)

    def on_resize(self, _: events.Resize) -> None:
        """Columns depend on the width. A screen that is being closed has no widgets."""
        if self.children:
            self.redraw()

    def useless(self) -> frozenset[str]:
        """Actions that would do nothing now."""
        return frozenset()

    def show_keys(self) -> None:
        """Bring the line of keys up to date, if what they could do has changed."""
        useless = self.useless()
        if useless != self._useless:
            self._useless = useless
            self.refresh_bindings()

    def action_back(self) -> None:
        """Step out of the screen."""
        self.app.pop_screen()

    def refuse(self, sentence: str) -> None:
        """Say why nothing comes of a key."""
        self.app.post_message(Said(sentence, "warning"))
