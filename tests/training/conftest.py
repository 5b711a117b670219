"""A run small enough to repeat: digits, 4 steps an epoch, a few milliseconds a step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from revconsole import arithmetic
from revconsole.records.logs.events import Event, Finished, Measured
from revconsole.records.runs.control import Control
from revconsole.records.sections import KINDS
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.learning.preparing import prepare
from revconsole.training.setup.build import without_memory
from revconsole.training.together.alone import ALONE, Together
from revconsole.training.trainer import train

MERGED = {"data", "train", "model"}


@dataclass
class Log:
    """The events of one attempt."""

    events: list[Event] = field(default_factory=list)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def losses(self) -> dict[int, float]:
        return {e.step: e.values["loss"] for e in self.of(Measured) if "loss" in e.values}

    @property
    def ending(self) -> Finished:
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last


@dataclass
class Runner:
    """Trains plans, each name in a run folder of its own."""

    folder: Path

    def __call__(
        self,
        plan: Plan,
        name: str = "run",
        watch: Callable[[Event], None] = lambda _: None,
        together: Together = ALONE,
    ) -> Log:
        """One attempt; `watch` sees every event, and ends the attempt abruptly by raising."""
        log = Log()

        def emit(event: Event) -> None:
            log.events.append(event)
            watch(event)

        place = self.place(name)
        where = {"checkpoints": self.checkpoints(name), "data": self.folder}
        train(plan, emit, Control(place), **where, together=together)
        return log

    def place(self, name: str = "run") -> Path:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return place

    def checkpoints(self, name: str = "run") -> CheckpointStore:
        return CheckpointStore(self.place(name))


@pytest.fixture
def unjudged(monkeypatch):
    """As if the blocks were far steeper than the rule of `arithmetic` knows, which refuses what is noisy here."""
    monkeypatch.setattr(arithmetic, "MARGIN", 1e-9)


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def small_plan(**changes: Any) -> Plan:
    """The small plan, with sections merged key by key and everything else replaced.

    Without the audit and the probes, which take longer than its steps: whoever tests them turns them on.
    """
    table: dict[str, Any] = {
        "name": "small",
        "model": {
            "architecture": "vit", "patch": 4, "dim": 16, "depth": 3, "heads": 2, "mlp_ratio": 1.0
        },
        "scheme": {"name": "residual"},
        "backward": "stored",
        "data": {"dataset": "digits", "train_limit": 128, "validation": 0.125},
        "train": {
            "epochs": 2, "batch": 32, "device": "cpu", "threads": 1, "audit": False, "probe_epochs": 0
        },
        "optimizer": {"name": "adamw", "learning_rate": 0.003},
        "schedule": {"name": "cosine"},
    }  # fmt: skip
    for key, value in changes.items():
        table[key] = table[key] | value if key in MERGED else value
    return Plan.model_validate(table)


@pytest.fixture
def small():
    """The function `small_plan`."""
    return small_plan


@pytest.fixture
def realise(small, tmp_path):
    """A function: the small plan as a setting."""
    return lambda **changes: prepare(small(**changes), data=tmp_path)


ON_A_GRID = {"bdia", "midpoint_a", "coefficients"}
TYPICAL = ("residual", "additive", "bdia", "coefficients")
"""What can be in the way of a trainer: nothing, two streams and a wider head, drawn signs and side bits, weights that move."""


def count_parameters(plan: Plan) -> int:
    """The weights of the planned model, trained or not."""
    return sum(weight.numel() for weight in without_memory(plan).parameters())


def meant(name: str) -> dict[str, Any]:
    """A scheme with the backward it is meant for."""
    scheme = {"name": name} | ({"grid_bits": 9} if name in ON_A_GRID else {})
    return {"scheme": scheme, "backward": "stored" if name == "residual" else "reversible"}


@pytest.fixture(params=list(KINDS["scheme"][1]))
def wiring(request):
    """Each scheme with the backward it is meant for."""
    return meant(request.param)


@pytest.fixture(params=TYPICAL)
def typical_wiring(request):
    """One scheme of each kind, for what the trainer does in the same way for all."""
    return meant(request.param)
