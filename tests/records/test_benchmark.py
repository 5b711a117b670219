"""The arithmetic on recorded timings and peaks: medians, ratios of medians, limits, the largest batch."""

from dataclasses import replace

import pytest

from revconsole.records.findings.benchmark import (
    Bench,
    Benchmark,
    BenchmarkRow,
    Configuration,
    spread,
)
from revconsole.records.sections.model import Vit
from revconsole.records.sections.scheme import BdiaSection, MomentumSection
from revconsole.records.settings.plan import Plan

MIB = 2**20


def row(scheme: str, backward: str, seconds=(), *, depth=4, **more) -> BenchmarkRow:
    return BenchmarkRow(
        scheme=scheme, backward=backward, depth=depth, batch=8, seconds=seconds, **more
    )


@pytest.fixture
def benchmark() -> Benchmark:
    """Plain: 2 s; momentum stored: 3 s, of which 1 s forward; momentum reversed: 4 s; each with an outlier."""
    rows = (
        row("residual", "stored", (90.0, 2.0, 2.0), operations=300),
        row("momentum", "stored", (80.0, 3.0, 3.0), forward_seconds=(70.0, 1.0, 1.0)),
        row("momentum", "reversible", (70.0, 3.0, 4.0), operations=400),
        row("residual", "stored", (5.0,), depth=8),
        row("momentum", "stored", (), depth=8),
        row("momentum", "reversible", (10.0,), depth=8),
    )
    return Benchmark(
        bench=Bench(configurations=(), rounds=3, memory_bytes=100 * MIB),
        facts={},
        how={},
        rows=rows,
    )


def test_ratios_are_of_medians_at_the_same_depth(benchmark):
    reversed_row, deep = benchmark.rows[2], benchmark.rows[5]

    assert benchmark.of_plain(reversed_row) == 4.0 / 2.0
    assert benchmark.of_own(reversed_row) == 4.0 / 3.0
    assert benchmark.of_plain(deep) == 10.0 / 5.0


def test_work_is_counted_against_the_plain_network_of_the_same_depth(benchmark):
    assert benchmark.work(benchmark.rows[2]) == 400 / 300


def test_the_limit_is_one_plus_the_forward_share_of_the_same_scheme_stored(benchmark):
    assert benchmark.limit(benchmark.rows[2]) == 1 + 1.0 / 3.0


def test_what_was_not_measured_has_no_ratio(benchmark):
    assert benchmark.of_own(benchmark.rows[5]) is None
    assert benchmark.of_plain(benchmark.rows[4]) is None
    assert benchmark.work(benchmark.rows[1]) is None
    assert benchmark.work(benchmark.rows[5]) is None
    assert benchmark.limit(benchmark.rows[5]) is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [((5.0, 1.0, 4.0, 2.0, 3.0), (2.0, 3.0, 4.0)), ((1.0, 2.0), (1.25, 1.5, 1.75)), ((7.0,), (7.0,) * 3)],
)  # fmt: skip
def test_a_spread_is_median_and_quartiles(seconds, expected):
    found = spread(seconds)

    assert found is not None
    assert (found.low, found.median, found.high) == expected
    assert spread(()) is None


def test_the_largest_batch_is_the_tried_one_and_else_the_foreseen_one(benchmark):
    foreseen = row("residual", "stored", peaks=((2, 2 * MIB), (8, 8 * MIB)), foreseen_batch=60)

    assert benchmark.largest_batch(foreseen) == 60
    assert benchmark.largest_batch(replace(foreseen, verified_batch=58)) == 58
    assert benchmark.largest_batch(row("residual", "stored")) is None
    assert foreseen.peak_bytes == 8 * MIB


def test_a_configuration_is_named_as_the_command_line_takes_it():
    plan = Plan(name="x", model=Vit(depth=3), scheme=BdiaSection(), backward="reversible")
    mixed = Configuration(plan=plan, stored_blocks=1)

    assert (mixed.scheme, mixed.backward) == ("bdia", "last 1 stored")
    assert (mixed.depth, mixed.batch) == (3, 128)
    assert Configuration(plan=Plan(name="x", scheme=MomentumSection())).scheme == "momentum"
    floats = Plan(name="x", scheme=BdiaSection(grid_bits=None))
    assert Configuration(plan=floats).scheme == "bdia:grid_bits=none"
    assert Configuration(plan=plan).cost > mixed.cost > 3
