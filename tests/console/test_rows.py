"""Which columns fit, and what their cells say."""

import time
from dataclasses import replace

import pytest

from revconsole.console import rows, states
from revconsole.console.run_list import ListedRow, RunList
from revconsole.console.widgets.live_table import TableColumn, spaced
from revconsole.lab.listing.fields import named
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

ESSENTIAL = {"state", "name", "scheme", "epoch", "val %"}


def run(scheme: str = "bdia", lr: float = 3e-3, seed: int = 0, **values: object) -> Summary:
    backward = "stored" if scheme == "residual" else "reversible"
    plan = Plan.model_validate({
        "name": f"grid-{scheme}-learning_rate{lr}-s{seed}", "profile": "grid", "seed": seed,
        "backward": backward, "scheme": {"name": scheme},
        "optimizer": {"name": "adamw", "learning_rate": lr},
    })  # fmt: skip
    fixed = {"id": f"{scheme}{lr}{seed}", "name": plan.name, "state": "finished"}
    return Summary(**{**fixed, "created": time.time(), **values}, plan=plan)


GRID = [
    run(s, lr, n) for s in ("residual", "momentum") for lr in (0.1, 0.01, 0.001) for n in range(8)
]


def shown(runs, width):
    """The columns, and each row as a line of text."""
    made = RunList()
    listed = made.rows(runs)
    columns = rows.columns(listed, width, made.telling(runs))
    room = next(each.column.width for each in columns if each.column.key == "name")
    lines = [
        tuple(cell.plain for cell in rows.cells(columns, row, name, {}, marked=False))
        for row, name in zip(listed, rows.names(listed, room), strict=True)
    ]
    return columns, lines


@pytest.mark.parametrize("runs", [GRID[:1], GRID])
def test_columns_never_take_more_than_the_width(runs):
    for width in range(60, 200):
        columns, _ = shown(runs, width)
        assert sum(each.column.width + 1 + each.column.after for each in columns) <= width
        assert {each.column.label for each in columns} >= ESSENTIAL


def test_eighty_columns_show_test_accuracy_curve_and_time_left_too():
    columns, _ = shown([run(state="running")], 80)
    assert {each.column.label for each in columns} >= ESSENTIAL | {"test %", "loss", "ETA"}


def test_time_left_is_a_column_only_while_a_run_has_some():
    for runs, there in ((GRID, False), ([*GRID, run(state="queued")], True)):
        assert ("ETA" in {each.column.label for each in shown(runs, 200)[0]}) is there


def test_columns_stand_apart_as_far_as_there_is_room_first_where_a_number_meets_a_text():
    columns = [
        TableColumn(key=key, label=key, width=4, right=key in "bd") for key in ("a", "b", "c", "d")
    ]
    after = {spare: [c.after for c in spaced(columns, spare, 1)] for spare in (-1, 0, 1, 2)}
    assert after == {-1: [0] * 4, 0: [0] * 4, 1: [0, 1, 0, 0], 2: [0, 1, 1, 0]}


def test_further_columns_come_only_where_all_stand_apart_and_the_first_two_never_move():
    usual = shown(GRID, 80)[0]
    for width in range(80, 240):
        columns = shown(GRID, width)[0]
        after = [each.column.after for each in columns]
        assert after[:2] == [0, 0]
        assert len(columns) <= len(usual) + 1 or set(after[2:-1]) == {1}
    chosen = [named(name) for name in ("lr", "kept", "peak", "time", "age", "id", "host")]
    tight = rows.columns(RunList().rows(GRID), 103, (), chosen)
    assert [each.column.key for each in tight[3:]] == [field.key for field in chosen]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_48_runs_of_a_grid_are_told_apart_by_what_they_differ_in(width):
    columns, lines = shown(GRID, width)
    labels = [each.column.label for each in columns]
    places = [labels.index(label) for label in ("scheme", "lr", "seed")]
    assert len({tuple(line[place] for place in places) for line in lines}) == len(GRID) == 48
    assert all(len(line[p]) <= columns[p].column.width for line in lines for p in places)


def test_a_name_that_does_not_fit_is_that_of_the_profile_unless_the_user_gave_it():
    renamed = run(seed=9, name="the one with a long name of its own")
    _, lines = shown([*GRID, renamed], 80)
    assert {line[2] for line in lines[:-1]} == {"grid"}
    assert lines[-1][2] == renamed.name


def test_chosen_columns_stand_instead_of_the_usual_ones():
    listed = RunList().rows(GRID)
    columns = rows.columns(listed, 80, (), [named("lr"), named("gradient_norm", ["gradient_norm"])])
    assert [each.column.label for each in columns] == ["", "state", "name", "lr", "gradient norm"]


def test_a_group_says_how_many_have_finished_and_what_is_wrong():
    runs = [run(seed=n, test_accuracy=0.9 + n / 100) for n in range(3)]
    runs[1] = run(seed=1, state="failed")
    made = RunList(grouped=True)
    (row,) = made.rows(runs)
    columns = rows.columns(made.rows(runs), 100, ())
    cells = {
        each.column.key: cell.plain
        for each, cell in zip(
            columns, rows.cells(columns, row, "grid", {}, marked=False), strict=True
        )
    }
    assert cells["state"] == "▸ ✗ 2/3"
    assert cells["test"] == "91.0 ± 1.4"
    made.expanded.add(row.key)
    assert [each.member for each in made.rows(runs)] == [False, True, True, True]


def test_what_trains_comes_first_and_then_the_queue_from_its_head():
    states_newest_first = ["queued", "queued", "finished", "running", "failed"]
    runs = [
        replace(run(seed=n, state=state), place=float(-n))
        for n, state in enumerate(states_newest_first)
    ]
    order = [row.run.plan.seed for row in RunList().rows(runs)]
    assert order == [3, 1, 0, 2, 4]


def test_a_filter_with_a_fault_says_why_and_keeps_the_last_one():
    made = RunList()
    made.filter("seed=1", GRID)
    made.accept()
    kept = made.rows(GRID)
    made.filter("seed=1 lr", GRID)
    made.filter("seed=1 lr>", GRID)
    assert made.problem == "'lr>' needs a value after '>'"
    assert made.rows(GRID) == kept
    made.filter("", GRID)
    assert made.problem == ""
    assert len(made.rows(GRID)) == len(GRID)


def test_sorting_by_the_same_field_again_turns_the_order_round():
    made = RunList()
    made.sort_by(named("seed"))
    assert [row.run.plan.seed for row in made.rows(GRID)][:2] == [0, 0]
    made.sort_by(named("seed"))
    assert made.rows(GRID)[0].run.plan.seed == 7
    made.sort_by(None)
    assert [row.run for row in made.rows(GRID)] == GRID


def test_rows_are_made_once_for_the_same_runs():
    made = RunList()
    assert made.rows(GRID) is made.rows(GRID)


def test_the_baseline_and_the_marks_have_signs_of_their_own():
    row = ListedRow("a", GRID[0])
    columns = rows.columns([row], 80, ())
    signs = {
        rows.cells(columns, row, "a", {}, marked=m, baseline=b)[0].plain
        for m in (False, True)
        for b in (False, True)
    }
    assert len(signs) == 4


def test_an_alarm_of_a_foreign_log_is_shown_on_one_line_without_what_a_terminal_obeys():
    text = states.shown("finished", {}, alarm="\x1b]0;owned\x07\n\u202e" + "long " * 100).plain

    assert text.startswith("! finished, ")
    assert text.isprintable()
    assert len(text) < 80
