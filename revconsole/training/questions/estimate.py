"""Estimate: `python -m revconsole.training.questions.estimate` reads plans as lines of JSON and answers each with a
line.

pace: what a few of its steps tell (see `pace` and `records.foresight.measured`)
device_name: where they were measured
step_bytes: memory of a training step, as foreseen (see `memory.needed`); null if unknown
error, unavailable: why it cannot be measured, and whether for lack of data
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import torch

from revconsole.data import unused
from revconsole.errors import DataUnavailable, RevconsoleError, RunFailed
from revconsole.records.datasets.facts import data_folder
from revconsole.records.printable import size
from revconsole.records.settings.plan import Plan
from revconsole.training.learning.preparing import learning_of, prepare
from revconsole.training.machine import devices, precision
from revconsole.training.memory.budget import choose_blocks
from revconsole.training.questions import pace
from revconsole.training.setup.training_state import TrainingState

SPARE = 2
"""Multiple of a step's memory that must be free on a GPU before an estimate trains there."""


def estimate(plan: Plan, *, data: Path) -> dict[str, Any]:
    """Seconds and bytes of a run of the plan. Raises as `prepare` does."""
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        state = prepare(plan, data=data)
        needed = _step_bytes(state)
        if state.device.type == "cuda":
            _refuse_crowded(str(state.device), needed, unused(state.device))
        return {
            "pace": asdict(pace.measured(state)),
            "step_bytes": needed,
            "device_name": devices.device_name(state.device),
        }


def _refuse_crowded(device: str, needed: int | None, free: int) -> None:
    """Raise RunFailed if an estimate might take memory that a run on the same GPU needs."""
    if needed is None or free < SPARE * needed:
        need = "nobody knows how much" if needed is None else size(needed)
        raise RunFailed(
            f"not measured: a step needs {need}, and {device} has {size(free)} free; twice as much is wanted, as a run "
            "may be training there"
        )


def _step_bytes(state: TrainingState) -> int | None:
    images, labels = next(state.training_batches(1))
    choose_blocks(state, images, labels)
    return learning_of(state.plan).step_bytes(state)


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Answer questions until the input ends."""
    for line in questions:
        answers.write(json.dumps(_answer(line)) + "\n")
        answers.flush()


def _answer(line: str) -> dict[str, Any]:
    try:
        return estimate(Plan.model_validate_json(line), data=data_folder())
    except RevconsoleError as error:
        return {"error": str(error), "unavailable": isinstance(error, DataUnavailable)}
    except (MemoryError, torch.OutOfMemoryError):
        return {"error": "it needs more memory than there is", "unavailable": False}
    except Exception as error:  # noqa: BLE001  the other process reports it
        return {"error": f"{type(error).__name__}: {error}", "unavailable": False}


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not mix with the answers
    serve(sys.stdin, own)
