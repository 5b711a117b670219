"""What floats lose while blocks are undone, against a second computation: roundings drawn one by one."""

import math
import random
from pathlib import Path

import pytest

from revconsole import arithmetic

TRIALS, BLOCKS = 4000, 9
SPREAD = 5 / math.sqrt(2 * TRIALS)
"""Five deviations of a deviation that is estimated from so many draws."""


def drawn(weights: list[tuple[float, float, float]]) -> float:
    """Deviation of the worse of the two states, over many ways back that each make roundings of size 1."""
    source, worst = random.Random(0), 0.0
    errors = [(0.0, 0.0)] * TRIALS
    for a, b, c in reversed(weights):
        slopes = [
            c * arithmetic.SLOPE * source.gauss() for _ in errors
        ]  # directions of no relation
        made = [(1 + abs(b) + abs(c)) * source.gauss() for _ in errors]
        errors = [
            (older, (newer - (b + slope) * older) / a + rounding)
            for (newer, older), slope, rounding in zip(errors, slopes, made, strict=True)
        ]
        worst = max(worst, sum(older**2 for _, older in errors) / TRIALS)
    return math.sqrt(worst)


@pytest.mark.parametrize(
    "weights",
    [
        [(1.0, 0.0, 2.0)] * BLOCKS,
        [(-1.0, 2.0, 1.0)] * BLOCKS,
        [(-0.75, 1.75, 0.5), (1.25, -0.25, 0.5)] * (BLOCKS // 2),
        [(0.7, 0.3, 1.0)] * BLOCKS,
    ],
    ids=["midpoint", "leapfrog", "midpoint_a", "coefficients"],
)
def test_the_growth_of_two_steps_is_that_of_roundings_drawn_one_by_one(weights):
    assert arithmetic.two_step(weights) == pytest.approx(drawn(weights), rel=SPREAD)


def test_a_velocity_divides_each_rounding_at_every_block_below():
    each = [2 * 0.5**-below for below in range(BLOCKS)]

    growth = arithmetic.momentum(BLOCKS, gamma=0.5, exact=False)

    assert growth == pytest.approx(math.sqrt(sum(size**2 for size in each)))


@pytest.mark.parametrize(
    ("gamma", "float32", "fp16", "bf16"), [(0.5, 12, 11, 9), (0.7, 23, 17, 13), (0.9, 72, 44, 32)]
)
def test_the_page_of_schemes_has_the_most_blocks_that_floats_may_undo(gamma, float32, fp16, bf16):
    """By the sum of the geometric series, in place of the recursion."""

    def grown(blocks: int) -> float:
        return 2 * math.sqrt((gamma ** (-2 * blocks) - 1) / (gamma**-2 - 1))

    def lost(blocks: int, bits: int) -> bool:
        streams, branches = grown(blocks) * 2**-24, grown(blocks - 3) * 2.0**-bits / 8
        return max(streams, branches) > 2 ** (-0.4 * bits) / 2.5

    most = [max(n for n in range(4, 100) if not lost(n, bits)) for bits in (24, 11, 8)]
    page = (Path(__file__).parents[1] / "docs" / "schemes.md").read_text(encoding="utf-8")
    assert most == [float32, fp16, bf16]
    assert f"| {gamma} | {float32} | {fp16} | {bf16} |" in page


def test_nothing_grows_where_it_is_exact_and_everything_where_there_is_no_inverse():
    assert arithmetic.midpoint(48, step=1.0, exact=True) == 0.0
    assert arithmetic.unamplified(48, exact=True) == 0.0
    assert arithmetic.bdia(2, gamma=0.0, exact=True) == math.inf
    assert arithmetic.momentum(2, gamma=0.0, exact=True) == math.inf
    assert arithmetic.coefficients(2, start=(1, 0), end=(1, 0), exact=False) == math.inf


def test_two_fifths_of_the_digits_must_be_left():
    assert arithmetic.limit(2.0**-24) == pytest.approx(2.0 ** (-24 * 0.4) / 2.5)
    assert arithmetic.limit(2.0**-53) == arithmetic.limit(2.0**-24)


def test_coarse_branches_count_after_the_first_blocks():
    def error(blocks):
        return arithmetic.foretold(lambda n: 10.0**n, blocks, streams=2.0**-24, branches=2.0**-8)

    assert error(3) == 10.0**3 * 2.0**-24
    assert error(5) == 10.0**2 * 2.0**-8 / 8


@pytest.mark.parametrize(("value", "ratio"), [(0.9, (9, 10)), (0.123, (123, 1000)), (0.1234, None)])
def test_a_weight_is_a_ratio_of_thousandths_or_none(value, ratio):
    found = arithmetic.thousandth(value)

    assert (found and (found.numerator, found.denominator)) == ratio
