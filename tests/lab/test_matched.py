"""Differences at the same step and in the same time: each run is read where the one that came less far ends."""

import math
import random

import pytest

from revconsole.lab import rows
from revconsole.lab.compare import compare
from revconsole.lab.comparison_table import comparison_table, step_text, time_text
from revconsole.lab.matched import at_equal_step, in_equal_time
from revconsole.records.logs.clock import StepTimes
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings.plan import Plan

ACCURACY = MetricDeclared(
    name="validation_accuracy", unit="fraction", per="epoch", direction="up", meaning=""
)


def run_of(name, points, *, seconds_per_step=0.1, seed=0, **given):
    """A run that was validated at (step, accuracy) points and took as long for every step."""
    steps = [step for step, _ in points]
    times = [step * seconds_per_step for step in steps]
    summary = Summary(
        id=name * 8, name=name, state="finished", plan=Plan(name=name, seed=seed), created=0.0, **given
    )  # fmt: skip
    return Run(
        summary=summary,
        series={"validation_accuracy": Series(ACCURACY, steps, [v for _, v in points], len(steps))},
        times=StepTimes(steps=steps, seconds=times, walls=times, length=len(steps)),
    )


def newest_until(points, end, place):
    return [value for step, value in points if place(step) <= end][-1]


def test_both_runs_are_read_where_the_one_that_came_less_far_ends():
    drawn = random.Random(0)
    for _ in range(50):
        pair = [
            [(step * drawn.choice([7, 10, 13]), drawn.random()) for step in range(1, drawn.randrange(3, 30))]
            for _ in "ab"
        ]  # fmt: skip
        pair = [sorted(dict(points).items()) for points in pair]
        speeds = [drawn.uniform(0.05, 0.5) for _ in "ab"]
        a, b = (
            run_of(n, p, seconds_per_step=s) for n, p, s in zip("ab", pair, speeds, strict=True)
        )

        step, time = at_equal_step(a, b), in_equal_time(a, b)

        end = min(points[-1][0] for points in pair)
        if all(points[0][0] <= end for points in pair):
            assert step.at == end
            assert (step.value, step.baseline) == tuple(newest_until(p, end, float) for p in pair)
        ends = [points[-1][0] * speed for points, speed in zip(pair, speeds, strict=True)]
        firsts = [points[0][0] * speed for points, speed in zip(pair, speeds, strict=True)]
        if max(firsts) <= min(ends):
            assert time.at == pytest.approx(min(ends))
            assert (time.value, time.baseline) == tuple(
                newest_until(p, min(ends), lambda step, s=speed: step * s)
                for p, speed in zip(pair, speeds, strict=True)
            )
        else:
            assert time is None


def test_a_slower_run_is_level_by_steps_and_behind_by_time():
    points = [(100, 0.5), (200, 0.6), (300, 0.7), (400, 0.8)]
    quick, slow = run_of("q", points), run_of("s", points, seconds_per_step=0.2)

    compared = compare([quick.summary, slow.summary], runs={r.id: r for r in (quick, slow)})

    row = compared.rows[1]
    assert (step_text(row), time_text(row)) == ("+0.0 pp at 400", "-20.0 pp at 40 s")
    assert (step_text(compared.rows[0]), compared.rows[0].at_equal_step) == ("", None)
    told = rows.comparison(compared)["runs"][1]
    assert told["at_equal_step"]["step"] == 400
    assert told["in_equal_time"] == {
        "metric": "validation_accuracy", "seconds": 40.0, "value": 0.6, "baseline": 0.8,
        "difference": pytest.approx(-0.2),
    }  # fmt: skip
    shown = comparison_table(compared)
    assert shown.headings[shown.headings.index("gain") + 1 :][:2] == ("equal step", "equal time")
    assert any("where the run that came less far ended" in note for note in shown.notes)
    assert {len(row) for row in shown.rows} == {len(shown.headings)}


def test_a_run_is_matched_with_the_one_of_its_own_seed():
    base = [run_of(f"a{n}", [(10, 0.5 + n / 10)], seed=n) for n in (0, 1)]
    other = Plan(name="b", seed=1, train={"batch": 64})
    late = run_of("b", [(10, 0.8)])
    late = Run(
        summary=Summary(id="b" * 8, name="b", state="finished", plan=other, created=0.0),
        series=late.series,
        times=late.times,
    )
    every = [*base, late]

    compared = compare([run.summary for run in every], runs={run.id: run for run in every})

    assert compared.rows[2].at_equal_step.baseline == 0.6


def test_runs_that_were_not_read_or_not_validated_have_no_such_difference():
    one, none = run_of("a", [(10, 0.5)]), run_of("b", [])

    assert at_equal_step(one, none) is None
    assert in_equal_time(one, none) is None
    assert compare([one.summary, none.summary]).rows[1].at_equal_step is None
    timeless = Run(summary=one.summary, series=one.series)
    assert in_equal_time(one, timeless) is None
    assert at_equal_step(one, timeless).difference == 0


def test_a_value_that_is_no_number_is_shown_as_such():
    one, nan = run_of("a", [(10, 0.5)]), run_of("b", [(10, math.nan)])

    compared = compare([one.summary, nan.summary], runs={r.id: r for r in (one, nan)})

    assert step_text(compared.rows[1]) == "NaN at 10"
    assert rows.comparison(compared)["runs"][1]["at_equal_step"]["value"] == "nan"
