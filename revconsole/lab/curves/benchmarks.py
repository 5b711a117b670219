"""Figures of a benchmark: time against memory of the configurations, and both against depth and batch."""

from collections.abc import Callable, Iterator, Sequence

from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.units import MIB
from revconsole.records.findings.benchmark import Benchmark, BenchmarkRow

KEPT = "memory kept for backward"


def figures(benchmark: Benchmark) -> list[Figure]:
    """Time against memory for every depth, memory and time against depth, memory against batch; none without points."""
    drawn = [
        *(_time_against_memory(benchmark, depth) for depth in benchmark.depths),
        _against_depth(benchmark, KEPT, "MiB", lambda row: _mebibytes(row.kept_bytes)),
        _against_depth(benchmark, "peak memory", "MiB", lambda row: _mebibytes(row.peak_bytes)),
        _against_depth(benchmark, "time of a step", "ms", _milliseconds),
        _peak_against_batch(benchmark),
    ]
    return [figure for figure in drawn if figure.curves]


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
        title=f"time of a step against {'peak memory' if peaks else KEPT}{at}",
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


def _against_depth(
    benchmark: Benchmark, title: str, y_label: str, number: Callable[[BenchmarkRow], float | None]
) -> Figure:
    """A number of the reversible backward of each scheme, and of the plain network stored and checkpointed; needs two depths."""
    curves = []
    for label, rows in _ways(benchmark):
        points = [
            (float(row.depth), value)
            for row in rows
            if row.depth is not None and (value := number(row)) is not None
        ]
        curves.append(_curve(label, points))
    return Figure(
        title=f"{title} against depth",
        x_label="blocks",
        y_label=y_label,
        curves=tuple(curve for curve in curves if len(curve.xs) > 1),
    )


def _peak_against_batch(benchmark: Benchmark) -> Figure:
    """Peak memory of the same ways at the greatest depth, for every batch that was measured; needs two batches."""
    greatest = max((depth for depth in benchmark.depths if depth is not None), default=None)
    curves = [
        _curve(label, [(float(batch), size / MIB) for row in rows if row.depth == greatest for batch, size in row.peaks])
        for label, rows in _ways(benchmark)
    ]  # fmt: skip
    at = "" if greatest is None else f", depth {greatest}"
    return Figure(
        title=f"peak memory against batch{at}",
        x_label="images",
        y_label="MiB",
        curves=tuple(curve for curve in curves if len(curve.xs) > 1),
    )


def _ways(benchmark: Benchmark) -> Iterator[tuple[str, list[BenchmarkRow]]]:
    """The backwards that are compared along depth and batch, each with its name and its rows."""
    for scheme in dict.fromkeys(row.scheme for row in benchmark.rows):
        for way in ("stored", "checkpointed") if scheme == "residual" else ("reversible",):
            rows = [r for r in benchmark.rows if (r.scheme, r.backward) == (scheme, way)]
            yield f"{scheme}, {way}", rows


def _mebibytes(size: int | None) -> float | None:
    return None if size is None else size / MIB


def _milliseconds(row: BenchmarkRow) -> float | None:
    return None if row.step is None else 1000 * row.step.median


def _curve(label: str, points: Sequence[tuple[float, float]]) -> Curve:
    ordered = sorted(points)
    return Curve(
        label=label, run_id=label, xs=tuple(x for x, _ in ordered), ys=tuple(y for _, y in ordered)
    )
