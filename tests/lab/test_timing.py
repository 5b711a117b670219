"""Times that are told before a run: from runs like it, from its own steps, or from multiply-adds."""

import time
from dataclasses import replace

import pytest

from revconsole.errors import DataUnavailable
from revconsole.lab import format as form
from revconsole.lab.timing import timing
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

OPERATIONS = 1_000_000


def planned(**train):
    return Plan.model_validate({"name": "small", "train": {"device": "cpu", "epochs": 4} | train})


@pytest.fixture
def finished(store):
    run_id = store.create(planned(epochs=2), {})
    (made,) = (run for run in store.list() if run.id == run_id)
    return replace(
        made, state="finished", seconds=25.0, seconds_per_epoch=10.0, seconds_at_end=5.0,
        multiply_adds_per_image=2 * OPERATIONS, device="cpu",
    )  # fmt: skip


def unmeasured(plan):
    raise DataUnavailable("no data here")


def test_a_run_like_it_is_believed_whatever_its_length(finished: Summary):
    found = timing(planned(), [finished], unmeasured)

    assert (found.epoch_seconds, found.seconds) == (10.0, 45.0)
    assert finished.id in found.sentence


def measured(**given):
    """An epoch of 24 steps of 0.2 s, and 0.2 s for its evaluation."""
    kept = {"epoch_seconds": 5.0, "end_seconds": 2.0, "step_seconds": (0.1, 0.2, 0.35), "steps": 7}
    return KeptPace(**kept | {"at": time.time(), "load": 0.5, "cores": 2} | given)


def test_otherwise_its_own_steps_are_measured_and_their_spread_is_that_of_the_run(
    finished: Summary,
):
    plan = planned(batch=64)
    found = timing(plan, [finished], lambda _: measured())

    assert (found.epoch_seconds, found.seconds) == (5.0, 4 * 5.0 + 2.0)
    steps = 4 * plan.steps_per_epoch
    low, high = (form.duration(22.0 + steps * more) for more in (-0.1, 0.15))
    assert found.sentence.endswith(
        f"7 of its steps with their data timed here just now: 200 ms, quartiles 100 ms to 350 ms, so {low} to {high} in all"
    )


def test_what_was_timed_long_ago_or_while_others_ran_is_said_so():
    busy = measured(at=time.time() - 7300, load=3.06, step_seconds=(2.0, 2.0, 2.0), steps=1)
    words = timing(planned(), [], lambda _: busy).known_from

    assert "1 of its steps with their data timed here 2 h ago: 2 s, quartiles 2 s to 2 s" in words
    assert words.endswith("while other programs ran (load 3.1 on 2 cores)")
    fit = timing(planned(), [], lambda _: measured(steps=0)).known_from
    assert fit == "a part of the fit timed here just now"


def test_without_data_the_multiply_adds_of_earlier_runs_tell_roughly_or_nothing_does(
    finished: Summary,
):
    other = planned(batch=64)  # half the multiply-adds of the run that finished

    rough = timing(other, [finished], unmeasured, OPERATIONS)
    assert rough.source == "multiply-adds"
    assert rough.epoch_seconds < 10.0, "that run had twice the multiply-adds"
    assert "half to twice" in rough.sentence
    assert timing(other, [], unmeasured, OPERATIONS).sentence == "the time is unknown: no data here"


def test_what_earlier_times_from_steps_have_shown_corrects_and_is_said(finished: Summary):
    steps = measured(epoch_seconds=2.0, end_seconds=0.0)
    shown = replace(finished, foreseen_epoch_seconds=5.0, foreseen_time_from="steps")  # it took 10

    found = timing(planned(batch=64), [shown] * 3, lambda _: steps)

    assert (found.epoch_seconds, found.seconds, found.corrected_by) == (2.5, 10.0, 1.25)
    assert "corrected by ×1.25, the median of 3 runs" in found.sentence


def test_where_no_earlier_run_has_steps_of_alike_size_no_time_is_given_and_the_factor_is_said(
    finished: Summary,
):
    small = replace(finished, multiply_adds_per_image=OPERATIONS // 1000)

    found = timing(planned(batch=128, clip=1.0), [small] * 3, unmeasured, OPERATIONS)

    assert found.seconds is None
    assert "differ by 1,000 times from those of the nearest run" in found.sentence
    assert "beyond 10 times no time is estimated" in found.sentence
