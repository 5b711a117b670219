"""The console and its terminal: sizes, colours, start, signals, a line that drops."""

import asyncio
import fcntl
import inspect
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from textual.events import Key, Resize
from textual.geometry import Size
from textual.widgets import Input

from tests.conformance.pseudo_terminal import Screen

BY_FIRST_PAINT = """
import asyncio, dataclasses, json, sys, time
from pathlib import Path

made, make = [], dataclasses._process_class

def counted(cls, *options):
    made.append(cls.__module__)
    return make(cls, *options)

dataclasses._process_class = counted

from revconsole.console.app import Console
from revconsole.console import first_look
from revconsole.console.screens import opening

first_look.STATES_SECONDS = opening.PAINT_SECONDS = 600.0  # however slow the machine is

def shown(self):
    return "".join(s.text for strip in self.screen._compositor.render_strips() for s in strip)

def painted(self):
    for _ in range(600):  # the rows and the curve are laid out by the loop, which a busy machine delays
        text = self.call_from_thread(shown, self)
        if any("\u2801" <= c <= "\u28ff" for c in text):
            break
        time.sleep(0.05)
    ours = [m for m in sys.modules if m.startswith("revconsole.")]
    styles = [Path(source).name for source, _ in self.stylesheet.source if source.endswith("css")]
    slow = [module for module in made if module.startswith("revconsole.")]
    print(json.dumps([ours, [*sys.modules], text, styles, slow]), file=sys.__stdout__)
    self.call_later(self.exit, 0)

Console._runs_screen = painted
asyncio.run(Console(Path(sys.argv[1])).run_async(headless=True, size=(160, 45)))
"""
REAL = """
import sys
from pathlib import Path
from revconsole.lab.lab import Lab
from revconsole.console.session import run_console
sys.exit(run_console(Lab(Path(sys.argv[1]))))
"""
PATIENCE_SECONDS = 300.0
ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
"""Of the alternate screen."""


BEFORE_THE_FIRST_PAINT = {
    "console",
    "cli",
    "errors",
    "records.printable",
    "records.config",
    "records.criterion",
    "records.files",
    "records.logs",
    "records.runs",
    "records.sysctl",
    "lab.format",
    "lab.curves.cells",
    "lab.curves.colours",
    "lab.curves.units",
    "lab.listing.sparks",
}
"""The rooms and modules of which the first paint may load any."""
NOT_BEFORE = {"console.reader", "console.screens.runs", "console.widgets.live_table", "records.runs.run", "records.runs.tail", "records.runs.store"}  # fmt: skip
"""Modules in these rooms that it does not load."""
MOST_DATACLASSES = 12
"""How many may be made before the first paint: each takes a third of a millisecond."""
EMPTY = {"records", "records.runs", "lab", "lab.curves", "lab.listing"}
"""Packages that hold nothing themselves."""


def test_the_first_paint_has_the_runs_with_states_and_a_curve_and_loads_no_settings_nor_a_library_beside_textual(
    tmp_path, recorder, store
):
    recorder.finished("first run")
    command = [sys.executable, "-c", BY_FIRST_PAINT, str(store.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings())
    ours, libraries, painted, styles, dataclasses = json.loads(done.stdout.splitlines()[0])

    rooms = {name.removeprefix("revconsole.") for name in ours} - EMPTY
    assert {
        r for r in rooms if not any(r == b or r.startswith(f"{b}.") for b in BEFORE_THE_FIRST_PAINT)
    } == set()
    assert rooms & NOT_BEFORE == set()
    assert {"pydantic", "typer", "torch", "timm", "numpy", "sklearn", "psutil"} & {
        *libraries
    } == set()
    assert "reading runs" in painted
    assert re.search(r"✓ finished +first run +100.0 % +0\.\d+", painted)
    assert len(re.findall("[\u2801-\u28ff]", painted)) > 20, "the curve of the run under the cursor"
    assert styles == ["opening.tcss"], "the styles of all screens take a fifth of the first frame"
    assert len(dataclasses) <= MOST_DATACLASSES, (
        f"named tuples are made six times as fast: {dataclasses}"
    )


async def test_keys_that_come_before_the_runs_screen_act_on_it_in_their_order(store, recorder):
    from revconsole.console.app import Console

    recorder.finished("one")
    app = Console(store.root)
    async with app.run_test(size=(80, 24)) as pilot:
        for key, character in (("slash", "/"), ("o", "o"), ("n", "n")):
            app.post_message(Key(key, character))
        end = time.monotonic() + PATIENCE_SECONDS
        while [prompt.value for prompt in app.screen.query(Input)] != ["on"]:
            assert time.monotonic() < end
            await pilot.pause(0.02)


async def test_the_rows_of_the_first_paint_give_way_to_the_rows_of_the_table(
    store, recorder, monkeypatch
):
    from revconsole.console import first_look
    from revconsole.console.app import Console

    def watched():
        first.append(text_of(app))
        return usual()

    first = []
    recorder.finished("[b]one")
    monkeypatch.setattr(first_look, "STATES_SECONDS", 600.0)  # however slow the machine is
    app = Console(store.root)
    usual = app._runs_screen
    monkeypatch.setattr(app, "_runs_screen", watched)
    async with app.run_test(size=(80, 24)) as pilot:
        end = time.monotonic() + PATIENCE_SECONDS
        while "reading runs" in text_of(app) or "finished" not in text_of(app):
            assert time.monotonic() < end
            await pilot.pause(0.02)
        for shown in ("[b]one", "✓ finished"):
            assert place(shown, text_of(app)) == place(shown, first[0])
    assert "reading runs" in first[0]


async def test_a_terminal_too_small_is_told_so_and_recovers(opened, recorder):
    recorder.finished("demo")
    async with opened() as stage:
        await stage.shows("demo")
        await stage.pilot.resize_terminal(10, 3)
        await stage.shows("10")
        await stage.pilot.resize_terminal(59, 24)
        await stage.shows("is too small")
        await stage.pilot.resize_terminal(80, 24)
        await stage.shows("demo")


async def test_a_resize_is_painted_though_the_machine_was_busy_at_its_moment(opened, monkeypatch):
    def leaping():
        """Time, in which a second passes between any two looks of a timer that fires once."""
        nonlocal looks
        looks += inspect.currentframe().f_back.f_locals.get("_repeat") == 0
        return time.monotonic() + looks

    looks = 0
    async with opened() as stage:
        await stage.shows("No runs yet")
        monkeypatch.setattr("textual.timer._time.get_time", leaping)
        for size in ((100, 30), (160, 45)):
            await stage.pilot.resize_terminal(*size)
            await stage.until(lambda: len(stage.text.splitlines()) == size[1])  # noqa: B023
    assert looks > 0


@pytest.mark.usefixtures("every_frame")
@pytest.mark.parametrize("pause", [None, 0.0, 0.005, 0.02])
async def test_a_terminal_resized_faster_than_it_is_painted_ends_at_its_last_size(opened, pause):
    async with opened() as stage:
        await stage.shows("No runs yet")
        for size in (Size(10, 3), Size(1, 1), Size(80, 24), Size(100, 30)):
            stage.app.post_message(Resize(size, size))
            if pause is not None:
                await asyncio.sleep(pause)
        await stage.shows("No runs yet")
        await stage.until(lambda: len(stage.text.splitlines()) == 30)


@pytest.mark.usefixtures("every_frame")
@pytest.mark.parametrize("size", [(60, 16), (100, 30), (300, 80)])
async def test_every_screen_stands_any_size(opened, recorder, size):
    ids = [recorder.finished("one"), recorder.finished("two", scheme="bdia")]
    async with opened(80, 24, ids) as stage:
        await stage.shows("comparison of 2 runs")
        await stage.pilot.resize_terminal(*size)
        await stage.shows("comparison of 2 runs", "A one")
        await stage.press("enter")
        await stage.shows("loss")
        await stage.press("escape", "escape", "n")
        await stage.shows("launch")


@pytest.mark.usefixtures("every_frame")
async def test_it_opens_on_a_tiny_terminal(opened, recorder):
    recorder.finished("demo")
    async with opened(10, 3) as stage:
        await stage.pilot.pause()
        await stage.pilot.resize_terminal(80, 24)
        await stage.shows("demo")


async def test_the_runs_are_read_though_the_first_screen_was_covered_before_its_first_paint(
    lab, recorder, monkeypatch
):
    from revconsole.console.app import Console

    recorder.finished("demo")
    app = Console(lab)
    # what waits for the paint of a covered screen waits until that is in front
    monkeypatch.setattr(app, "call_after_refresh", lambda *_: True)
    async with app.run_test(size=(80, 24)) as pilot:
        end = time.monotonic() + PATIENCE_SECONDS
        while not app.reader.latest.summaries:
            assert time.monotonic() < end
            await pilot.pause(0.05)


async def test_without_colours_state_and_curves_are_told_by_words_and_letters(
    opened, recorder, monkeypatch
):
    monkeypatch.setenv("NO_COLOR", "1")
    ids = [recorder.finished("one"), recorder.finished("two", scheme="bdia")]
    async with opened(160, 45, ids) as stage:
        await stage.shows("✓ finished", "A one", "B two")
        strips = stage.app.screen._compositor.render_strips()
        drawn = "".join(s.text for strip in strips for s in strip)
        assert drawn.count("A") > 2


async def test_nothing_moves_over_a_remote_line(lab, monkeypatch):
    from revconsole.console.app import Console

    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 22 10.0.0.2 22")
    assert Console(lab).animation_level == "none"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_gives_the_terminal_back(tmp_path, number):
    process, master = started(tmp_path)
    read_until(master, b"No runs yet")
    process.send_signal(number)
    seen = read_until(master, LEFT)
    assert LEFT in seen
    assert process.wait(PATIENCE_SECONDS) == 128 + number
    os.close(master)


@pytest.mark.interpreter  # the process itself is stopped, not one that waits for it
def test_ctrl_z_suspends_it_and_all_of_it_is_painted_when_it_goes_on(tmp_path):
    process, master = started(tmp_path)
    read_until(master, b"No runs yet")
    os.write(master, b"\x1a")
    assert LEFT in read_until(master, LEFT)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert ENTERED in read_until(master, b"No runs yet")
    os.write(master, b"q")
    read_until(master, LEFT)
    assert process.wait(PATIENCE_SECONDS) == 0
    os.close(master)


def test_keys_of_one_burst_act_in_their_order(tmp_path):
    process, master = started(tmp_path)
    read_until(master, b"No runs yet")
    os.write(master, b"t\x1bn\x1b?\x1b/in order\r")
    read_until_shown(master, "filter 'in order'")
    os.write(master, b"q")
    read_until(master, LEFT)
    assert process.wait(PATIENCE_SECONDS) == 0
    os.close(master)


def test_it_is_silent_when_idle(tmp_path):
    process, master = started(tmp_path)
    read_until(master, b"No runs yet")
    drain(master, 1.0)
    assert drain(master, 2.0) == b""
    os.write(master, b"q")
    read_until(master, LEFT)
    assert process.wait(PATIENCE_SECONDS) == 0
    os.close(master)


@pytest.mark.parametrize("exported", [{}, {"COLUMNS": "80", "LINES": "24"}])
def test_the_size_is_the_terminals_whatever_the_environment_says(tmp_path, monkeypatch, exported):
    """Shells, and whatever starts programs in terminals, may export a size that was right once."""
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    process, master = started(tmp_path)
    read_until(master, b"No runs yet")
    drain(master, 0.5)
    resize(master, rows=30, columns=100)
    process.send_signal(signal.SIGWINCH)
    assert b"No runs yet" in read_until(master, b"No runs yet")
    os.write(master, b"q")
    read_until(master, LEFT)
    assert process.wait(PATIENCE_SECONDS) == 0
    os.close(master)


def started(store) -> tuple[subprocess.Popen[bytes], int]:
    """The real console in a terminal of its own."""
    master, slave = pty.openpty()
    resize(master, rows=24, columns=80)
    process = subprocess.Popen(
        [sys.executable, "-X", "preloaded", "-c", REAL, str(store)],
        stdin=slave, stdout=slave, stderr=slave, env=surroundings(), start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    return process, master


def resize(master: int, *, rows: int, columns: int) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def text_of(app):
    """What the screen in front shows."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def place(word, text):
    """Line and column of a word."""
    return next((y, line.index(word)) for y, line in enumerate(text.splitlines()) if word in line)


def surroundings() -> dict[str, str]:
    return {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


def read_until(master: int, wanted: bytes) -> bytes:
    seen, end = b"", time.monotonic() + PATIENCE_SECONDS
    while wanted not in seen:
        assert time.monotonic() < end, seen[-2000:]
        if select.select([master], [], [], 0.1)[0]:
            try:
                seen += os.read(master, 65536)
            except OSError:
                break
    return seen


def read_until_shown(master: int, wanted: str) -> None:
    """Read until the screen shows a text, of which each write may hold a part."""
    screen, end = Screen(), time.monotonic() + PATIENCE_SECONDS
    while not any(wanted in line for line in screen.lines):
        assert time.monotonic() < end, "\n".join(screen.lines)
        if select.select([master], [], [], 0.1)[0]:
            screen.feed(os.read(master, 65536))


def drain(master: int, seconds: float) -> bytes:
    """What is written within some seconds."""
    seen, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            seen += os.read(master, 65536)
    return seen
