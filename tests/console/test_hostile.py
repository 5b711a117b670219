"""Names, titles, logs and reasons are data: whatever they hold, every screen shows them as text and stays whole."""

import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Input

from revconsole.console.screens.comparison import ComparisonScreen
from revconsole.console.screens.reversibility import ReversibilityScreen
from revconsole.console.screens.run import RunScreen
from revconsole.records.logs.events import Failed, Logged
from tests.conftest import TINY_STUDY

NAMES = (
    "[bold red]x[/] [@click=app.quit]y[/] \\[z",
    "\u202egnp.exe\u202c \u2066שלום\u2069 مرحبا",
    "🚀模型👩\u200d👩\u200d👧 e\u0301 " * 6,
    "x" * 120,
    "%s {0} $(id) `id` ${HOME} ../../etc",
    "a\r\n\tb\x1b[31mred\x07\x9b2J\x1b]52;c;aGVsbG8=\x07",
)
WORST = "".join(name[:20] for name in NAMES)[:120]
"""Something of each."""
SIZES = ((160, 45), (80, 24))
BELOW = {"runs": (), "groups": ("g",), "order": ("o",), "columns": ("C",), "notes": ("e",), "deletion": ("D",), "stop": ("s",),
         "palette": ("ctrl+p", *"open"), "studies": ("2",), "study": ("2", "enter"), "system": ("4",)}  # fmt: skip
CONTROL = {"Cc", "Cs"}
TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@pytest.fixture
def stocked(recorder, store):
    """Runs of these names that finished, one that failed for such a reason, one that trains, and such a study."""
    for name in NAMES:
        recorder.finished(name)
    ids = [recorder.finished(WORST, scheme="bdia", seed=seed) for seed in (0, 1)]
    run_id, failed = recorder.begin(WORST, scheme="additive")
    recorder.epoch(failed, 1)
    failed.emit(Logged(text=WORST))
    failed.emit(Failed(reason=WORST))
    failed.close()
    quoted = "".join(f"\\U{ord(c):08x}" for c in WORST)
    study = TINY_STUDY.replace("two ways, in seconds", quoted).replace('"plain"', f'"{quoted}"')
    Path("[red]a.toml").write_text(study, encoding="utf-8")
    _, going = recorder.begin(WORST)
    recorder.epoch(going, 1)
    yield [*ids, run_id]
    going.close()


def lines(stage):
    """The screen as it is laid out."""
    strips = stage.app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def odd_lines(stage):
    """Lines that are not as wide as the terminal."""
    return [line for line in lines(stage) if cell_len(line) != stage.app.size.width]


def odd_characters(stage):
    """What of the screen, and of what its fields hold and may scroll to, is no plain text."""
    held = (field.value for field in stage.app.screen.query(Input))
    return {
        c
        for c in "".join((*lines(stage), *held))
        if unicodedata.category(c) in CONTROL or c in TURNS
    }


async def test_a_name_is_text_on_every_screen_and_no_line_is_longer_or_shorter_for_it(
    opened, stocked
):
    async with opened(*SIZES[0]) as stage:
        await stage.shows("10 runs", "[bold red]x[/]")
        reader = stage.app.reader
        above = {
            "run": lambda: RunScreen(reader, stocked[-1]),
            "reversibility": lambda: ReversibilityScreen(reader, reader.latest.summary(stocked[0])),
            "comparison": lambda: ComparisonScreen(reader, stocked),
        }
        for number, name in enumerate((*BELOW, *above)):
            if name in above:
                stage.app.push_screen(above[name]())
            await stage.press_at_once(*BELOW.get(name, ()))
            await stage.pilot.resize_terminal(*SIZES[number % 2])
            await stage.until(lambda: stage.app.keyboard.idle and stage.app._settled())
            await stage.until(lambda: not odd_lines(stage))
            assert not odd_characters(stage), name
            await stage.press_at_once(
                "escape", "escape", "escape", "g" if name == "groups" else "1"
            )
            await stage.until(lambda: stage.app.keyboard.idle)
