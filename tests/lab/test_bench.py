"""Which configurations a benchmark measures: what was asked for, and what that is compared with."""

from pathlib import Path

import pytest

from revconsole.errors import ProfileError, UnknownName
from revconsole.lab.bench import WantedBenchmark, bench_of, scheme_tables
from revconsole.lab.curves.benchmarks import figures
from revconsole.records.findings.benchmark import Bench, Benchmark, BenchmarkRow
from revconsole.records.sections import KINDS

MIB = 2**20


def measured(**changes) -> list[tuple[int | None, str, str]]:
    bench = bench_of(WantedBenchmark(memory_bytes=MIB, **changes))
    return [(c.depth, c.scheme, c.backward) for c in bench.configurations]


def test_without_a_profile_every_scheme_is_measured_at_two_depths():
    found = measured()

    assert {depth for depth, _, _ in found} == {4, 8}
    assert {scheme.partition(":")[0] for _, scheme, _ in found} == set(KINDS["scheme"][1])
    assert (8, "bdia", "reversible") in found
    assert found[0] == (4, "residual", "stored")
    assert not [row for row in found if row[1:] == ("residual", "reversible")]
    assert len(set(found)) == len(found)


def test_what_others_are_compared_with_is_always_measured():
    found = measured(schemes=["momentum"], backwards=["reversible"], depths=[2])

    assert found == [
        (2, "residual", "stored"),
        (2, "momentum", "stored"),
        (2, "momentum", "reversible"),
    ]


def test_options_of_a_scheme_may_be_several():
    tables = scheme_tables(["additive", "bdia:gamma=0.25", "grid_bits=9", "momentum:gamma=0.5"])

    assert tables == [
        {"name": "additive"},
        {"name": "bdia", "gamma": 0.25, "grid_bits": 9},
        {"name": "momentum", "gamma": 0.5},
    ]


def test_what_cannot_be_reversed_is_left_out_with_the_reason():
    bench = bench_of(
        WantedBenchmark(
            memory_bytes=MIB,
            schemes=["residual", "bdia:grid_bits=none"],
            backwards=["reversible"],
            depths=[20],
        )
    )

    assert [c.backward for c in bench.configurations] == ["stored", "stored"]
    assert any("residual" in reason for reason in bench.left_out)
    assert any("float bdia" in reason for reason in bench.left_out)


def test_blocks_may_be_kept_from_none_to_all():
    found = measured(
        schemes=["additive"], backwards=["stored"], depths=[4], stored_blocks=[0, 1, 4]
    )
    bench = bench_of(
        WantedBenchmark(memory_bytes=MIB, schemes=["additive"], depths=[4], stored_blocks=[5])
    )

    assert [backward for _, scheme, backward in found if scheme == "additive"] == [
        "stored",
        "reversible",
        "last 1 stored",
    ]
    assert bench.left_out == ("a model of 4 blocks cannot keep 5",)


def test_a_profile_brings_its_model_schemes_and_depth():
    Path("mine.toml").write_text(
        'title = "mine"\n[model]\ndim = 32\nheads = 2\n[train]\nbatch = 12\naccumulate = 3\n[vary]\n'
        '"model.depth" = [2, 3]\nscheme = [{name = "momentum", gamma = 0.5}, {name = "additive"}]\n'
    )
    bench = bench_of(WantedBenchmark(memory_bytes=MIB, profile="mine", backwards=["stored"]))

    assert [(c.depth, c.scheme, c.batch) for c in bench.configurations] == [
        (depth, scheme, 4)
        for depth in (2, 3)
        for scheme in ("residual", "momentum:gamma=0.5", "additive")
    ]


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"schemes": ["momentun"]}, UnknownName, "did you mean 'momentum'?"),
        ({"schemes": ["bdia:gama=1"]}, ProfileError, "did you mean 'gamma'?"),
        ({"schemes": ["momentum:gamma=7"]}, ProfileError, "should be less than 1"),
        ({"backwards": ["revesible"]}, UnknownName, "did you mean 'reversible'?"),
        ({"settings": {"model.dim": 10}}, ProfileError, "3 heads do not divide dim 10"),
        ({"settings": {"model.dim": [48, 96]}}, ProfileError, "measures one model"),
        ({"settings": {"model.architecture": "timm"}, "depths": [2]}, ProfileError, "leave --depths out"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(changes, error, sentence):
    with pytest.raises(error) as caught:
        bench_of(WantedBenchmark(memory_bytes=MIB, **changes))

    assert sentence in str(caught.value)


def test_the_figures_go_from_everything_reversed_to_everything_stored_and_along_depth():
    def row(scheme, backward, depth, peak, seconds):
        size = int(peak * MIB)
        return BenchmarkRow(
            scheme=scheme, backward=backward, depth=depth, batch=8, kept_bytes=size // 2,
            peaks=((8, size),), seconds=(seconds,), forward_seconds=(seconds / 3,),
        )  # fmt: skip

    rows = []
    for depth in (4, 8):
        rows += [
            row("residual", "stored", depth, 10 * depth, 1.0),
            row("residual", "checkpointed", depth, 2 * depth, 1.3),
            row("additive", "stored", depth, 12 * depth, 1.1),
            row("additive", "reversible", depth, 8, 1.5),
            row("additive", "last 2 stored", depth, 20, 1.4),
        ]
    bench = Bench(configurations=(), rounds=1, memory_bytes=MIB)

    drawn = figures(Benchmark(bench=bench, facts={}, how={}, rows=tuple(rows)))

    trade, _, along, peaks, times = drawn  # one batch makes no curve along batches
    curves = {curve.label: (curve.xs, curve.ys) for curve in trade.curves}
    assert curves["additive"] == ((8.0, 20.0, 48.0), (1.5, 1.4, 1.1))
    assert curves["residual, checkpointed"] == ((8.0,), (1.3,))
    assert {c.label: c.ys for c in along.curves} == {
        "residual, stored": (20.0, 40.0),
        "residual, checkpointed": (4.0, 8.0),
        "additive, reversible": (4.0, 4.0),
    }
    assert {c.label: c.ys for c in peaks.curves}["additive, reversible"] == (8.0, 8.0)
    assert {c.label: c.ys for c in times.curves}["residual, checkpointed"] == (1300.0, 1300.0)
    assert figures(Benchmark(bench=bench, facts={}, how={})) == []


def test_the_peak_along_the_batch_is_of_the_greatest_depth():
    rows = [
        BenchmarkRow(
            scheme="residual", backward="stored", depth=depth, batch=8, peaks=((8, depth * MIB), (16, 2 * depth * MIB))
        )
        for depth in (2, 4)
    ]  # fmt: skip
    bench = Bench(configurations=(), rounds=1, memory_bytes=MIB)

    *_, along = figures(Benchmark(bench=bench, facts={}, how={}, rows=tuple(rows)))

    assert along.title == "peak memory against batch, depth 4"
    assert [(c.xs, c.ys) for c in along.curves] == [((8.0, 16.0), (4.0, 8.0))]
