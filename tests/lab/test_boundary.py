"""The plane on a terminal: ink where the second class is, letters where points are, and nothing else needed to read it."""

import pytest

from revconsole.lab.boundary import drawn, legend, letters
from revconsole.lab.report import drawing
from revconsole.lab.report import results as reported
from revconsole.lab.report.figures import boundaries
from revconsole.records.logs.boundary import Boundary, following
from revconsole.records.logs.events import Bounded, Finished, LoggedEvent, Started, decode, encode
from revconsole.records.runs.history import History
from revconsole.records.settings.plan import Plan

POINTS = ((-0.9, 0.9, 0), (0.9, 0.9, 0), (0.9, -0.9, 1))


def halves(**changes) -> Bounded:
    """The right half of the plane is the second class, the upper left corner least surely the first."""
    given = {
        "step": 7, "epoch": 2, "box": (-1.0, 1.0, -1.0, 1.0), "columns": 4, "rows": 4,
        "cells": "h0zz" + "00zz" * 3, "of": "probability", "names": ("outer", "inner"),
        "points": POINTS,
    }  # fmt: skip
    return Bounded(**given | changes)


def signs(boundary: Boundary, columns=8, lines=4) -> list[str]:
    return [
        "".join(cell.sign for cell in row) for row in drawn(boundary, columns=columns, lines=lines)
    ]


def test_ink_is_the_second_class_and_a_capital_lies_in_the_other():
    assert signs(following(None, halves())) == [
        "o   ███O",
        "    ████",
        "    ████",
        "    ███i",
    ]


def test_two_places_share_a_character():
    lower = following(None, halves(cells="0000" * 2 + "zzzz" * 2, points=()))

    assert signs(lower, columns=2, lines=1) == ["▄▄"]
    assert signs(lower, columns=2, lines=2) == ["  ", "██"]


def test_the_surer_the_further_from_the_middle_of_the_colours():
    (first, second, *_), *_ = drawn(following(None, halves(points=())), columns=4, lines=4)

    assert first.ground != second.ground
    assert first.sign == second.sign == " "


def test_few_characters_have_few_points():
    many = following(None, halves(points=[(0.0, 0.0, 0)] * 5 + [(-0.9, 0.9, 1)] * 5))

    assert "I" not in "".join(signs(many, columns=8, lines=4))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("outer", "inner"), ("o", "i")),
        (("one arm", "other arm"), ("a", "b")),
        (("", "[b]"), ("a", "b")),
    ],
)
def test_letters_are_initials_that_differ(names, expected):
    assert letters(names) == expected


def test_the_legend_is_one_line_whatever_a_class_is_called():
    said = legend(following(None, halves(names=("a\x1b[31m\nb", "c"))))

    assert "\x1b" not in said
    assert "\n" not in said


def test_the_points_are_said_once_and_kept():
    history = History()
    for seq, event in enumerate((halves(), halves(epoch=3, points=(), tested=True)), start=1):
        history.add(decode(encode(LoggedEvent(seq=seq, time=0.0, elapsed=0.5, event=event))))

    assert (history.boundary.epoch, history.boundary.tested) == (3, True)
    assert history.boundary.points == POINTS


def test_a_grid_that_is_none_is_a_damaged_line():
    with pytest.raises(ValueError, match="columns × rows"):
        following(None, halves(cells="12"))


def test_a_report_has_a_panel_for_each_arm_with_the_line_where_the_class_changes(store):
    results = reported.of_runs([
        finished(store, arm, cells) for arm, cells in (("a", "00zz" * 4), ("b", "zz00" * 4))
    ])  # fmt: skip
    with drawing.drawn():
        figure = boundaries.draw(results)
        lines = [axes.collections[1].get_paths()[0].vertices for axes in figure.axes]
        shown = [axes.get_title() for axes in figure.axes]
        first = figure.axes[0].collections[2].get_offsets().tolist()

    assert shown == ["a", "b"]
    assert all(abs(line[:, 0]).max() < 0.01 for line in lines)
    assert first == [[-0.9, 0.9], [0.9, 0.9]]
    assert "probability" in boundaries.caption(results)
    assert "margin" not in boundaries.caption(results)


def test_images_have_no_such_figure(store):
    assert boundaries.draw(reported.of_runs([finished(store, "a", "")])) is None


def finished(store, arm, cells):
    batch = {"a": 16, "b": 32}[arm]  # or they would be one arm
    plan = Plan.model_validate({"name": arm, "arm": arm, "train": {"batch": batch}})
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={}))
    if cells:
        attempt.emit(halves(cells=cells, tested=True))
    attempt.emit(Finished(outcome="completed", step=7, values={"test_accuracy": 0.9}))
    attempt.close()
    return store.read(run_id)
