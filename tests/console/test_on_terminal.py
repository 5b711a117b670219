"""Of a frame only what the terminal does not show yet is written, and the screen is the same in the end."""

import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from revconsole.console import on_terminal
from revconsole.console.on_terminal import Terminal

CONSOLE = Console(force_terminal=True, color_system="truecolor")
PARTS = re.compile(r"\x1b\[(\d+);(\d+)H|(\x1b\[[\d;]*m)|([^\x1b\n])|\n")


class Emulated:
    """What a terminal of a size shows after what was written: a character and its look for each cell."""

    def __init__(self, size):
        self.cells = [[(" ", "")] * size.width for _ in range(size.height)]
        self.written = 0

    def write(self, text):
        self.written += len(text)
        assert "".join(match[0] for match in PARTS.finditer(text)) == text
        x = y = 0
        look = ""
        for match in PARTS.finditer(text):
            row, column, look_now, character = match.groups()
            if row:
                x, y = int(column) - 1, int(row) - 1
            elif look_now:
                look = "" if look_now == "\x1b[0m" else look_now
            elif character:
                self.put(x, y, character, look)
                x += cell_len(character)

    def put(self, x, y, character, look):
        line = self.cells[y]
        for torn in (x, x + cell_len(character)):
            if (
                torn < len(line) and line[torn][0] == ""
            ):  # the second half of a wide character goes with the first
                line[torn - 1] = line[torn] = ("�", "")
        line[x] = (character, look)
        if cell_len(character) == 2:
            line[x + 1] = ("", look)


@pytest.fixture
def watched(opened, monkeypatch):
    """A function that gives a stage's terminal twice: as Textual writes to it, and as we do."""

    def watch(stage):
        size, known = stage.app.size, Terminal()
        usual, ours = Emulated(size), Emulated(size)

        def display(_, update):
            if isinstance(update, LayoutUpdate | ChopsUpdate):
                usual.write(update.render_segments(CONSOLE))
                changes = known.changes(update, size)
                ours.write(changes.render_segments(CONSOLE) if changes else "")
                assert ours.cells == usual.cells

        monkeypatch.setattr(stage.app, "_display", display)
        stage.app.refresh(layout=True)
        return usual, ours

    return watch


@pytest.mark.usefixtures("every_frame")
async def test_the_screen_is_what_textual_would_have_written_at_a_fraction_of_the_bytes(
    opened, recorder, watched
):
    for name in ("one", "two", "über漢字"):
        recorder.finished(name, scheme="bdia" if name == "two" else "residual")
    async with opened(130, 40) as stage:
        await stage.shows("one", "two")
        usual, ours = watched(stage)
        await stage.press("down", "down", "space", "slash", *"bdia")
        await stage.shows("two")
        await stage.press("escape", "escape", "question_mark")
        await stage.press("escape", "enter")
        await stage.shows("loss")
    assert ours.written < usual.written / 2


def lines(*texts):
    """A whole frame of lines of text."""
    strips = [[Strip([Segment(text, Style(bold=text.isupper()))])] for text in texts]
    return LayoutUpdate(strips, Region(0, 0, cell_len(texts[0]), len(texts)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("abcdef", "abXdef"), ("abcdef", "ABCDEF"), ("漢字漢", "漢ab漢"), ("a漢字b", "漢字ab"), ("ab漢字", "a漢字b"),
        ("abcdef", "abcdef"), ("漢字漢", "字字漢"), ("a漢漢b", "a字字b"),
    ],
)  # fmt: skip
def test_no_wide_character_is_cut(before, after):
    size = Size(6, 1)
    known, usual, ours = Terminal(), Emulated(size), Emulated(size)
    for text in (before, after):
        usual.write(lines(text).render_segments(CONSOLE))
        changes = known.changes(lines(text), size)
        ours.write(changes.render_segments(CONSOLE) if changes else "")
    assert ours.cells == usual.cells
    assert (changes is None) == (before == after)


def test_after_a_while_and_after_another_size_a_whole_frame_is_written(monkeypatch):
    known = Terminal()
    assert known.changes(lines("ab"), Size(2, 1))
    assert known.changes(lines("ab"), Size(2, 1)) is None
    monkeypatch.setattr(on_terminal, "FORGET_SECONDS", -1.0)
    assert known.changes(lines("ab"), Size(2, 1))
    monkeypatch.undo()
    known.changes(lines("ab"), Size(2, 1))
    assert known.changes(lines("abc", "abc"), Size(3, 2))
    known.forget()
    assert known.changes(lines("abc", "abc"), Size(3, 2))
