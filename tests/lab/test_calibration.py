"""Calibration: foreseen memory and time beside what runs measured, and the correction that follows."""

from dataclasses import replace

import pytest

from revconsole.lab import foretold
from revconsole.lab.calibration import (
    ALLOCATED,
    EPOCH,
    ETA,
    LEAST_BYTES,
    RESIDENT,
    calibrations,
    correction,
    held_out,
    time_correction,
    unrecorded,
)
from revconsole.lab.fitting import FitWanted, foreseen_batch
from revconsole.lab.outlook import Outlook
from revconsole.lab.solve import BATCH, solved
from revconsole.records.foresight import cache
from revconsole.records.foresight.allowance import Allowance
from revconsole.records.foresight.foresight import Foresight, StepMemory
from revconsole.records.foresight.parts import MemoryParts, Moment
from revconsole.records.runs.pace import TimedDevice
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MIB = 2**20


@pytest.fixture
def runs(store):
    """Makes finished runs from ratios of measured to foreseen memory."""
    store.create(Plan(name="small"), {})
    (made,) = store.list()

    def of(*values, device="cpu", foreseen=LEAST_BYTES):
        return [
            replace(
                made, state="finished", device=device, foreseen_peak_bytes=foreseen,
                peak_memory_bytes=round(value * foreseen),
            )
            for value in values
        ]  # fmt: skip

    return of


def test_median_and_worst_are_told_by_device_without_small_and_unfinished_runs(runs):
    (unfinished,) = runs(3.0)
    found = calibrations(
        [
            *runs(1.0, 1.1, 0.8),
            *runs(1.02, device="cuda:0"),
            *runs(2.5, foreseen=MIB),
            replace(unfinished, state="failed"),
        ]
    )

    said = [(each.device, each.predicted, each.runs) for each in found]
    assert said == [("cpu", RESIDENT, 3), ("cuda:0", ALLOCATED, 1)]
    assert found[0].median == pytest.approx(1.0)
    assert found[0].worst == pytest.approx(0.8)


def test_three_runs_correct_by_their_median_and_never_by_more_than_a_quarter(runs):
    assert correction(runs(1.1, 1.1), "cpu") == 1.0
    assert correction(runs(1.0, 1.1, 1.2), "cpu") == pytest.approx(1.1)
    assert correction(runs(1.0, 1.1, 1.2), "cuda") == 1.0
    assert correction(runs(2.0, 2.0, 2.0), "cpu") == 1.25
    assert correction(runs(0.1, 0.1, 0.1), "cpu") == 0.8


def test_a_correction_moves_the_range_and_the_largest_batch_and_not_the_peak():
    moment = Moment(
        operator="backward mm",
        fixed=MemoryParts(parameters=10 * MIB),
        per_image=MemoryParts(kept=MIB),
    )
    step = StepMemory(once=(moment,), accumulated=(moment,))
    plain = Outlook(
        plan=Plan.model_validate({"name": "small", "train": {"batch": 90}}),
        counts={},
        foresight=Foresight(device="cpu", steps={"stored": step}),
        why_not="",
        allowed=Allowance(),
        memory=110 * MIB,
    )
    corrected = replace(plain, correction=1.25)

    (before,), (after,) = plain.steps, corrected.steps
    assert (before.verdict, after.verdict) == ("tight", "does not fit")
    assert (before.largest, after.largest) == ((100, 100), (78, 78))
    assert before.peak_bytes == after.peak_bytes


def test_solved_and_fitted_batches_are_those_that_a_correction_leaves_room_for(
    runs, tmp_path, monkeypatch
):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    model = {"architecture": "vit", "patch": 8, "dim": 32, "depth": 1, "heads": 2}
    data, memory = {"dataset": "synthetic"}, 400 * MIB
    plan = Plan.model_validate(
        {"name": "small", "model": model, "data": data, "train": {"device": "cpu"}}
    )
    earlier, wanted = runs(1.2, 1.25, 1.4), FitWanted(memory=memory, reserve=0.0, ceiling=10**6)

    plain, less = solved(plan, BATCH, memory), solved(plan, BATCH, round(memory / 1.25))
    corrected = solved(plan, BATCH, memory, earlier)
    assert less.value == corrected.value < plain.value
    assert corrected.bytes <= memory < corrected.beyond[1]
    assert foreseen_batch(plan, wanted) == plain.value
    assert foreseen_batch(plan, wanted, earlier) == corrected.value


def timed(run, ratio, source="steps"):
    """The run with an epoch that took `ratio` times what was foreseen."""
    return replace(
        run, foreseen_peak_bytes=None, foreseen_epoch_seconds=2.0, foreseen_seconds=20.0,
        foreseen_time_from=source, seconds_per_epoch=2.0 * ratio, seconds=20.0, eta_ratio_50=1.5,
    )  # fmt: skip


def test_times_are_told_by_what_they_were_known_from_and_what_no_run_has_recorded_is_said(runs):
    (run,) = runs(1.0)
    found = {
        each.predicted: each for each in calibrations([timed(run, 1.2), timed(run, 0.9, "run")])
    }

    assert found[EPOCH["steps"]].median == pytest.approx(1.2)
    assert found[EPOCH["run"]].median == pytest.approx(0.9)
    assert (found[ETA[50]].runs, found[ETA[50]].median) == (2, 1.5)
    missing = unrecorded(found.values())
    assert missing == [ALLOCATED, RESIDENT, EPOCH["multiply-adds"], ETA[10], ETA[25]]


def test_a_held_out_prediction_is_corrected_by_the_others_alone():
    assert held_out([1.1, 1.1, 1.1, 2.0]) == pytest.approx([0.0, 0.0, 0.0, 1.1 / 2.0 - 1.0])


def test_three_runs_correct_a_time_of_the_same_source_and_device(runs):
    (run,) = runs(1.0)
    here = TimedDevice(device="cpu")
    three = [timed(run, ratio) for ratio in (1.1, 1.2, 9.0)]

    assert time_correction(three[:2], here, "steps") == (1.0, 2)
    assert time_correction(three, here, "steps") == (pytest.approx(1.2), 3)
    assert time_correction(three, here, "run") == (1.0, 0)
    assert time_correction(three, TimedDevice(device="cuda"), "steps") == (1.0, 0)


def test_a_run_says_what_was_foreseen_beside_what_came_and_where_nothing_was(runs):
    (run,) = runs(1.1)
    begun = replace(run, attempt=1)
    said, bare = dict(foretold.pairs(timed(begun, 1.2))), dict(foretold.pairs(begun))

    assert "from a few steps measured before; measured ×1.20 of it" in said["foreseen epoch"]
    assert said["ETA and truth"] == "the rest took after 50 % ×1.50 of what it said"
    assert said["foreseen peak"].startswith("none")
    assert "measured ×1.10" in bare["foreseen peak"]
    assert bare["foreseen epoch"].startswith("none")
    assert foretold.pairs(run) == []


def test_a_foreseen_step_is_compared_with_a_step_and_not_with_the_whole_process():
    """A step of 8 MiB in a process that took 30 more than before was foreseen well."""
    run = Summary(
        id="a", name="a", state="finished", plan=Plan(name="a"), created=0.0, attempt=1,
        foreseen_peak_bytes=8 << 20, peak_memory_bytes=30 << 20, metrics={"step_peak_bytes": 8.4 * 2**20},
    )  # fmt: skip
    assert dict(foretold.pairs(run))["foreseen peak"].endswith("measured ×1.05 of it")
