"""MistakesScreen: the test images that a run's network calls otherwise than they are, the surest mistakes first.

What it calls them imports torch, so a daemon thread computes it, which quitting does not wait for.
"""

import threading
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from revconsole.console.messages import MistakesFound
from revconsole.console.reader import Reader
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Title, Words
from revconsole.console.widgets.picture_rows import PictureRows
from revconsole.lab.format import percent
from revconsole.lab.torch_api import training
from revconsole.records.findings.mistakes import Mistakes
from revconsole.records.runs.run import Summary

SIDE = 32
"""Most pixels of a picture's side; a smaller image is enlarged to the room there is."""
WAITING = "asking the network about the test images… the first time takes some seconds, as torch is loaded"


class MistakesScreen(Newest, Screen[None]):
    """Pictures of the mistakes, two rows at a time, with what each is and what it is called."""

    tab = "runs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="mistakes.back"),
        Binding("n,space,right,l", "turn(1)", "Next", id="mistakes.next"),
        Binding("p,left,h", "turn(-1)", "Previous", id="mistakes.previous"),
    ]

    def __init__(self, reader: Reader, run: Summary) -> None:
        super().__init__()
        self._reader, self._run = reader, run
        self._found: Mistakes | None = None
        self._sentence = WAITING

    def compose(self) -> ComposeResult:
        """Rows of pictures, how many there are, keys."""
        yield Title()
        yield PictureRows()
        yield Words(id="known")
        yield KeyBar()

    def on_mount(self) -> None:
        """Ask the network."""
        self.query_one(Title).say("mistakes", self._run.name, self._run.id, "asking…")
        self._show()
        threading.Thread(target=self._ask, name="mistakes", daemon=True).start()

    def _ask(self) -> None:
        """Find the mistakes; runs in a thread."""
        try:
            found = training.mistakes(self._reader.lab.store, self._run.id, side=SIDE)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the console
            self.post_message(MistakesFound(problem=str(error) or type(error).__name__))
        else:
            self.post_message(MistakesFound(found))

    def on_mistakes_found(self, event: MistakesFound) -> None:
        """Show them, or why there are none."""
        event.stop()
        self._found = event.mistakes
        if event.mistakes is None:
            self.query_one(Title).say("mistakes", self._run.name, self._run.id, "not known")
            self._sentence = event.problem
        self._show()

    def action_back(self) -> None:
        """Go back to the screen before."""
        self.app.pop_screen()

    def action_turn(self, by: int) -> None:
        """Show the next mistakes (1), or the previous ones (-1)."""
        self.query_one(PictureRows).turn(by)

    def _show(self) -> None:
        """Show the mistakes, or why there are none."""
        found, rows = self._found, self.query_one(PictureRows)
        if found is None:
            rows.show_pictures((), self._sentence)
            return
        rows.show_pictures(found.pictures, "every test image is called what it is")
        right = (found.images - found.wrong) / found.images
        known = (
            f"{found.wrong:,} of {found.images:,} test images are called otherwise ({percent(right)} right), "
            f"with the weights of step {found.step:,}; each: what it is → what it is called, how surely"
        )
        self.query_one("#known", Words).show_text(Text(known))

    @on(PictureRows.PicturesTurned)
    def _turned(self) -> None:
        if self._found is not None:
            shown = self.query_one(PictureRows).place
            place = f"{shown} of {self._found.wrong:,}" if shown else "none"
            self.query_one(Title).say("mistakes", self._run.name, self._run.id, place)
