"""Dot plots of a study's arms: each value at its place, computed here from the axis that is written below."""

import pytest

from revconsole.lab.board import ArmStanding
from revconsole.lab.curves import dots
from revconsole.lab.report.statistics import MeanSpread
from revconsole.lab.study import Standing
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MIB = 2**20


def arm(name, *accuracies, kept=4 * MIB, state="finished", spread=None, **more):
    by_seed = {}
    for seed, accuracy in enumerate(accuracies):
        plan = Plan(name=name, seed=seed)
        summary = Summary(
            id=f"{name}{seed}", name=name, plan=plan, state=state, created=0.0,
            test_accuracy=accuracy, kept_for_backward_bytes=kept,
        )  # fmt: skip
        by_seed[seed] = Standing(plan=plan, summary=summary)
    return ArmStanding(name=name, by_seed=by_seed, accuracy=spread, **more)


PLAIN = arm("plain", 0.86, 0.90, 0.94, spread=MeanSpread(mean=0.9, deviation=0.04, n=3), baseline=True)  # fmt: skip
OTHER = arm("bdia", 0.84, 0.84, spread=MeanSpread(mean=0.84, deviation=None, n=1), kept=MIB / 8)


def rows(plot, width=50, height=8, **given):
    lines = ["".join(text for text, _ in line) for line in dots.drawn(plot, width, height, marker="ascii", **given)]  # fmt: skip
    assert {len(line) for line in lines} == {width}
    assert len(lines) == height
    return lines


@pytest.mark.parametrize("width", [40, 63, 110])
def test_mean_seeds_and_deviation_stand_where_the_axis_says(width):
    lines = rows(dots.accuracies([PLAIN, OTHER]), width)
    start = lines[0].index("|") + 1
    end = width - 3  # the letters of curves would stand right of the axis
    low, high = 84.0, 94.0

    def column(value):
        return start + (value - low) / (high - low) * (end - start)

    plain = next(line for line in lines if "plain" in line)
    assert plain.index("O") == pytest.approx(column(90), abs=0.51)
    seeds = [at for at, sign in enumerate(plain) if sign == "."]
    assert seeds == [pytest.approx(column(86), abs=0.51), pytest.approx(column(94), abs=0.51)]
    assert (
        plain.count("-") == seeds[1] - seeds[0] - 2
    )  # 86 and 94 are also the ends of the deviation
    bdia = next(line for line in lines if "bdia" in line)
    assert bdia.index("O") == pytest.approx(column(84), abs=0.51)
    assert bdia[plain.index("O")] == ":", "the mean of the baseline goes through all rows"
    assert "94 %" in lines[-1]


def test_only_what_is_done_is_drawn_and_a_share_is_never_beyond_its_ends():
    begun = arm("begun", 0.2, state="running")
    sure = arm("sure", 0.97, 1.0, spread=MeanSpread(mean=0.985, deviation=0.03, n=2))
    plot = dots.accuracies([sure, begun, OTHER])
    assert [row.name for row in plot.rows] == ["sure", "bdia"]
    assert "100 %" in rows(plot)[-1]
    assert dots.sizes([begun]).rows == ()


def test_sizes_far_apart_have_a_logarithmic_axis_and_the_unit_of_the_largest():
    plot = dots.sizes([PLAIN, OTHER])
    assert (plot.unit, plot.logarithmic) == ("MiB", True)
    assert [row.mean for row in plot.rows] == [4.0, 0.125]
    assert [row.deviation for row in plot.rows] == [0.0, 0.0]
    assert not dots.sizes([PLAIN, arm("half", 0.9, kept=2 * MIB)]).logarithmic


def test_arms_are_further_apart_where_there_is_room_and_names_are_told_apart():
    plot = dots.accuracies([PLAIN, OTHER])
    at = [n for n, line in enumerate(rows(plot, height=10)) if "O" in line]
    assert at[1] - at[0] == 4
    assert [n for n, line in enumerate(rows(plot, height=4)) if "O" in line] == [0, 1]
    long = [arm(f"{'x' * 40}{n} [b]\x1b[31m", 0.9, spread=MeanSpread(mean=0.9, deviation=None, n=1)) for n in range(2)]  # fmt: skip
    text = rows(dots.accuracies(long), width=60)
    names = {line[: line.index("|")].strip() for line in text if "O" in line}
    assert len(names) == 2
    assert not any("\x1b" in line for line in text)
