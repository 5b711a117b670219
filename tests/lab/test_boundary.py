"""The plane on a terminal: ink where the second class is, letters where points are, and nothing else needed to read it."""

import pytest

from revconsole.lab.boundary import drawn, legend, letters
from revconsole.records.boundary import Boundary, following
from revconsole.records.events import Bounded, Record, decode, encode
from revconsole.records.fold import Fold

POINTS = ((-0.9, 0.9, 0), (0.9, 0.9, 0), (0.9, -0.9, 1))


def halves(**changes) -> Bounded:
    """The right half of the plane is the second class, the upper left corner least surely the first."""
    given = {
        "step": 7, "epoch": 2, "box": (-1.0, 1.0, -1.0, 1.0), "columns": 4, "rows": 4,
        "cells": "4099" + "0099" * 3, "of": "probability", "names": ("outer", "inner"),
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
    lower = following(None, halves(cells="0000" * 2 + "9999" * 2, points=()))

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
    fold = Fold()
    for seq, event in enumerate((halves(), halves(epoch=3, points=(), tested=True)), start=1):
        fold.add(decode(encode(Record(seq=seq, time=0.0, event=event))))

    assert (fold.boundary.epoch, fold.boundary.tested) == (3, True)
    assert fold.boundary.points == POINTS


def test_a_grid_that_is_none_is_a_damaged_line():
    with pytest.raises(ValueError, match="none"):
        following(None, halves(cells="12"))
