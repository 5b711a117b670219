"""Counting what can be rewired, and the most telling reason for what cannot."""

import pytest

from revconsole.lab import rewirable
from revconsole.records.findings.survey import Surveyed

FOUND = [
    Surveyed(model="a1", family="a", blocks=4, blocks_of_two=4, blocks_joined=4),
    Surveyed(model="a2", family="a", blocks=3, blocks_of_two=2),
    Surveyed(model="b1", family="b", left={"x": "block 0 (Conv) turns 1×2 into 1×3"}),
    Surveyed(model="b2", family="b", left={"x": "Block is alone in its row", "y": "Block turns 1"}),
    Surveyed(model="b3", family="b", left={"x": "block 0 (Conv) turns 1×2 into 1×3"}),
]


def test_families_are_counted_the_largest_first_and_in_all():
    rows = [
        (t.family, t.models, t.any_block, t.two_branches, t.joined)
        for t in rewirable.tallies(FOUND)
    ]
    assert rows == [("b", 3, 0, 0, 0), ("a", 2, 2, 2, 1), ("all", 5, 2, 2, 1)]


def test_reasons_are_grouped_the_commonest_first():
    assert rewirable.reasons(FOUND) == [
        ("every block changes the shape", ["b1", "b3"]),
        ("no two residual blocks follow one another", ["b2"]),
    ]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("block 0 (Tree) is residual, but the model takes its blocks by index", "way of its own"),
        ("block 0 (RNN) has a recurrent layer, which", "recurrent layer"),
        ("something nobody thought of", "something nobody thought of"),
    ],
)
def test_a_reason_is_put_in_words(told, reason):
    assert reason in rewirable.reason(Surveyed(model="m", family="f", left={"blocks": told}))
