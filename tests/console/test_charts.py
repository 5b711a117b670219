"""What charts show and how, without a console."""

import json

import pytest

from revconsole.console.charts import MOST, ChartState, grid
from revconsole.console.screens.choices import matching, none_of
from revconsole.console.widgets.plot_area import changes
from revconsole.lab.curves.cells import Ink


def test_what_is_kept_comes_back_through_json():
    charts = ChartState(["loss", "accuracy"], horizontal="epoch", smoothing=0.6, united=False)
    charts.logarithmic["loss"] = True
    other = ChartState(["memory"])
    other.restore(json.loads(json.dumps(charts.kept())))
    assert other.kept() == charts.kept()
    other.restore(ChartState(["loss"]).kept())
    assert other.smoothing is None


def test_smoothing_goes_up_and_down_from_the_usual_and_back_to_it():
    charts = ChartState(["loss"], usual=0.6)
    charts.smooth(1)
    assert charts.smoothing == 0.8
    for _ in range(3):
        charts.smooth(-1)
    assert charts.smoothing is None


def test_charts_without_room_come_by_turns():
    charts = ChartState(["a", "b", "c"])
    assert charts.visible(2) == ["a", "b"]
    charts.turn(2)
    assert charts.visible(2) == ["c", "a"]
    charts.turn(3)
    assert charts.visible(3) == ["a", "b", "c"]


def test_a_hidden_run_is_not_drawn_and_one_alone_is_drawn_by_itself():
    charts = ChartState(["a"], hidden={"x"})
    assert charts.shown(["x", "y"]) == ["y"]
    assert charts.shown(["x"]) == ["x"]  # or there would be nothing to see
    charts.alone = "x"
    assert charts.shown(["x", "y"]) == ["x"]


@pytest.mark.parametrize("size", [(80, 14), (120, 20), (160, 28), (40, 6), (300, 60), (5, 2)])
def test_charts_are_laid_out_at_every_size(size):
    for count in range(1, MOST + 1):
        columns, rows = grid(count, *size)
        assert columns >= 1
        assert rows >= 1
        assert columns * rows < count + max(columns, rows)
    assert grid(4, 160, 28) == (2, 2)
    assert grid(4, 80, 14) == (2, 2)


def test_metrics_are_found_by_parts_of_their_words():
    options = [(name, name) for name in ("validation_loss", "loss", "learning_rate")]
    assert [name for name, _ in matching(options, "loss")] == ["loss", "validation_loss"]
    assert [name for name, _ in matching(options, "rate lear")] == ["learning_rate"]
    assert matching(options, "nothing") == ()


def test_only_cells_that_changed_are_painted():
    ink = Ink((1, 2, 3))
    before = [("abcdefghijklmnopqrst", ink)]
    assert changes(before, before) == []
    assert changes(before, [("aXcdefghijklmnopqrsY", ink)]) == [(1, 1), (19, 19)]
    assert changes(before, [("aXcdXfghijklmnopqrst", ink)]) == [(1, 4)]
    assert changes([], [("  a", ink)]) == [(2, 2)]


def test_a_menu_in_which_nothing_matches_says_so_with_the_nearest_name():
    options = [(name, name) for name in ("gradient_norm", "loss")]
    assert matching(options, "gradeint") == ()
    assert none_of(options, "gradeint norm") == (
        "no choice has 'gradeint norm' in its name; did you mean 'gradient_norm'?"
    )
    assert none_of([], "x") == "there is nothing to choose from"
