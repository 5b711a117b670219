"""ArtifactsScreen: the files that a program kept with its run: images as pictures, the others by name.

A daemon thread decodes the images, which quitting does not wait for.
"""

import threading
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from revconsole.console.messages import ArtifactsRead
from revconsole.console.screens.newest import Newest
from revconsole.console.widgets.keys import KeyBar
from revconsole.console.widgets.panes import Title, Words
from revconsole.console.widgets.picture_rows import PictureRows
from revconsole.lab.artifact_pictures import picture
from revconsole.lab.format import memory
from revconsole.records.findings.samples import Picture
from revconsole.records.printable import one_line, plural
from revconsole.records.runs.artifacts import Artifact
from revconsole.records.runs.run import Run

EDGES, LARGEST, MOST_PICTURES, MOST_NAMED = 8, 128, 60, 40
"""Lines beside the pictures; most pixels of a side; images that are decoded, the newest; other files that are named."""


class ArtifactsScreen(Newest, Screen[None]):
    """Pictures of the images, two rows at a time, and the names of the other files."""

    tab = "runs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back", id="artifacts.back"),
        Binding("n,space,right,l", "turn(1)", "Next", id="artifacts.next"),
        Binding("p,left,h", "turn(-1)", "Previous", id="artifacts.previous"),
    ]

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run, self._shown, self._side = run, 0, 0

    def compose(self) -> ComposeResult:
        """Rows of pictures, the other files, keys."""
        yield Title()
        yield PictureRows()
        yield Words(id="known")
        yield KeyBar()

    def on_resize(self) -> None:
        """Decode the images at the size that there is room for."""
        width, height = self.app.size
        side = max(8, min(2 * (height - EDGES), width - 2, LARGEST))
        if side != self._side:
            self._side = side
            self.query_one(PictureRows).show_pictures((), "reading…")
            threading.Thread(target=self._read, args=(side,), name="artifacts", daemon=True).start()

    def _read(self, side: int) -> None:
        """Decode the images; runs in a thread."""
        images = [each for each in self._run.artifacts if each.is_image]
        found = [(each, picture(each, side)) for each in images[:MOST_PICTURES]]
        self.post_message(ArtifactsRead(side, tuple(found)))

    def on_artifacts_read(self, event: ArtifactsRead) -> None:
        """Show them."""
        event.stop()
        if event.side != self._side:
            return
        pictures = [each for _, each in event.found if isinstance(each, Picture)]
        self._shown = len(pictures)
        self.query_one(PictureRows).show_pictures(
            pictures, "none of its files is an image that can be shown"
        )
        text = Text(_others(self._run, dict(event.found)))
        self.query_one("#known", Words).show_text(text)

    def action_turn(self, by: int) -> None:
        """Show the next pictures (1), or the previous ones (-1)."""
        self.query_one(PictureRows).turn(by)

    @on(PictureRows.PicturesTurned)
    def _turned(self) -> None:
        place, run = self.query_one(PictureRows).place, self._run
        images = f"{place} of {plural(self._shown, 'image')}" if place else ""
        self.query_one(Title).say("artifacts", run.summary.name, run.id, images)


def _others(run: Run, read: dict[Artifact, Picture | str]) -> str:
    """Those that are no picture, each with its size or with what is wrong with it, and where all files are."""
    told = []
    for each in run.artifacts:
        found = read.get(each, "")
        if not isinstance(found, Picture):
            told.append(f"{one_line(each.name, 80)} ({one_line(found, 80) or memory(each.size)})")
    more = [f"{len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else []
    folder = one_line(str(run.artifacts[0].path.parent), 200) if run.artifacts else ""
    return f"{', '.join([*told[:MOST_NAMED], *more])}{'; ' if told else ''}all in {folder}"
