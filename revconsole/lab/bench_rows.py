"""A benchmark as JSON data, for `bench --json`. Names and units are a promise: seconds, bytes, null for unknown."""

from typing import Any

from revconsole.records.findings.benchmark import Benchmark, BenchmarkRow


def document(benchmark: Benchmark) -> dict[str, Any]:
    """All measurements, with the raw timings and how they were taken."""
    return {
        "complete": benchmark.complete,
        "facts": dict(benchmark.facts),
        "how": dict(benchmark.how),
        "rounds": benchmark.bench.rounds,
        "memory_bytes": benchmark.bench.memory_bytes,
        "left_out": list(benchmark.bench.left_out),
        "rows": [_row(benchmark, row) for row in benchmark.rows],
    }


def _row(benchmark: Benchmark, row: BenchmarkRow) -> dict[str, Any]:
    step = row.step
    return {
        "scheme": row.scheme,
        "backward": row.backward,
        "depth": row.depth,
        "stored_blocks": row.stored_blocks,
        "batch": row.batch,
        "parameters": row.parameters,
        "step_seconds": step.median if step else None,
        "step_seconds_quartiles": [step.low, step.high] if step else None,
        "of_plain": benchmark.of_plain(row),
        "of_own_stored": benchmark.of_own(row),
        "limit": benchmark.limit(row),
        "work_of_plain": benchmark.work(row),
        "operations": row.operations,
        "kept_bytes": row.kept_bytes,
        "peak_bytes": row.peak_bytes,
        "foreseen_peak_bytes": row.foreseen_peak,
        "fixed_bytes": row.fixed_bytes,
        "largest_batch": benchmark.largest_batch(row),
        "largest_batch_was_tried": row.verified_batch is not None,
        "seconds": list(row.seconds),
        "forward_seconds": list(row.forward_seconds),
        "peaks": [{"batch": batch, "bytes": size} for batch, size in row.peaks],
        "failed": row.failed,
    }
