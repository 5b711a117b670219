"""Schemes by name, and what their options may be."""

import pytest

from revconsole.errors import RevconsoleError, UnknownName
from revconsole.reversible import (
    SCHEMES,
    Additive,
    Bdia,
    Coefficients,
    MidpointA,
    Momentum,
    make_scheme,
)


def test_a_scheme_is_made_by_its_name_and_options():
    assert make_scheme("bdia", {"grid_bits": 9}) == Bdia(gamma=0.5, grid_bits=9)
    assert make_scheme("momentum") == Momentum(gamma=0.9, start="zero")
    assert {name: make_scheme(name).name for name in SCHEMES} == {name: name for name in SCHEMES}


@pytest.mark.parametrize(
    ("name", "options", "answer"),
    [
        ("bdai", {}, "no scheme 'bdai'; did you mean 'bdia'"),
        ("bdia", {"grid": 9}, "option of the scheme bdia 'grid'; did you mean 'grid_bits'"),
        (
            "additive",
            {"gamma": 0.5},
            "option of the scheme additive 'gamma'; there are: fuse, grid_bits",
        ),
        ("additive", {"fuse": "avg"}, "fuse"),
        ("momentum", {"start": "fist"}, "did you mean 'first'"),
    ],
)
def test_unknown_names_are_answered_with_known_ones(name, options, answer):
    with pytest.raises(UnknownName, match=answer):
        make_scheme(name, options)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Bdia(gamma=0.3, grid_bits=9), r"gamma 0\.5, 0\.25 or 1, not at 0\.3"),
        (lambda: Bdia(gamma=1.1), r"\[0, 1\]"),
        (lambda: Bdia(evaluation_gamma=-1.1), r"\[-1, 1\]"),
        (lambda: Bdia(grid_bits=9, evaluation_gamma=0.25), r"0 or ±0\.5, not at 0\.25"),
        (lambda: Momentum(gamma=0.12345, grid_bits=9), "at most three decimals"),
        (lambda: Coefficients(end_beta=0.71234, grid_bits=9), "end_beta with at most three"),
        (lambda: MidpointA(spread=0.95), r"\[0, 0.9\]"),
        (lambda: Bdia(grid_bits=30), "between 0 and 20"),
        (lambda: Momentum(gamma=-0.1), r"\[0, 1\)"),
    ],
    ids=[
        "scale",
        "gamma",
        "evaluation",
        "evaluation on a grid",
        "ratio",
        "weight",
        "spread",
        "grid",
        "momentum",
    ],
)
def test_impossible_options_are_refused(make, says):
    with pytest.raises(RevconsoleError, match=says):
        make()


def test_schemes_are_values():
    assert len({Bdia(), Bdia(gamma=0.5), Additive()}) == 2
