"""Gallery: pictures side by side, two pixels per character; by density on a terminal without colour."""

from collections.abc import Sequence
from functools import lru_cache
from textwrap import wrap

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from revconsole.lab.pictures import UPPER, Pixels, enlarged, paired, shaded
from revconsole.records.findings.samples import Colour, Picture
from revconsole.records.printable import one_line

MOST_STYLES = 20_000
"""Most cached pairs of colours, enough for several screens."""


class Gallery(Widget):
    """Shows as many pictures as fit, each as large as possible, with its caption below."""

    class GallerySized(Message):
        """The room for the pictures has changed."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  Textual's word
        super().__init__(id=id)
        self._lines: list[list[Segment]] = []

    def on_resize(self) -> None:
        """Say so to the screen, which has read the pictures for the room there was."""
        self.post_message(self.GallerySized())

    def render_line(self, y: int) -> Strip:
        """One line of all pictures."""
        line = self._lines[y] if y < len(self._lines) else []
        styled = Segment.apply_style([Segment(" "), *line], self.rich_style)
        return Strip(styled).adjust_cell_length(self.size.width, self.rich_style)

    def show_pictures(self, pictures: Sequence[Picture], *, side: int) -> None:
        """Show the pictures that fit, enlarged to at most `side` pixels."""
        colour = not self.app.no_color and self.app.console.color_system is not None
        self._lines = _beside(pictures, side, self.size.width - 1, colour=colour)
        self.refresh()

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the pictures."""
        words = wrap(one_line(sentence, 1000), max(20, self.size.width - 2))
        self._lines = [[], *([Segment(line)] for line in words)]
        self.refresh()


def fitting(picture: Picture, side: int, columns: int) -> int:
    """The number of pictures of this size that fit side by side."""
    width = len(enlarged(picture, side)[0])
    return max(1, (columns + 1) // (width + 1))


def _beside(
    pictures: Sequence[Picture], side: int, columns: int, *, colour: bool
) -> list[list[Segment]]:
    if not pictures:
        return []
    shown = pictures[: fitting(pictures[0], side, columns)]
    blocks = [_block(picture, side, colour=colour) for picture in shown]
    gap = Segment(" ")
    return [
        [segment for part in line for segment in (*part, gap)] for line in zip(*blocks, strict=True)
    ]


def _block(picture: Picture, side: int, *, colour: bool) -> list[list[Segment]]:
    """The lines of one picture, and its caption cut to the picture's width."""
    pixels = enlarged(picture, side)
    lines = _coloured(pixels) if colour else [[Segment(line)] for line in shaded(pixels)]
    caption = set_cell_size(one_line(picture.caption), len(pixels[0]))
    return [*lines, [Segment(caption)]]


def _coloured(pixels: Pixels) -> list[list[Segment]]:
    return [
        [Segment(UPPER, _style(a, b)) for a, b in zip(upper, lower, strict=True)]
        for upper, lower in paired(pixels)
    ]


@lru_cache(maxsize=MOST_STYLES)
def _style(upper: Colour, lower: Colour) -> Style:
    above, below = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in (upper, lower))
    return Style(color=above, bgcolor=below)
