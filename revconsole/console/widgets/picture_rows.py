"""PictureRows: two rows of pictures, or one of large ones, as many at a time as there is room for, turned like pages."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from revconsole.console.widgets.gallery import Gallery, fitting
from revconsole.records.findings.samples import Picture

ROWS = ("upper", "lower")


class PictureRows(Container):
    """Two rows of pictures, one if they are too high for two, or a sentence in their place."""

    DEFAULT_CSS = "PictureRows { height: 1fr; layout: vertical; }"

    class PicturesTurned(Message):
        """Other pictures are shown."""

    def __init__(self) -> None:
        super().__init__()
        self._pictures: Sequence[Picture] = ()
        self._sentence = ""
        self._first = 0

    def compose(self) -> ComposeResult:
        """The rows."""
        for name in ROWS:
            yield Gallery(id=name)

    def show_pictures(self, pictures: Sequence[Picture], otherwise: str) -> None:
        """Show them from the first on. otherwise: what to say where there are none."""
        self._pictures, self._sentence, self._first = pictures, otherwise, 0
        self._show()

    def turn(self, by: int) -> None:
        """Show the next pictures (1), or the previous ones (-1)."""
        first = max(0, self._first + by * self._at_once)
        if first < len(self._pictures):
            self._first = first
            self._show()

    @property
    def place(self) -> str:
        """Which of them are shown; empty if there are none."""
        last = min(self._first + self._at_once, len(self._pictures))
        return f"{self._first + 1:,}–{last:,}" if last else ""

    @on(Gallery.GallerySized)
    def _show(self) -> None:
        upper, lower = self.query(Gallery)
        lower.display = self._rows == len(ROWS)
        abreast = self._at_once // self._rows
        for number, gallery in enumerate(self.query(Gallery)):
            begin = self._first + number * abreast
            gallery.show_pictures(self._pictures[begin : begin + abreast], side=self._side)
        if not self._pictures:
            upper.say(self._sentence)
        self.post_message(self.PicturesTurned())

    @property
    def _rows(self) -> int:
        """Two rows if the pictures are not too high for that."""
        high = len(self._pictures[0].rows) if self._pictures else 0
        return len(ROWS) if high <= 2 * (self.size.height // len(ROWS) - 1) else 1

    @property
    def _side(self) -> int:
        """Pixels of a picture's side that the room has."""
        room = self.query(Gallery).first().size
        return max(8, min(2 * (room.height - 1), room.width - 1))

    @property
    def _at_once(self) -> int:
        """The number of pictures that the rows have room for."""
        if not self._pictures:
            return len(ROWS)
        columns = self.query(Gallery).first().size.width - 1
        return self._rows * fitting(self._pictures[0], self._side, columns)
