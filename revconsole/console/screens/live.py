"""LiveScreen: base of the screens that show the reader's newest snapshot."""

from abc import abstractmethod
from typing import cast

from rich.console import RenderableType
from textual import events
from textual.renderables.blank import Blank
from textual.screen import ModalScreen, Screen

from revconsole.console.messages import Said
from revconsole.console.reader import Reader
from revconsole.console.screens.newest import Newest
from revconsole.console.snapshot import Snapshot, WantedByScreen


class LiveScreen(Newest, Screen[None]):
    """An abstract screen that updates with every snapshot and when it is resized."""

    tab = "runs"

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self._useless: frozenset[str] = frozenset()

    def render(self) -> RenderableType:
        """The ground alone: Textual shows the screen below where the ground is the terminal's own, as in ANSI themes."""
        return cast("RenderableType", Blank(self.styles.background))

    @abstractmethod
    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Update the screen."""

    def _on_mount(self, _: events.Mount) -> None:
        """Show everything in the colours of another theme when one is chosen."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())

    def ask(self, wanted: WantedByScreen) -> None:
        """Ask the reader, unless another screen covers this one, as while a terminal is resized: it asks once it is in front."""
        screens = [each for each in self.app.screen_stack if not isinstance(each, ModalScreen)]
        if screens[-1:] == [self]:
            self.reader.want(wanted)

    def redraw(self) -> None:
        """Show the newest snapshot again; a screen that is being opened or closed has no widgets."""
        if self.children:
            self.show_snapshot(self.reader.latest)

    def on_resize(self, _: events.Resize) -> None:
        """Lay out the columns for the new width."""
        self.redraw()

    def useless(self) -> frozenset[str]:
        """The actions that would have no effect now."""
        return frozenset()

    def show_keys(self) -> None:
        """Update the line of keys if the useless actions have changed."""
        useless = self.useless()
        if useless != self._useless:
            self._useless = useless
            self.refresh_bindings()

    def action_back(self) -> None:
        """Step out of the screen."""
        self.app.pop_screen()

    def refuse(self, sentence: str) -> None:
        """Show why a key has no effect."""
        self.app.post_message(Said(sentence, "warning"))
