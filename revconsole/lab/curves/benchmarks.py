"""Figures of a benchmark: time against memory of the configurations, and memory against depth."""

from collections.abc import Sequence

from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.units import MIB
from revconsole.records.findings.benchmark import Benchmark, BenchmarkRow


def figures(benchmark: Benchmark) -> list[Figure]:
    """Time against memory for every depth, then memory against depth; figures without points are left out."""
    drawn = [_time_against_memory(benchmark, depth) for depth in benchmark.depths]
    return [figure for figure in (*drawn, _memory_against_depth(benchmark)) if figure.curves]


def _time_against_memory(benchmark: Benchmark, depth: int | None) -> Figure:
    """One curve per scheme, from all blocks reversed to all blocks stored, and a point for the plain network with checkpoints."""
    rows = [row for row in benchmark.rows if row.depth == depth and row.seconds]
    peaks = all(row.peak_bytes is not None for row in rows)
    curves = []
    for scheme in dict.fromkeys(row.scheme for row in rows):
        own = [row for row in rows if row.scheme == scheme]
        curves.append(
            _trade(benchmark, [r for r in own if r.backward != "checkpointed"], scheme, peaks)
        )
        if scheme == "residual":
            rival = [r for r in own if r.backward == "checkpointed"]
            curves.append(_trade(benchmark, rival, "residual, checkpointed", peaks))
    at = "" if depth is None else f", depth {depth}"
    return Figure(
        title=f"time of a step against {'peak memory' if peaks else 'memory kept for backward'}{at}",
        x_label="MiB",
        y_label="× plain",
        curves=tuple(curve for curve in curves if curve.xs),
    )


def _trade(benchmark: Benchmark, rows: Sequence[BenchmarkRow], label: str, peaks: bool) -> Curve:
    points = []
    for row in rows:
        size, time = row.peak_bytes if peaks else row.kept_bytes, benchmark.of_plain(row)
        if size is not None and time is not None:
            points.append((size / MIB, time))
    return _curve(label, points)


def _memory_against_depth(benchmark: Benchmark) -> Figure:
    """Memory kept by the reversible backward of each scheme, and by the plain network stored and checkpointed; needs two depths."""
    curves = []
    for scheme in dict.fromkeys(row.scheme for row in benchmark.rows):
        ways = ("stored", "checkpointed") if scheme == "residual" else ("reversible",)
        for way in ways:
            points = [
                (row.depth, row.kept_bytes / MIB)
                for row in benchmark.rows
                if (row.scheme, row.backward) == (scheme, way)
                and row.depth is not None
                and row.kept_bytes is not None
            ]
            curves.append(_curve(f"{scheme}, {way}", points))
    return Figure(
        title="memory kept for backward against depth",
        x_label="blocks",
        y_label="MiB",
        curves=tuple(curve for curve in curves if len(curve.xs) > 1),
    )


def _curve(label: str, points: Sequence[tuple[float, float]]) -> Curve:
    ordered = sorted(points)
    return Curve(
        label=label, run_id=label, xs=tuple(x for x, _ in ordered), ys=tuple(y for _, y in ordered)
    )
