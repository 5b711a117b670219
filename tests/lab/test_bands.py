"""Seeds of one arm as their mean with the deviation around it."""

from statistics import stdev

import pytest

from revconsole.lab.curves import bands, cursor
from revconsole.lab.curves.figures import Frame, figure
from revconsole.lab.curves.subjects import TRAINING_LOSS
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings.plan import Plan

METRIC = MetricDeclared(name="loss", unit="nats", per="step", direction="down", meaning="")


def run(run_id, seed, values, *, steps=None, epochs=2):
    name = f"demo-s{seed}"
    plan = Plan.model_validate({"name": name, "seed": seed, "train": {"epochs": epochs}})
    steps = steps or list(range(1, len(values) + 1))
    summary = Summary(id=run_id, name=name, state="running", plan=plan, created=0.0, step=steps[-1])
    return Run(summary=summary, series={"loss": Series(METRIC, steps, values, len(values))})


def drawn(*runs, united=True, smoothing=0.0):
    return figure(TRAINING_LOSS, runs, Frame(width=40, united=united, smoothing=smoothing)).curves


ONE, TWO, THREE = (
    run("a", 0, [1.0, 2.0, 3.0]),
    run("b", 1, [3.0, 3.0, 5.0]),
    run("c", 2, [5.0, 7.0]),
)


def test_seeds_are_one_curve_at_their_mean_with_one_deviation_around_it():
    (curve,) = drawn(ONE, TWO, THREE)

    assert curve.ys == (3.0, 4.0, 4.0)  # the last step is known of two of them
    assert curve.band[0] == (1.0, 3.0 - stdev([1, 3, 5]), 3.0 + stdev([1, 3, 5]))
    assert curve.band[-1] == pytest.approx((3.0, 4.0 - stdev([3, 5]), 4.0 + stdev([3, 5])))
    assert curve.label == "demo, mean of 3 seeds"
    assert all(curve.of(run_id) for run_id in "abc")


def test_the_cursor_reads_the_mean_and_of_one_run_its_own_value():
    curves = figure(TRAINING_LOSS, [ONE, TWO], Frame(width=40, united=True))
    (read,) = cursor.read([curves], 2.0)
    assert read.reading.y == 2.5
    (own,) = cursor.read([curves], 2.0, run_id="b")
    assert own.reading.y == 3.0


def test_the_mean_of_smoothed_seeds_is_the_smoothed_mean():
    (curve,) = drawn(ONE, TWO, smoothing=0.6)
    each = [c.ys for c in drawn(ONE, TWO, united=False, smoothing=0.6)]
    assert curve.ys == pytest.approx([sum(pair) / 2 for pair in zip(*each, strict=True)])


def test_runs_that_differ_in_more_or_share_a_seed_stay_apart():
    other = run("d", 1, [1.0, 1.0], epochs=3)
    again = run("e", 0, [1.0, 1.0])
    assert [len(arm) for arm in bands.arms([ONE, other, TWO])] == [2, 1]
    assert [len(arm) for arm in bands.arms([ONE, again, TWO])] == [1, 1, 1]
    assert len(drawn(ONE, TWO, united=False)) == 2


def test_seeds_measured_at_other_steps_stay_apart():
    assert len(drawn(ONE, run("b", 1, [1.0, 2.0], steps=[1, 3]))) == 2
