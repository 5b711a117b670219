"""Numbers: every arm of a report in numbers: fractions, seconds and bytes."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.statistics import (
    MeanDifference,
    MeanSpread,
    corrected,
    difference,
    spread,
)
from revconsole.records.runs.run import Run, Series

TEST, SECONDS, KEPT = "test_accuracy", "epoch_seconds", "kept_for_backward_bytes"
POWER = "gpu_power"
HOUR = 3600.0
CLEAN = "train_accuracy_clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One arm in numbers; None is unknown. accuracy: fraction, on the test images, of the best epoch."""

    name: str
    group: str
    short: str
    quick: bool
    baseline: bool
    swept: float | None
    parameters: int | None
    support_vectors: int | None
    multiply_adds_per_image: int | None
    epoch_seconds: float | None
    device_hours: float
    """Hours of training of all its runs together, times the devices that each used."""
    watt_hours: float | None
    """Energy that their cards drew meanwhile, by samples of the driver; None if one of them has none."""
    kept_bytes: float | None
    peak_bytes: float | None
    accuracy: MeanSpread | None
    reported: float | None
    """Test accuracy that others published, a fraction."""
    clean: MeanSpread | None
    """Accuracy of the same weights on training images evaluated like test images, a fraction."""
    best_epochs: tuple[int, ...]
    epochs: int
    gain: MeanDifference | None
    """Difference to the baseline, corrected for as many tests as there are arms beside it."""
    step: MeanDifference | None
    """In a ladder, the difference to the arm above, corrected for as many tests as there are steps; None elsewhere."""
    alike: int
    """Number of runs that are copies of another run of the arm and do not count."""
    finished: int
    planned: int


def arm_rows(results: Results) -> tuple[ArmRow, ...]:
    """Every arm in numbers, in the order of the study."""
    rows = [_row(arm, results.baseline_of(arm)) for arm in results.arms]
    above = zip(results.arms[1:], results.arms, strict=False) if results.ladder else ()
    steps = [None, *(gain(arm, before) for arm, before in above)]
    steps += [None] * (len(rows) - len(steps))
    tested = zip(rows, corrected([row.gain for row in rows]), corrected(steps), strict=True)
    return tuple(replace(row, gain=gained, step=step) for row, gained, step in tested)


def gain(arm: ArmResult, baseline: ArmResult) -> MeanDifference | None:
    """The difference of the test accuracy to another arm's; None if one of them has none."""
    copies = arm.copied or baseline.copied
    return difference(arm.by_seed(TEST), baseline.by_seed(TEST), copies=copies)


def peak_of(results: Results) -> str:
    """What the peak memory refers to, as words."""
    return ", ".join(sorted({r.summary.peak_memory_of for r in results.runs} - {""}))


def _row(arm: ArmResult, baseline: ArmResult | None) -> ArmRow:
    tested = arm.by_seed(TEST)
    return ArmRow(
        name=arm.name,
        group=arm.group,
        short=arm.short or arm.name,
        quick=arm.quick,
        baseline=arm is baseline,
        swept=arm.swept,
        parameters=_same(run.summary.parameters for run in arm.runs),
        support_vectors=_same(run.summary.support_vectors for run in arm.runs),
        multiply_adds_per_image=_same(run.summary.multiply_adds_per_image for run in arm.runs),
        epoch_seconds=_mean([s for run in arm.runs for s in _values(run.series.get(SECONDS))]),
        device_hours=sum(_device_hours(run) for run in arm.runs),
        watt_hours=_total([_watt_hours(run) for run in arm.runs]),
        kept_bytes=_mean(list(arm.by_seed(KEPT).values())),
        peak_bytes=_largest([run.summary.peak_memory_bytes for run in arm.runs]),
        accuracy=spread(list(tested.values())),
        reported=None if arm.reported is None else arm.reported / 100,
        clean=spread(list(arm.by_seed(CLEAN).values())),
        best_epochs=tuple(e for run in arm.runs if (e := run.summary.best_epoch) is not None),
        epochs=max(run.summary.epochs or run.summary.epoch for run in arm.runs),
        gain=None if baseline is None or arm is baseline else gain(arm, baseline),
        step=None,
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


def _device_hours(run: Run) -> float:
    return run.summary.seconds * run.plan.train.ranks / HOUR


def _watt_hours(run: Run) -> float | None:
    """Mean power of the first rank's card times the device hours; samples are 5 seconds apart or more."""
    power = _mean(_values(run.series.get(POWER)))
    return None if power is None else power * _device_hours(run)


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
