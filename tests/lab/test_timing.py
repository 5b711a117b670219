"""Times that are told before a run: from runs like it, from its own steps, or from multiply-adds."""

from dataclasses import replace

import pytest

from revconsole.errors import DataUnavailable
from revconsole.lab.estimate import Estimate
from revconsole.lab.outlook import Outlook
from revconsole.lab.timing import timing
from revconsole.records.foresight.allowance import allowance
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

OPERATIONS = 1_000_000


def planned(**train):
    return Plan.model_validate({"name": "small", "train": {"device": "cpu", "epochs": 4} | train})


def looked_at(plan):
    return Outlook(
        plan=plan,
        counts={"multiply_adds_per_image": OPERATIONS},
        foresight=None,
        why_not="",
        allowed=allowance(plan, "cpu"),
        memory=None,
    )


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
    found = timing(looked_at(planned()), [finished], unmeasured)

    assert (found.epoch_seconds, found.seconds) == (10.0, 45.0)
    assert finished.id in found.sentence


def test_otherwise_its_own_steps_are_measured(finished: Summary):
    steps = Estimate(seconds=8.0, step_bytes=None, epoch_seconds=1.5, step_seconds=(0.1, 0.2, 0.3))
    found = timing(looked_at(planned(batch=64)), [finished], lambda _: steps)

    assert (found.epoch_seconds, found.seconds) == (1.5, 8.0)
    assert "200 ms, quartiles 100 to 300 ms" in found.sentence


def test_without_data_the_multiply_adds_of_earlier_runs_tell_roughly_or_nothing_does(
    finished: Summary,
):
    other = looked_at(planned(batch=64))  # half the multiply-adds of the run that finished

    rough = timing(other, [finished], unmeasured)
    assert rough.source == "multiply-adds"
    assert rough.epoch_seconds < 10.0, "that run had twice the multiply-adds"
    assert "half to twice" in rough.sentence
    assert timing(other, [], unmeasured).sentence == "the time is unknown: no data here"


def test_what_earlier_times_from_steps_have_shown_corrects_and_is_said(finished: Summary):
    steps = Estimate(seconds=8.0, step_bytes=None, epoch_seconds=2.0, step_seconds=(0.1, 0.2, 0.3))
    shown = replace(finished, foreseen_epoch_seconds=5.0, foreseen_time_from="steps")  # it took 10

    found = timing(looked_at(planned(batch=64)), [shown] * 3, lambda _: steps)

    assert (found.epoch_seconds, found.seconds, found.corrected_by) == (2.5, 10.0, 1.25)
    assert "corrected by ×1.25, the median of 3 runs" in found.sentence


def test_where_no_earlier_run_has_steps_of_alike_size_no_time_is_given_and_the_factor_is_said(
    finished: Summary,
):
    small = replace(finished, multiply_adds_per_image=OPERATIONS // 1000)

    found = timing(looked_at(planned(batch=128, clip=1.0)), [small] * 3, unmeasured)

    assert found.seconds is None
    assert "differ by 1,000 times from those of the nearest run" in found.sentence
    assert "beyond 10 times no time is estimated" in found.sentence
