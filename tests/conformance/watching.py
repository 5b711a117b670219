"""What it costs to watch runs: `python tests/conformance/watching.py [RUNS STEPS] [--peers BIN] [--only NAME …] [--data FOLDER]`
prints one table.

The console, a bare Textual app with a table, and those of W&B LEET, terminalboard and ltui that the folder BIN holds (with
an interpreter that can write for them: wandb, tensorboardX) show the same curves in pseudo-terminals of 160x45: RUNS runs of
STEPS steps with four metrics. A tool has painted when the name of a run is on the screen, and has drawn a curve when
there are forty braille characters, without a key; where a key puts three runs over one another, as here, that is timed too.
The runs that go on are the newest, which every tool lists first or draws with all others. With `--data` runs are written into
a folder once, which takes minutes for many, and looked at only at rest. Times are by the clock: run it on a quiet machine.

    python -m venv peers && peers/bin/pip install wandb tensorboardX terminalboard ltui 'plotext<6'

puts the others into `peers/bin`; terminalboard ends at its first frame with a newer plotext.
"""

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from pseudo_terminal import PseudoTerminal

LIVE, RATE = 4, 20
"""Runs that go on, and their steps a second, for bytes; five times the runs at a quarter of the rate for the processor."""
SECONDS, KEYS = 5.0, 20
"""Length of each look, and keys that are timed."""
ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[PX^_].*?\x1b\\|[ -/]*[0-~])", re.DOTALL)  # fmt: skip
CURVE = re.compile("[\u2801-\u28ff]")
ENOUGH = 40
DOWN, UP, RIGHT, LEFT = (b"\x1b[" + each for each in (b"B", b"A", b"C", b"D"))

BARE = """
from textual.app import App
from textual.widgets import DataTable
class Bare(App):
    def compose(self):
        yield DataTable(cursor_type="row")
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("name", "epoch", "loss")
        for number in range({runs}):
            table.add_row(f"run-{number:02}", "1/1", "0.5")
Bare().run()
"""
VALUES = """
import math, sys, time
def values(run, step):
    fall = math.exp(-step / 2000)
    return {"loss": 2.3 * fall + 0.05 * math.sin(step * (run + 3)), "accuracy": 1 - fall,
            "learning_rate": 1e-3 * fall, "gradient_norm": 1 + 0.2 * math.cos(step + run)}
def go_on(log, runs, first):
    print("written", flush=True)
    asked = sys.stdin.readline().split()
    if not asked:
        return
    live, rate, step = int(asked[0]), float(asked[1]), first
    while True:
        began = time.monotonic()
        step += 1
        for run in range(runs - live, runs):
            log(run, step, values(run, step))
        time.sleep(max(0.0, 1 / rate - (time.monotonic() - began)))
runs, steps = int(sys.argv[1]), int(sys.argv[2])
"""
OURS = """
from pathlib import Path
from revconsole.records.logs.events import Measured, Started
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.optimizer import AdamW
from revconsole.records.settings.plan import Plan
store, attempts = RunStore(Path("runs")), []
for run in range(runs):
    attempt = store.claim(store.create(Plan(name=f"run-{run:02}", optimizer=AdamW(learning_rate=1e-3 + 1e-5 * run)), {}), 1)
    attempt.emit(Started(facts={"steps": 2 * steps}))
    attempts.append(attempt)
def log(run, step, found):
    attempts[run].emit(Measured(step=step, epoch=1, values=found))
"""
WANDB = """
import wandb
logs = [wandb.init(mode="offline", project="p", name=f"run-{run:02}", reinit="create_new",
                   settings=wandb.Settings(x_disable_stats=True, silent=True, console="off")) for run in range(runs)]
def log(run, step, found):
    logs[run].log(found, step=step)
"""
TFEVENTS = """
from tensorboardX import SummaryWriter
logs = [SummaryWriter(f"tb/run-{run:02}", flush_secs=1) for run in range(runs)]
def log(run, step, found):
    for name, value in found.items():
        logs[run].add_scalar(name, value, step)
"""
CSV = """
from pathlib import Path
logs = []
for run in range(runs):
    folder = Path(f"csv/run-{run:02}/version_0")
    folder.mkdir(parents=True)
    logs.append((folder / "metrics.csv").open("w", buffering=1))
    logs[-1].write("epoch,step,loss,accuracy,learning_rate,gradient_norm\\n")
def log(run, step, found):
    logs[run].write(f"0,{step},{found['loss']},{found['accuracy']},{found['learning_rate']},{found['gradient_norm']}\\n")
"""
WRITE = """
for run in range(runs):
    for step in range(1, steps + 1):
        log(run, step, values(run, step))
for each in globals().get("logs", []):
    getattr(each, "flush", lambda: None)()
go_on(log, runs, steps)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A tool. command: how it starts. writer: code that writes its runs. keys: what leads from its first screen to the curves
    of three runs, if it takes keys. drawn: what stands on the screen then. keys_at: two that change what is there.
    """

    name: str
    command: list[str]
    writer: str = ""
    python: str = sys.executable
    keys: bytes = b""
    drawn: str = ""
    keys_at: tuple[bytes, bytes] = (DOWN, UP)


@dataclass(slots=True)
class Figures:
    """What was seen of a tool: seconds, bytes, bytes a second, CPU seconds a second."""

    paint: float = 0.0
    curve: float | None = None
    compared: float | None = None
    resident: int = 0
    idle: float = 0.0
    live: float | None = None
    processor: float | None = None
    keys: list[float] = field(default_factory=list)


class Tool(PseudoTerminal):
    """A tool in a pseudo-terminal."""

    def __init__(self, viewer: Viewer, folder: Path) -> None:
        self._came = b""
        home = {"HOME": str(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        super().__init__(viewer.command, folder, **home)

    def press(self, key: bytes) -> None:
        """Send a key; what came before it is not looked at any more."""
        self._came = b""
        super().press(key)

    def read(self, seconds: float) -> bytes:
        """What comes within so many seconds, or the first of it."""
        came = super().read(seconds)
        self._came += came
        return came

    def shown(self, shows: Callable[[str], bool]) -> float:
        """Seconds since the start until what has been written since the last key, without its escapes, is such."""
        self.until(lambda _: shows(ESCAPES.sub(b"", self._came).decode(errors="replace")))
        return time.monotonic() - self.begun

    def settle(self) -> None:
        """Wait until nothing has come for two seconds."""
        until = time.monotonic() + 30
        while time.monotonic() < until and self.written(2.0):
            pass

    def answer(self, key: bytes) -> float:
        """Seconds from a key to the first byte it causes, on a screen that is at rest."""
        self.press(key)
        begun = time.monotonic()
        return time.monotonic() - begun if self.read(2.0) else float("nan")

    def processes(self) -> list[psutil.Process]:
        """The tool and what it started."""
        tool = psutil.Process(self.pid)
        return [tool, *tool.children(recursive=True)]

    def used(self) -> float:
        """CPU seconds of all its processes."""
        return sum(sum(each.cpu_times()[:2]) for each in self.processes())

    def close(self) -> None:
        """End it, and what it started."""
        for each in self.processes()[1:]:
            each.kill()
        super().close()


@contextmanager
def written(
    viewer: Viewer, folder: Path, runs: int, steps: int
) -> Iterator[subprocess.Popen[str] | None]:
    """The process that has written a tool's runs; a line with runs and rate makes it go on. None for a tool without runs."""
    if not viewer.writer:
        yield None
        return
    code = VALUES + viewer.writer + WRITE
    writer = subprocess.Popen(
        [viewer.python, "-c", code, str(runs), str(steps)],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    while "written" not in (line := writer.stdout.readline()):
        if not line:
            raise SystemExit(f"{viewer.name}: its runs could not be written")
    try:
        yield writer
    finally:
        writer.kill()
        writer.communicate()


def goes_on(writer: subprocess.Popen[str], runs: int, rate: float) -> None:
    """Let so many runs go on at so many steps a second each."""
    assert writer.stdin is not None
    writer.stdin.write(f"{runs} {rate}\n")
    writer.stdin.flush()


def kept(viewer: Viewer, runs: int, steps: int, data: Path) -> Path:
    """The folder below `data` with a tool's runs, which are written if they are not there."""
    folder = data / f"{viewer.name.replace(' ', '-')}-{runs}x{steps}"
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        unfinished.mkdir(parents=True)
        with written(viewer, unfinished, runs, steps):
            unfinished.rename(folder)
    return folder


def seen(viewer: Viewer, runs: int, steps: int) -> Figures:
    """What a tool takes for these runs."""
    with tempfile.TemporaryDirectory() as folder, written(viewer, Path(folder), runs, steps) as writer:  # fmt: skip
        figures = at_rest(viewer, Path(folder))
        if writer is not None:
            goes_on(writer, min(LIVE, runs), RATE)
            figures.live = watched(viewer, Path(folder))[0]
    with tempfile.TemporaryDirectory() as folder, written(viewer, Path(folder), max(runs, 5 * LIVE), 200) as writer:  # fmt: skip
        if writer is not None:
            goes_on(writer, 5 * LIVE, RATE / 4)
            figures.processor = watched(viewer, Path(folder))[1]
    return figures


def at_rest(viewer: Viewer, folder: Path) -> Figures:
    """First paint, first curve, memory, idle bytes and keys, with runs that do not go on."""
    figures = Figures()
    tool = Tool(viewer, folder)
    try:
        figures.paint = tool.shown(lambda text: "run-" in text)
        if viewer.writer:
            figures.curve = tool.shown(lambda text: len(CURVE.findall(text)) >= ENOUGH)
        if viewer.keys:
            tool.press(viewer.keys)
            figures.compared = tool.shown(
                lambda text: viewer.drawn in text and len(CURVE.findall(text)) >= ENOUGH
            )
        tool.settle()
        figures.resident = sum(each.memory_full_info().pss for each in tool.processes())
        figures.idle = tool.written(SECONDS) / SECONDS
        for number in range(KEYS):
            figures.keys.append(tool.answer(viewer.keys_at[number % 2]))
            tool.written(0.3)
    finally:
        tool.close()
    return figures


def watched(viewer: Viewer, folder: Path) -> tuple[float, float]:
    """Bytes and CPU seconds a second while runs go on."""
    tool = Tool(viewer, folder)
    try:
        tool.shown(lambda text: "run-" in text)
        tool.press(viewer.keys)
        tool.written(5.0)
        used = tool.used()
        count = tool.written(SECONDS)
        return count / SECONDS, (tool.used() - used) / SECONDS
    finally:
        tool.close()


def viewers(peers: Path | None, runs: int) -> Iterator[Viewer]:
    """The tools that are there."""
    bare = BARE.replace("{runs}", str(runs))
    yield Viewer(name="bare Textual", command=[sys.executable, "-c", bare])
    ours = [sys.executable, "-m", "revconsole"]
    yield Viewer(
        name="revconsole",
        command=ours,
        writer=OURS,
        keys=b"   c",
        drawn="comparison of",
        keys_at=(RIGHT, LEFT),
    )
    if peers is None:
        return
    python = str(peers / "python")
    for name, words, writer in (
        ("W&B LEET", ["wandb", "leet", "wandb"], WANDB),
        ("terminalboard", ["terminalboard", "tb"], TFEVENTS),
        ("ltui", ["ltui", "csv"], CSV),
    ):
        if (peers / words[0]).exists():
            command = [str(peers / words[0]), *words[1:]]
            yield Viewer(name=name, command=command, writer=writer, python=python)


def row(name: str, figures: Figures) -> str:
    """A line of the table."""
    keys = sorted(each for each in figures.keys if not math.isnan(each))
    cells = [
        name, f"{figures.paint:.2f} s", _seconds(figures.curve), _seconds(figures.compared),
        f"{figures.resident / 2**20:.0f} MiB", f"{figures.idle / 1000:.1f} kB/s",
        "" if figures.live is None else f"{figures.live / 1000:.1f} kB/s",
        "" if figures.processor is None else f"{figures.processor:.0%}",
        f"{1000 * median(keys):.0f} / {1000 * keys[-1]:.0f} ms" if keys else "none seen",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _seconds(took: float | None) -> str:
    return "" if took is None else f"{took:.2f} s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=3)
    parser.add_argument("steps", type=int, nargs="?", default=5000)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--data", type=Path, help="folder in which written runs are kept")
    parser.add_argument(
        "--only", nargs="+", help="first letters of the names of the tools to look at"
    )
    asked = parser.parse_args()
    print(f"{asked.runs} runs of {asked.steps} steps, load {os.getloadavg()[0]:.1f}\n")
    print("| tool | first paint | first curve | three compared | memory (PSS) | idle | 4 live runs | CPU, 20 live runs | key: median / worst |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for viewer in viewers(asked.peers, asked.runs):
        if asked.only and not viewer.name.startswith(tuple(asked.only)):
            continue
        figures = (
            at_rest(viewer, kept(viewer, asked.runs, asked.steps, asked.data.resolve()))
            if asked.data
            else seen(viewer, asked.runs, asked.steps)
        )
        print(row(viewer.name, figures), flush=True)


if __name__ == "__main__":
    main()
