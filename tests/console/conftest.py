"""Fixtures of the console's tests: recorded runs, profiles, and the real app on a stage."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from textual import app as textual_app
from textual import events
from textual import pilot as textual_pilot
from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.geometry import Size
from textual.pilot import Pilot
from textual.strip import Strip

from revconsole.console.app import Console
from revconsole.lab.lab import Lab
from revconsole.records.logs.events import (
    Advised,
    EpochFinished,
    Finished,
    Logged,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.runs.attempt import Attempt
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan

PATIENCE_SECONDS = 120.0
"""Generous: a busy machine may take long, a right answer never depends on it."""
SETTLING_SECONDS = 1.0
"""Longest wait for what a key does, as Textual's own: some tests hold it up."""
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.01, 0.05
STEPS_PER_EPOCH = 10
NAMES = {
    "+": "plus",
    "-": "minus",
    "=": "equals_sign",
    ".": "full_stop",
    "_": "underscore",
    "/": "slash",
}
CHARACTERS = {"slash": "/", "question_mark": "?", "enter": "\r", "space": " "}
METRICS = [
    ("loss", "nats", "step", "down"),
    ("images_per_second", "images/s", "step", "up"),
    ("resident_bytes", "bytes", "step", "down"),
    ("train_accuracy", "fraction", "epoch", "up"),
    ("validation_accuracy", "fraction", "epoch", "up"),
    ("validation_loss", "nats", "epoch", "down"),
]
SMALL = """
title = "small vision transformer on digits"
[model]
patch = 2
dim = 16
depth = 2
heads = 2
[data]
dataset = "digits"
train_limit = 64
[train]
epochs = 2
batch = 32
threads = 1
audit = false
probe_epochs = 0
"""
FOUR = (
    SMALL
    + """
[vary]
scheme = [{ name = "residual" }, { name = "additive" }, { name = "momentum" }, { name = "bdia" }]
"""
)


class Recorder:
    """Writes runs as a trainer would: real events through a real store."""

    def __init__(self, store: RunStore) -> None:
        self.store = store

    def plan(
        self, name: str = "small", *, scheme: str = "residual", epochs: int = 4, seed: int = 0
    ) -> Plan:
        backward = "stored" if scheme == "residual" else "reversible"
        return Plan.model_validate({
            "name": name, "backward": backward, "scheme": {"name": scheme},
            "train": {"epochs": epochs}, "seed": seed,
        })  # fmt: skip

    def begin(self, name: str = "small", **plan: object) -> tuple[str, Attempt]:
        """A run that this process writes: it is `running` until it is finished."""
        asked = self.plan(name, **plan)
        run_id = self.store.create(asked, {})
        attempt = self.store.claim(run_id, 1)
        attempt.emit(
            Started(
                facts={
                    "steps": STEPS_PER_EPOCH * asked.train.epochs,
                    "steps_per_epoch": STEPS_PER_EPOCH,
                    "parameters": 105_610,
                    "device": "cpu",
                    "fingerprint": "7d3f0c1a99be4412",
                }
            )
        )
        for metric, unit, per, direction in METRICS:
            attempt.emit(
                MetricDeclared(name=metric, unit=unit, per=per, direction=direction, meaning="")
            )
        return run_id, attempt

    def probed(
        self, attempt: Attempt, number: int, *, reconstruction: float, gradient: float
    ) -> None:
        """What a probe of the reversible backward reports after an epoch."""
        values = {
            "reconstruction_error": reconstruction,
            "reconstruction_worst_block": 0.0,
            "gradient_error": gradient,
            "probe_seconds": 0.25,
        }
        step = number * STEPS_PER_EPOCH
        attempt.emit(Measured(step=step, epoch=number, values=values))

    def epoch(self, attempt: Attempt, number: int, *, nan: bool = False) -> None:
        """An epoch of steps, then its end."""
        for n in range(STEPS_PER_EPOCH):
            step = (number - 1) * STEPS_PER_EPOCH + n + 1
            loss = math.nan if nan and n == 5 else 2.3 * math.exp(-step / 25)
            values = {"loss": loss, "images_per_second": 1234.0, "resident_bytes": 4e8 + 1e6 * step}
            attempt.emit(Measured(step=step, epoch=number, values=values))
        right = 1 - 0.7 * math.exp(-number / 2)
        attempt.emit(
            EpochFinished(
                epoch=number,
                step=number * STEPS_PER_EPOCH,
                values={
                    "validation_accuracy": right,
                    "train_accuracy": right,
                    "validation_loss": math.exp(-number),
                    "kept_for_backward_bytes": 12.5 * 2**20,
                },
            )
        )

    def finished(
        self, name: str = "small", *, test: float = 0.9716, nan: bool = False, **plan: object
    ) -> str:
        """A whole run."""
        run_id, attempt = self.begin(name, **plan)
        attempt.emit(Logged(text="training on 1,437 images"))
        epochs = self.store.plan(run_id).train.epochs
        for number in range(1, epochs + 1):
            self.epoch(attempt, number, nan=nan)
        attempt.emit(Advised(level="warning", text="validation accuracy fell"))
        values = {"test_accuracy": test, "test_loss": 0.1}
        attempt.emit(Finished(outcome="completed", step=epochs * STEPS_PER_EPOCH, values=values))
        attempt.close()
        return run_id


async def settled(app: Console) -> None:
    """Let the app do what was asked of it: every key, and what is read, checked and laid out for it."""
    keys, end = app.keyboard, asyncio.get_running_loop().time() + SETTLING_SECONDS
    await keys._until(lambda: keys.idle and keys._all_done(), end)


class Stage:
    """The running app, its keys and its screen as text."""

    def __init__(self, app: Console, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        """What is on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    def line(self, part: str) -> str:
        """The line of the screen that has `part` in it."""
        return next(line for line in self.text.splitlines() if part in line)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def press_at_once(self, *keys: str) -> None:
        """Keys that arrive together, as over a slow line or from the clipboard of a terminal."""
        for key in keys:
            character = CHARACTERS.get(key, key if len(key) == 1 else None)
            self.app.post_message(events.Key(NAMES.get(key, key), character))
        await self.pilot.pause()

    async def until(self, happened: Callable[[], object]) -> None:
        """Let the app work until something is the case; the longer that lasts, the more seldom it is asked."""
        end, pause = time.monotonic() + PATIENCE_SECONDS, SHORTEST_PAUSE_SECONDS
        while not happened():
            assert time.monotonic() < end, f"it did not happen; the screen says\n{self.text}"
            await asyncio.sleep(pause)
            pause = min(1.1 * pause, LONGEST_PAUSE_SECONDS)

    async def shows(self, *texts: str) -> str:
        """Wait until all of these are on the screen."""
        await self.until(lambda: _all_in(texts, self.text))
        return self.text

    async def hides(self, text: str) -> None:
        """Wait until this is not on the screen."""
        await self.until(lambda: text not in self.text)


def _all_in(texts: Sequence[str], shown: str) -> bool:
    return all(text in shown for text in texts)


Opener = Callable[..., AbstractAsyncContextManager[Stage]]

Parsed = LRUCache[tuple[Any, ...], list[RuleSet]]
RULES: defaultdict[frozenset[tuple[str, str]], Parsed] = defaultdict(lambda: LRUCache(512))
"""Rules of style sheets as Textual parsed them, by the variables of the theme and then by what its own cache asks for."""


@pytest.fixture(autouse=True)
def _rules_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every app takes the rules that an app before it parsed from the same text: they would be parsed anew for each."""
    begin, change = Stylesheet.__init__, Stylesheet.set_variables

    def begun(sheet: Stylesheet, *, variables: dict[str, str] | None = None) -> None:
        begin(sheet, variables=variables)
        sheet._parse_cache = RULES[frozenset((variables or {}).items())]

    def changed(sheet: Stylesheet, variables: dict[str, str]) -> None:
        sheet._parse_cache = LRUCache(1)  # which is cleared
        change(sheet, variables)
        sheet._parse_cache = RULES[frozenset(variables.items())]

    monkeypatch.setattr(Stylesheet, "__init__", begun)
    monkeypatch.setattr(Stylesheet, "set_variables", changed)


@pytest.fixture
def every_frame() -> None:
    """For a test that goes over screens without a look at them: every frame is painted all the same."""


def _paint_when_looked_at(app: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal shows what an app paints here, a quarter of its time: only what a test looks at is painted."""
    paint, strips = Compositor.render_update, Compositor.render_strips

    def unseen(compositor: Compositor, **options: Any) -> RenderableType | None:
        if not options.get("full"):  # which is a picture of the screen
            compositor._dirty_regions.clear()
        return paint(compositor, **options)

    def seen(compositor: Compositor, size: Size | None = None) -> list[Strip]:
        visible_screen_stack.set(app._background_screens)
        return strips(compositor, size)

    monkeypatch.setattr(Compositor, "render_update", unseen)
    monkeypatch.setattr(Compositor, "render_strips", seen)


@pytest.fixture
def lab(store: RunStore) -> Lab:
    profiles = Path("profiles")
    profiles.mkdir()
    (profiles / "small.toml").write_text(SMALL)
    (profiles / "four.toml").write_text(FOUR)
    return Lab(store.root)


@pytest.fixture
def recorder(store: RunStore) -> Recorder:
    return Recorder(store)


@pytest.fixture
def opened(lab: Lab, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Open the console: `async with opened(80, 24) as stage`."""
    usual = lab

    @asynccontextmanager
    async def _open(
        width: int = 80,
        height: int = 24,
        runs: Sequence[str] = (),
        *,
        lab: Lab = usual,
        toasts: bool = True,
        demo: bool = False,
    ) -> AsyncIterator[Stage]:
        app = Console(lab, runs, demo=demo)
        for module in (textual_app, textual_pilot):  # which would wait until the processor rests
            monkeypatch.setattr(module, "wait_for_idle", lambda *_: settled(app))
        with monkeypatch.context() as of_this_app:
            if "every_frame" not in request.fixturenames:
                _paint_when_looked_at(app, of_this_app)
            async with app.run_test(size=(width, height), notifications=toasts) as pilot:
                yield Stage(app, pilot)

    return _open
