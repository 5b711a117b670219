"""Numbers: every arm of a report in numbers: fractions, seconds and bytes."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.statistics import MeanDifference, MeanSpread, difference, spread
from revconsole.records.runs.run import Series

TEST, SECONDS, KEPT = "test_accuracy", "epoch_seconds", "kept_for_backward_bytes"
CLEAN = "train_accuracy_clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One arm in numbers; None is unknown. accuracy: fraction, on the test images, of the best epoch."""

    name: str
    quick: bool
    baseline: bool
    swept: float | None
    parameters: int | None
    support_vectors: int | None
    multiply_adds_per_image: int | None
    epoch_seconds: float | None
    kept_bytes: float | None
    peak_bytes: float | None
    accuracy: MeanSpread | None
    clean: MeanSpread | None
    """Accuracy of the same weights on training images evaluated like test images, a fraction."""
    best_epochs: tuple[int, ...]
    epochs: int
    gain: MeanDifference | None
    alike: int
    """Number of runs that are copies of another run of the arm and do not count."""
    finished: int
    planned: int


def arm_rows(results: Results) -> tuple[ArmRow, ...]:
    """Every arm in numbers, in the order of the study."""
    baseline = results.reference
    return tuple(_row(arm, baseline) for arm in results.arms)


def gain(arm: ArmResult, baseline: ArmResult) -> MeanDifference | None:
    """The difference of the test accuracy to the baseline's; None if one of them has none."""
    copies = arm.copied or baseline.copied
    return difference(arm.by_seed(TEST), baseline.by_seed(TEST), copies=copies)


def peak_of(results: Results) -> str:
    """What the peak memory refers to, as words."""
    return ", ".join(sorted({r.summary.peak_memory_of for r in results.runs} - {""}))


def _row(arm: ArmResult, baseline: ArmResult) -> ArmRow:
    tested = arm.by_seed(TEST)
    return ArmRow(
        name=arm.name,
        quick=arm.quick,
        baseline=arm is baseline,
        swept=arm.swept,
        parameters=_same(run.summary.parameters for run in arm.runs),
        support_vectors=_same(run.summary.support_vectors for run in arm.runs),
        multiply_adds_per_image=_same(run.summary.multiply_adds_per_image for run in arm.runs),
        epoch_seconds=_mean([s for run in arm.runs for s in _values(run.series.get(SECONDS))]),
        kept_bytes=_mean(list(arm.by_seed(KEPT).values())),
        peak_bytes=_largest([run.summary.peak_memory_bytes for run in arm.runs]),
        accuracy=spread(list(tested.values())),
        clean=spread(list(arm.by_seed(CLEAN).values())),
        best_epochs=tuple(e for run in arm.runs if (e := run.summary.best_epoch) is not None),
        epochs=max(run.summary.epochs or run.summary.epoch for run in arm.runs),
        gain=None if arm is baseline else gain(arm, baseline),
        alike=len(arm.runs) - len(arm.originals),
        finished=len(arm.runs),
        planned=arm.planned,
    )


def _same(values: Iterable[int | None]) -> int | None:
    """The value that all runs of an arm have; None if they differ."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _values(series: Series | None) -> list[float]:
    return [] if series is None else series.values


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _largest(values: Sequence[int | None]) -> float | None:
    return max((float(v) for v in values if v is not None), default=None)
