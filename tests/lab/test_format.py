"""Numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from revconsole.lab import format as shown


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0.0 %"),
        (0.9716, "97.2 %"),
        (1.0, "100.0 %"),
        (None, shown.UNKNOWN),
        (math.nan, "NaN"),
    ],
)
def test_a_fraction_is_shown_in_percent(fraction, text):
    assert shown.percent(fraction) == text


@pytest.mark.parametrize("fraction", [0.9995, 0.9996, 0.99999, math.nextafter(1, 0)])
def test_less_than_all_right_is_never_shown_as_all_right(fraction):
    assert shown.percent(fraction).startswith("99.9")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (600, "600 bytes"),
        (1023.6, "1,024 bytes"),
        (1024, "1.00 KiB"),
        (52_000, "50.8 KiB"),
        (0.12 * 2**20, "0.12 MiB"),
        (1_572_864, "1.50 MiB"),
        (10 * 2**20, "10.0 MiB"),
        (2_000 * 2**20, "2,000 MiB"),
        (None, shown.UNKNOWN),
    ],
)
def test_bytes_are_shown_in_the_unit_that_fits(size, text):
    assert shown.memory(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (90_000, "1 d 1 h"),
        (math.inf, "∞"),
        (None, shown.UNKNOWN),
    ],
)
def test_seconds_are_shown_in_the_units_that_matter(seconds, text):
    assert shown.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (42, "0:42"), (725, "12:05"), (11_045, "3:04:05"), (90_000, "1 d 1 h")],
)
def test_seconds_are_shown_as_a_clock_in_narrow_columns(seconds, text):
    assert shown.clock(seconds) == text


def test_differences_carry_their_sign_and_unit():
    assert shown.points(0.012) == "+1.2 pp"
    assert shown.points(-0.012) == "-1.2 pp"
    assert shown.ratio(0.25).endswith("0.25")
    assert shown.count(85_800_194) == "85,800,194"
    assert shown.value(0.123456) == "0.1235"


def test_what_does_not_fit_is_left_out_of_the_middle():
    assert shown.shortened("demo-bdia-s1", 12) == "demo-bdia-s1"
    assert shown.shortened("demo-bdia-learning_rate0.01-s1", 13) == "demo-b….01-s1"


@given(text=st.text(max_size=60), width=st.integers(1, 70))
def test_shortened_text_fits_and_begins_and_ends_as_the_whole(text, width):
    short = shown.shortened(text, width)
    assert cell_len(short) <= width or short == text
    head, found, tail = short.partition("…")
    if short != text:
        assert found
        assert text.startswith(head)
        assert text.endswith(tail)


@pytest.mark.parametrize("width", [13, 16, 24])
def test_the_runs_of_a_grid_are_told_apart_where_they_differ(width):
    names = [
        f"demo-{scheme}-learning_rate{rate}-s{seed}"
        for scheme in ("residual", "bdia")
        for rate in (0.01, 0.02, 0.03)
        for seed in (1, 2)
    ]
    short = shown.told_apart(names, width)
    assert len(set(short)) == 12
    assert all(len(name) <= width for name in short)


def test_names_lose_the_words_that_they_share_not_those_in_which_they_differ():
    trials = [f"{n}: learning_rate {n / 1000}, dropout 0.1, depth {n}" for n in (1, 2)]
    best = "best, trial 2"
    assert shown.told_apart([*trials, best], 26) == [
        "1: …0.001, …1", "2: …0.002, …2", best,
    ]  # fmt: skip
    assert shown.told_apart(trials, 10) == ["1: 0.001 1", "2: 0.002 2"]
    assert shown.told_apart(["the one run", "the one run", "a"], 8)[0] == "the… run"
    assert shown.told_apart(["one very long name", "a very long name of it"], 9)[1] != "…it"


PATH = "/home/somebody/text/question/profiles/studies/tiny.toml"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (60, PATH),
        (54, "/home/…/text/question/profiles/studies/tiny.toml"),
        (40, "/home/…/profiles/studies/tiny.toml"),
        (25, "/home/…/studies/tiny.toml"),
        (18, "/home/…/tiny.toml"),
        (16, "…/tiny.toml"),
        (9, "tiny.toml"),
        (8, "tin…toml"),
    ],
)
def test_a_path_loses_whole_parts_of_its_middle_and_its_last_part_last(width, text):
    assert shown.shortened_path(PATH, width) == text


@given(
    parts=st.lists(st.text("abc.", min_size=1, max_size=12), min_size=1, max_size=9),
    absolute=st.booleans(),
    width=st.integers(14, 80),
)
def test_a_path_fits_and_its_last_part_is_whole(parts, absolute, width):
    path = "/" * absolute + "/".join(parts)
    short = shown.shortened_path(path, width)
    assert len(short) <= width
    assert short.endswith(parts[-1])


def test_paths_in_a_sentence_fit_on_a_line_each():
    sentence = f"cannot read '{PATH}': it is a folder"
    assert shown.fitted(sentence, 80) == sentence
    assert shown.fitted(sentence, 30) == "cannot read '/home/…/studies/tiny.toml': it is a folder"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (17_563_137_024, "17.6 G multiply-adds (35.1 GFLOPs)"),
        (1_253_683_200, "1.25 G multiply-adds (2.51 GFLOPs)"),
        (600_000, "600 k multiply-adds (1.20 MFLOPs)"),
        (999_999, "1.00 M multiply-adds (2.00 MFLOPs)"),
        (999, "999 multiply-adds (2.00 kFLOPs)"),
        (40, "40 multiply-adds (80 FLOPs)"),
        (None, shown.UNKNOWN),
    ],
)
def test_operations_are_shown_in_both_conventions(number, text):
    assert shown.multiply_adds(number) == text


def test_an_eta_that_patience_may_cut_short_says_so():
    assert shown.eta("3:20", None) == "3:20"
    assert shown.eta("3:20", 5) == "3:20 or less (patience 5)"
