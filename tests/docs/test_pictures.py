"""The pictures of README and docs show the program as it is."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "assets"
PICTURES = runpy.run_path(str(ROOT / "docs" / "pictures.py"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The pictures as they would be drawn now."""
    return PICTURES["drawn"](tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("name", PICTURES["SHOTS"])
def test_a_picture_says_what_the_screen_says(fresh, name):
    stored = (ASSETS / f"{name}.svg").read_text(encoding="utf-8")

    assert PICTURES["text"](stored) == PICTURES["text"](fresh[name]), (
        "`make pictures` draws it anew"
    )


def test_no_picture_is_left_over():
    assert {path.stem for path in ASSETS.glob("*.svg")} == set(PICTURES["SHOTS"])


def test_no_picture_asks_another_host_for_anything():
    for path in ASSETS.glob("*.svg"):
        addresses = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in addresses


def test_a_word_that_is_not_on_the_screen_any_more_is_noticed(fresh):
    svg = fresh["study"]

    assert PICTURES["text"](svg.replace("seed", "lead")) != PICTURES["text"](svg)
    assert PICTURES["text"](svg.replace("fill: #", "fill: #0")) == PICTURES["text"](svg)
