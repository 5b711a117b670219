"""Table: the numbers of each arm, and the same as people read them. Percent and MiB from here on."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.lab import format as form
from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.statistics import FEWEST, LEVEL, Difference, Spread, difference, spread
from revconsole.records.run import Series

TEST, SECONDS, KEPT = "test_accuracy", "epoch_seconds", "kept_for_backward_bytes"
QUICK = "quick form: fewer images and epochs than the full study, so no result of the full one"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One arm in numbers; None is not known. accuracy: fractions, of the best epoch on the test images."""

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
    accuracy: Spread | None
    best_epochs: tuple[int, ...]
    epochs: int
    gain: Difference | None
    alike: int
    """Runs that are copies of another of the arm, and are not counted again."""
    finished: int
    planned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Headings, a list of cells for each arm, and what is to be said below. All of it is text to be escaped."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def arm_rows(results: Results) -> tuple[ArmRow, ...]:
    """Every arm in numbers, in the order of the study."""
    baseline = results.reference
    return tuple(_row(arm, baseline) for arm in results.arms)


def table(results: Results) -> Table:
    """Every arm as people read it; columns of which nothing is known are left out."""
    rows = arm_rows(results)
    columns = [
        ("arm", [f"{row.name} (quick)" if row.quick else row.name for row in rows]),
        (results.swept, ["" if row.swept is None else f"{row.swept:g}" for row in rows]),
        ("seeds", [_seeds(row) for row in rows]),
        ("parameters", [form.learnt(row.parameters, row.support_vectors) for row in rows]),
        ("multiply-adds = FLOPs per image", [form.both_counts(row.multiply_adds_per_image) for row in rows]),
        ("s per epoch", [_number(row.epoch_seconds) for row in rows]),
        ("kept for backward", [form.memory(row.kept_bytes) for row in rows]),
        ("peak memory", [form.memory(row.peak_bytes) for row in rows]),
        ("test accuracy", [accuracy(row.accuracy) for row in rows]),
        ("best epoch", [_epochs(row) for row in rows]),
        (f"difference to {results.reference.name}", [_gain(row) for row in rows]),
    ]  # fmt: skip
    kept = [(heading, cells) for heading, cells in columns if heading and any(map(_known, cells))]
    return Table(
        caption=f"{results.title} (quick form)" if results.quick else results.title,
        headings=tuple(heading for heading, _ in kept),
        rows=tuple(zip(*(cells for _, cells in kept), strict=True)),
        notes=tuple(_notes(results, rows)),
    )


def _known(cell: str) -> bool:
    return cell not in {"", form.UNKNOWN}


def accuracy(found: Spread | None) -> str:
    """A mean of fractions and its deviation in percent, two decimals; below 100 % never rounded up to it."""
    if found is None:
        return form.UNKNOWN
    mean = found.mean * 100
    if mean < 100 <= round(mean, 2):
        mean = math.floor(mean * 100) / 100
    if found.deviation is None:
        return f"{mean:.2f} %"
    return f"{mean:.2f} ± {found.deviation * 100:.2f} %"


def verdict(gain: Difference) -> str:
    """A difference in percentage points, and whether it is told from chance, or why that was not tested."""
    points = f"{gain.mean * 100:+.2f} pp"
    if gain.p is None:
        return f"{points} (not tested: {gain.why_untested})"
    value = "p < 0.001" if gain.p < 0.001 else f"p = {gain.p:.3f}"
    return (
        f"{points} ({value})"
        if gain.distinguishable
        else f"{points} (not distinguishable, {value})"
    )


def gain(arm: ArmResult, baseline: ArmResult) -> Difference | None:
    """The difference of the test accuracy to the baseline's; None where either has none."""
    copies = arm.copied or baseline.copied
    return difference(arm.by_seed(TEST), baseline.by_seed(TEST), copies=copies)


def peak_of(results: Results) -> str:
    """What the peak memory is of, in one word or several."""
    return ", ".join(sorted({r.summary.peak_memory_of for r in results.runs} - {""}))


def _row(arm: ArmResult, baseline: ArmResult) -> ArmRow:
    tested, first = arm.by_seed(TEST), arm.runs[0]
    return ArmRow(
        name=arm.name,
        quick=arm.quick,
        baseline=arm is baseline,
        swept=arm.swept,
        parameters=first.summary.parameters,
        support_vectors=first.summary.support_vectors,
        multiply_adds_per_image=first.summary.multiply_adds_per_image,
        epoch_seconds=_mean([s for run in arm.runs for s in _values(run.series.get(SECONDS))]),
        kept_bytes=_mean(list(arm.by_seed(KEPT).values())),
        peak_bytes=_largest([run.summary.peak_memory_bytes for run in arm.runs]),
        accuracy=spread(list(tested.values())),
        best_epochs=tuple(e for run in arm.runs if (e := run.summary.best_epoch) is not None),
        epochs=max(run.plan.epochs for run in arm.runs),
        gain=None if arm is baseline else gain(arm, baseline),
        alike=len(arm.runs) - len(arm.originals),
        finished=len(arm.runs),
        planned=arm.planned,
    )


def _notes(results: Results, rows: Sequence[ArmRow]) -> list[str]:
    notes = [f"{QUICK[:1].upper()}{QUICK[1:]}."] if results.quick else []
    notes.append(_accuracy_note(rows))
    notes.append(
        "Kept for backward: bytes that the forward pass of one micro-batch keeps, parameters not counted. "
        + _peak_note(peak_of(results))
        + "Seconds per epoch: training steps alone, mean over epochs and seeds."
    )
    if any(row.support_vectors is not None for row in rows):
        notes.append(
            "A support vector machine has support vectors, training images that it keeps, in place of parameters; its "
            "one epoch is the whole fit, it has no loss, and nothing of it depends on the seed."
        )
    if alike := [row.name for row in rows if row.alike]:
        notes.append(
            f"Several seeds gave the very same weights, one answer that is counted once: {', '.join(alike)}."
        )
    if short := [row.name for row in rows if row.finished < row.planned]:
        notes.append(f"Not every seed has finished of: {', '.join(short)}.")
    if results.missing:
        notes.append(f"No finished run, and so not in the table: {', '.join(results.missing)}.")
    if len({run.summary.fingerprint for run in results.runs}) > 1:
        notes.append("The arms did not train on the same images and split: see the fingerprints.")
    if len({run.plan.epochs for run in results.runs}) > 1:
        notes.append("The arms have different numbers of epochs.")
    return notes


def _accuracy_note(rows: Sequence[ArmRow]) -> str:
    """Of what is in the table: a deviation, a difference and a test are named only where there is one."""
    spread_ = any(row.accuracy is not None and row.accuracy.deviation is not None for row in rows)
    mean = "mean ± sample standard deviation over seeds, " if spread_ else ""
    parts = [f"Test accuracy: {mean}of the epoch with the best validation accuracy."]
    gains = [row.gain for row in rows if row.gain is not None]
    if any(gain.p is not None for gain in gains):
        parts.append(
            f"Differences in percentage points, with a two-sided paired t-test over seeds; p > {LEVEL:g} is not "
            "distinguishable from chance. No correction for several comparisons."
        )
    elif gains:
        parts.append("Differences in percentage points; none was tested.")
    if any(gain.p is None for gain in gains):
        parts.append(
            f"A difference is tested from {FEWEST} seeds on, where both arms have the same ones; of one that was not tested nothing "
            "is claimed."
        )
    return " ".join(parts)


def _peak_note(of: str) -> str:
    if not of:
        return ""
    caution = ", in which memory of runs before it in the same process may remain"
    return f"Peak memory: the largest over seeds, {of}{caution if 'resident' in of else ''}. "


def _seeds(row: ArmRow) -> str:
    done = str(row.finished) if row.finished == row.planned else f"{row.finished} of {row.planned}"
    return f"{done}, {row.alike + 1} alike" if row.alike else done


def _epochs(row: ArmRow) -> str:
    if not row.best_epochs:
        return form.UNKNOWN
    low, high = min(row.best_epochs), max(row.best_epochs)
    return f"{low} of {row.epochs}" if low == high else f"{low}–{high} of {row.epochs}"


def _gain(row: ArmRow) -> str:
    if row.baseline:
        return "baseline"
    return form.UNKNOWN if row.gain is None else verdict(row.gain)


def _number(seconds: float | None) -> str:
    return (
        form.UNKNOWN
        if seconds is None
        else f"{seconds:.3g}"
        if seconds < 100
        else f"{seconds:,.0f}"
    )


def _values(series: Series | None) -> list[float]:
    return [] if series is None else series.values


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _largest(values: Sequence[int | None]) -> float | None:
    return max((float(v) for v in values if v is not None), default=None)
