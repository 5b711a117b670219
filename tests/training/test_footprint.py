"""Peak memory is of the training it names, whatever else its process holds or has held."""

import json
import subprocess
import sys

import pytest
import torch

from revconsole.training.step.footprint import Footprint, held

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets the peak begin anew"
)

SAME = 0.25
"""Pages of libraries that are first touched by a first run, and the allocator's coming and going."""
MIB = 2**20


RUNS = """
import json, sys
from pathlib import Path
import torch
from revconsole.records.logs.events import Measured
from revconsole.records.runs.control import Control
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.trainer import train

def run(plan, folder):
    events = []
    folder.mkdir()
    train(plan, events.append, Control(folder), checkpoints=CheckpointStore(folder), data=folder)
    return [e.values for e in events if isinstance(e, Measured) and "training_peak_bytes" in e.values]

stored, reversed_ = map(Plan.model_validate_json, sys.stdin)
found = [run(stored, Path("0")), run(reversed_, Path("1"))]
held_beside = torch.ones(100 * 2**20)  # as another run's images, or a console, would be
found.append(run(stored, Path("2")))
print(json.dumps(found))
"""
"""Two runs, and the first once more beside 400 MiB of something else; in a process that nothing else has run in."""


@pytest.fixture
def three_runs(small):
    """Of each what it measured, report by report."""
    model, train = {"patch": 1, "dim": 64, "depth": 12}, {"epochs": 1, "batch": 64}
    plans = [
        small(model=model, data={"train_limit": 72, "test_limit": 20}, train=train, **wiring)
        for wiring in ({}, {"scheme": {"name": "additive"}, "backward": "reversible"})
    ]
    lines = "".join(f"{plan.model_dump_json()}\n" for plan in plans)
    command = [sys.executable, "-X", "preloaded", "-c", RUNS]
    said = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    return json.loads(said.splitlines()[-1])


def test_equal_runs_of_one_process_agree_and_a_reversible_one_between_them_needs_less(three_runs):
    for reports in three_runs:
        peaks = [each["resident_peak_bytes"] for each in reports]
        assert peaks == sorted(peaks)
        assert all(each["resident_peak_bytes"] >= each["resident_bytes"] for each in reports)
    first, reversed_, again = (each[-1]["training_peak_bytes"] for each in three_runs)
    kept, kept_reversed, *_ = (each[0]["kept_for_backward_bytes"] for each in three_runs)
    grew, grew_reversed, *_ = (
        each[-1]["resident_peak_bytes"] - each[0]["resident_bytes"] for each in three_runs
    )

    assert again == pytest.approx(first, rel=SAME)
    assert first > (1 - SAME) * kept
    assert kept > 100 * MIB
    assert reversed_ < 0.85 * first
    # the peak is of the middle of a step, where activations are held: between steps all backwards need the same
    assert kept > 5 * kept_reversed
    assert grew > (1 - SAME) * kept
    assert grew_reversed < 0.75 * grew  # the allocator holds back some of what is freed


def test_weights_and_the_state_of_the_optimiser_are_in_it_wherever_they_were_before(realise):
    setting = realise(model={"dim": 256, "depth": 6})
    weights = sum(p.nbytes for p in setting.model.parameters())
    assert held(setting) == pytest.approx(weights, rel=0.01)
    assert Footprint(setting).now()["training_peak_bytes"] == pytest.approx(weights, abs=8 * MIB)

    for parameter in setting.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    setting.optimizer.step()
    setting.optimizer.zero_grad()

    assert held(setting) == pytest.approx(3 * weights, rel=0.01)


def test_what_a_probe_held_is_not_in_it_and_what_a_step_held_before_it_is(realise):
    footprint = Footprint(realise())
    torch.ones(64 * MIB // 4)
    step = footprint.now()["training_peak_bytes"]
    with footprint.aside():
        torch.ones(256 * MIB // 4)
    after = footprint.now()["training_peak_bytes"]

    assert step == pytest.approx(64 * MIB, abs=8 * MIB)
    assert after == pytest.approx(step, abs=8 * MIB)
    assert after >= step
