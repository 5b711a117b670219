"""Accuracy against a cost: a letter for each run, and the front of the runs that none beats."""

import random

import pytest

from revconsole.lab.curves import scatter
from revconsole.lab.curves.canvas import Mark, letter
from revconsole.lab.trade_offs import scatters
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MIB = 1024 * 1024


def summary(name, accuracy, kept_mib, seconds=10.0, **given):
    known = {"state": "finished", "created": 0.0} | given
    return Summary(
        id=name, name=name, plan=Plan(name=name), test_accuracy=accuracy, seconds=seconds,
        kept_for_backward_bytes=kept_mib * MIB, **known,
    )  # fmt: skip


def picture(runs, width=60, height=14, marker="ascii", **given):
    (memory,) = (each for each in scatters(runs) if "memory" in each.cost)
    marks = {run.id: Mark(letter=letter(n), colour=(n, 0, 0)) for n, run in enumerate(runs)}
    lines, hidden = scatter.drawn(memory, marks, width, height, marker=marker)
    return memory, ["".join(text for text, _ in line) for line in lines], hidden


def test_every_run_stands_at_its_cost_and_accuracy():
    runs = [summary("a", 0.5, 1), summary("b", 0.9, 4), summary("c", 0.6, 5), summary("d", 0.7, 2)]

    memory, lines, hidden = picture(runs)

    assert hidden == 0
    assert memory.front == ("a", "d", "b")
    at = {
        name: (x, y)
        for y, line in enumerate(lines[:-1])  # the last names the unit
        for x, name in enumerate(line)
        if name in "ABCD"
    }
    assert at["A"][0] < at["D"][0] < at["B"][0] < at["C"][0]
    assert at["B"][1] < at["D"][1] < at["C"][1] < at["A"][1]
    assert lines[-1].rstrip().endswith("MiB")
    assert {len(line) for line in lines} == {60}


def test_the_front_is_a_line_of_steps_that_no_run_is_above():
    drawn = random.Random(1)
    runs = [summary(f"r{n}", drawn.random(), drawn.uniform(1, 7)) for n in range(20)]

    memory, _, _ = picture(runs)

    for _, x, y in memory.points:
        best = max((accuracy for cost, accuracy in memory.steps if cost <= x), default=0.0)
        assert y <= best


@pytest.mark.parametrize("marker", ["braille", "block", "ascii"])
@pytest.mark.parametrize(("width", "height"), [(30, 6), (79, 20)])
def test_runs_at_one_place_stand_beside_one_another_and_what_finds_no_room_is_counted(
    marker, width, height
):
    runs = [summary("a", 0.5, 1), *(summary(f"b{n}", 0.9, 4) for n in range(60))]

    _, lines, hidden = picture(runs, width, height, marker)

    letters = sum(c.isupper() for line in lines[: height - 1 - (height >= 9)] for c in line)
    assert letters + hidden == 61
    assert 0 < hidden < 55
    assert len(lines) == height


def test_costs_that_differ_by_much_are_on_a_logarithm_and_alike_costs_make_no_plot():
    wide = [summary("a", 0.5, 1), summary("b", 0.9, 100)]
    assert scatters(wide)[0].logarithmic
    assert len(scatters(wide)) == 1, "the times are the same"
    assert not scatters([summary("a", 0.5, 1), summary("b", 0.9, 1)])
    assert not scatters([summary("a", 0.5, 1), summary("b", 0.9, 2, state="running")])
    assert scatters([summary("a", 0.5, 1, 5.0), summary("b", 0.9, 1, 7.0)])[0].unit == "s"
