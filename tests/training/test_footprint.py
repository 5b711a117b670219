"""Peak memory is of the training it names, whatever else its process holds or has held."""

import sys

import pytest
import torch

from revconsole.records.logs.events import Measured
from revconsole.training.step.footprint import Footprint, held

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets the peak begin anew"
)

SAME = 0.15
"""Pages of libraries that are first touched by a first run, and the allocator's coming and going."""
MIB = 2**20


@pytest.fixture
def peak(runner, small):
    """A function: the last word of a run of these settings on its peak, and what its forward pass keeps."""

    def found(name, **wiring):
        plan = small(
            model={"patch": 1, "dim": 128, "depth": 12}, data={"train_limit": 72, "test_limit": 20},
            train={"epochs": 1, "batch": 64, "probe_epochs": 0}, **wiring,
        )  # fmt: skip
        log = runner(plan, name)
        seen = [e.values for e in log.of(Measured) if "training_peak_bytes" in e.values]
        assert all(v["resident_peak_bytes"] >= v["resident_bytes"] for v in seen)
        assert [v["resident_peak_bytes"] for v in seen] == sorted(
            v["resident_peak_bytes"] for v in seen
        )
        return seen[-1]["training_peak_bytes"], seen[0]["kept_for_backward_bytes"]

    return found


REVERSED = {"scheme": {"name": "additive"}, "backward": "reversible"}


def test_equal_runs_of_one_process_agree_and_a_reversible_one_between_them_needs_less(peak):
    first, kept = peak("first")
    reversed_, _ = peak("reversed", **REVERSED)
    held_beside = torch.ones(400 * MIB // 4)  # as another run's images, or a console, would be
    again, _ = peak("again")
    reversed_again, _ = peak("reversed again", **REVERSED)
    del held_beside

    assert again == pytest.approx(first, rel=SAME)
    assert reversed_again == pytest.approx(reversed_, rel=2 * SAME)
    least = (1 - SAME) * kept  # a process that ran much before has free pieces of pages to fill
    assert first > least
    assert kept > 40 * MIB
    assert max(reversed_, reversed_again) < 0.75 * first


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
