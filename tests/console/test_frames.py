"""Every screen at two sizes, beside what it was when somebody last looked at it: `make frames` stores them anew.

All on recorded runs, with a fixed clock, a fixed machine, and what was foreseen made up.
"""

import difflib
import runpy
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from revconsole.console.app import Console
from revconsole.console.screens.comparison import ComparisonScreen
from revconsole.console.screens.run import RunScreen
from revconsole.console.screens.study import StudyScreen
from revconsole.lab.lab import Lab
from revconsole.lab.recorded import restore
from revconsole.lab.torch_api import training
from revconsole.records.findings.mistakes import Mistakes
from revconsole.records.findings.samples import Picture, Samples
from revconsole.records.foresight import cache
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment
from revconsole.records.host import Host, HostReader
from revconsole.records.nvml import Gpu
from revconsole.records.settings import search_path
from tests.console import scenes
from tests.console.framed import framed, said

ROOT = Path(__file__).parents[2]
STORED = Path(__file__).with_name("frames")
PICTURES = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
SIZES = ((160, 45), (80, 24))
PATIENCE_SECONDS = 120.0
LATE_SECONDS = 60.0
"""How long all frames together may differ from the stored ones, where the machine lets a part of a screen come late."""
GIB, MIB = 2**30, 2**20
COMPARED = ("demo-residual", "demo-additive", "demo-momentum", "demo-bdia")
HOST = Host(
    host="workstation", cores=8, use=0.42, load=3.5, memory_free=20 * GIB, memory_total=64 * GIB, swap_used=0,
    disk_free=300 * GIB, disk_total=1000 * GIB, driver=True,
    gpus=(Gpu(number=0, id="cuda:0", name="RTX 4090", use=0.87, used=18 * GIB, free=6 * GIB, total=24 * GIB, temperature=71,
              hottest=83, power=310, power_limit=450),),
)  # fmt: skip
"""A machine with a card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A screen: the keys that lead there from the one before, what it says once it is there, the keys that lead away."""

    name: str
    says: tuple[str, ...]
    keys: tuple[str, ...] = ()
    back: tuple[str, ...] = ("escape",)
    opens: Callable[[Console, dict[str, str]], Any] | None = None


WALK = (
    Shown(name="runs", says=("finished", "demo", "✗"), back=()),
    Shown(name="groups", keys=("g",), says=("seeds grouped", "3/3"), back=("g",)),
    Shown(name="filter", keys=("slash", *"scheme:bdia"), says=("filter 'scheme:bdia'",)),
    Shown(name="order", keys=("o",), says=("Sort by",)),
    Shown(name="columns", keys=("C",), says=("Columns",)),
    Shown(name="notes", keys=("e",), says=("tags",)),
    Shown(name="deletion", keys=("D",), says=("Delete",)),
    Shown(name="help", keys=("question_mark",), says=("/ searches",)),
    Shown(name="places", keys=("semicolon",), says=("finished",)),
    Shown(name="system", keys=("S",), says=("workstation", "RTX 4090")),
    Shown(name="launch", keys=("n",), says=("launches", "1,234,567 parameters")),
    Shown(name="studies", keys=("t",), says=("2 studies", "12/12", "4/4")),
    Shown(name="study", opens=lambda app, _: StudyScreen(app.reader, str(ROOT / "profiles" / "bdia-dropout.toml")),
          says=("seed 2", "12 of 12")),
    Shown(name="run", opens=lambda app, ids: RunScreen(app.reader, ids["demo-bdia"]), says=("train", "completed"), back=()),
    Shown(name="cursor", keys=("left", "left"), says=("step 5",)),
    Shown(name="metrics", keys=("m",), says=("Metric",)),
    Shown(name="samples", keys=("v",), says=("as stored", "482edad39ce3")),
    Shown(name="mistakes", keys=("w",), says=("97.2 % right", "8→3")),
    Shown(name="reversibility", keys=("R",), says=("exact", "by block")),
    Shown(name="whole-chart", keys=("f",), says=("loss (nats)",), back=("escape", "escape")),
    Shown(name="out-of-memory", opens=lambda app, ids: RunScreen(app.reader, ids["out of memory"]), says=("memory ran out",)),
    Shown(name="diverged", opens=lambda app, ids: RunScreen(app.reader, ids["failed"]), says=("became nan", "not finite")),
    Shown(name="comparison", opens=lambda app, ids: ComparisonScreen(app.reader, [ids[name] for name in COMPARED]),
          says=("gain", "one seed"), back=()),
    Shown(name="trade-offs", keys=("t",), says=("front",), back=("t",)),
    Shown(name="export", keys=("w",), says=("write to a new file",), back=("escape", "escape")),
    Shown(name="seeds", opens=lambda app, ids: ComparisonScreen(app.reader, [i for n, i in ids.items() if n.startswith("bdia-")]),
          says=("over seeds",)),
    Shown(name="ranks", opens=scenes.on_ranks, says=("rank 1: UserWarning",), keys=("L", "L", "L", "L")),
    Shown(name="slurm", opens=scenes.in_a_job, says=("Slurm job 71 waits: Priority",)),
    Shown(name="search", opens=lambda app, _: scenes.searched(app, ROOT / "profiles" / "studies" / "search-digits.toml"),
          says=("3 of 30 trials", "pruned")),
    Shown(name="live", opens=scenes.training, says=("running", "epoch 14", "s Stop")),
)  # fmt: skip


def made_up() -> Foreseen:
    """What a process would foresee of the run under the cursor."""
    parts = MemoryParts(parameters=10 * MIB)
    steps = {}
    for backward, per_image in (("stored", 2), ("checkpointed", 1), ("reversible", 0.5)):
        moment = Moment(operator="mm", fixed=parts, per_image=MemoryParts(kept=per_image * MIB))
        steps[backward] = StepMemory(once=(moment,), accumulated=(moment,))
    counts = {"parameters": 1_234_567, "multiply_adds_per_image": 2_000_000}
    return Foreseen(counts=counts, foresight=Foresight(device="cpu", steps=steps, left_out={}))


def mistakes(*_: object, side: int, **__: object) -> Mistakes:
    """Ten of 360 pictures, which are called a 3 and are an 8."""
    rows = tuple(tuple((0, 8 * y % 256, 8 * x % 256) for x in range(side)) for y in range(side))
    pictures = tuple(Picture(rows=rows, caption=f"8→3 {90 - n} %") for n in range(10))
    return Mistakes(images=360, wrong=10, step=525, pictures=pictures)


def samples(*_: object, side: int, **__: object) -> Samples:
    """Pictures that are brighter to the right."""
    rows = tuple(tuple((8 * x % 256,) * 3 for x in range(side)) for _ in range(side))
    pictures = tuple(Picture(rows=rows, caption=str(n)) for n in range(10))
    parts = {"training": {"0": 129, "1": 130}, "test": {"0": 36, "1": 35}}
    return Samples(
        dataset="digits", shape=(1, 8, 8), before=pictures, after=pictures, counts=parts, mean=(0.3,), std=(0.4,),
        fingerprint="482edad39ce3f6ca", read="digits: 1,797 images",
    )  # fmt: skip


@pytest.fixture
def fixed(tmp_path, monkeypatch) -> Iterator[Lab]:
    """The recorded runs; the clock, the machine, the data and what is foreseen do not change."""
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foreseen")
    monkeypatch.setattr(HostReader, "read", lambda _: HOST)
    monkeypatch.setattr(training, "samples", samples, raising=False)
    monkeypatch.setattr(training, "mistakes", mistakes, raising=False)
    monkeypatch.setattr(search_path, "shipped", lambda: Path("shipped"))
    (tmp_path / "shipped").mkdir()
    for name in ("demo", "bdia-dropout"):
        shutil.copy(ROOT / "profiles" / f"{name}.toml", tmp_path / "shipped")
    restore(tmp_path / "runs")
    with chdir(tmp_path), PICTURES["anywhere"]():
        lab = Lab(Path("runs"))
        made_up().keep(lab.store.list()[0].plan, "cpu")
        yield lab


async def walked(lab: Lab, stored: dict[str, str]) -> dict[str, str]:
    """Every screen at every size as text, by name. stored: the frames to wait for, for a while."""
    frames: dict[str, str] = {}
    left = LATE_SECONDS
    listed = lab.store.list()
    ids = {run.name: run.id for run in reversed(listed)} | {run.state: run.id for run in listed}
    app = Console(lab)
    async with app.run_test(size=SIZES[0]) as pilot:
        for each in WALK:
            if each.opens is not None:
                app.push_screen(each.opens(app, ids))
            await pilot.press(*each.keys)
            now = app.size  # of the screen before: half of the resizings are saved
            for width, height in sorted(SIZES, key=lambda size, now=now: size != now):
                if app.size != (width, height):
                    await pilot.resize_terminal(width, height)
                await settled(app, pilot, each.says)
                name = f"{each.name}-{width}x{height}"
                while (frame := framed(app)) != stored.get(name, frame) and left > 0:
                    await pilot.pause(0.1)
                    left -= 0.1
                frames[name] = frame
            await pilot.press(*each.back)
    return frames


async def settled(app: Console, pilot: Any, says: tuple[str, ...]) -> None:
    """Wait until the screen says what it should, and is the same for some frames."""
    before, same, end = "", 0, time.monotonic() + PATIENCE_SECONDS
    while same < 2:
        await pilot.pause(0.05)
        now = said(app)
        there = app._settled() and all(words in now for words in says)
        same = same + 1 if there and now == before else 0
        before = now
        assert time.monotonic() < end, f"the screen does not show {says}:\n{now}"


def differences(old: str, new: str, name: str) -> str:
    """What changed in a frame, with the whole of it."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "stored", "now", lineterm="", n=1
    )
    return f"{name}\n" + "\n".join(lines)


async def test_every_screen_is_as_it_was_when_somebody_last_looked(fixed, request):
    renew = request.config.getoption("renew_frames")
    stored = {path.stem: path.read_text(encoding="utf-8") for path in STORED.glob("*.txt")}
    frames = await walked(fixed, {} if renew else stored)
    if renew:
        STORED.mkdir(exist_ok=True)
        for old in STORED.glob("*.txt"):
            old.unlink()
        for name, text in frames.items():
            (STORED / f"{name}.txt").write_text(text, encoding="utf-8")
        stored = frames
    changed = [
        differences(stored.get(n, ""), text, n)
        for n, text in frames.items()
        if stored.get(n) != text
    ]
    assert not changed, "`make frames` stores them anew, once they are right:\n\n" + "\n\n".join(
        changed
    )
    assert stored.keys() == frames.keys()
