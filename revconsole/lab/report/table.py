"""Table: the numbers of each arm as text. Percent and MiB from here on."""

from revconsole.lab import format as form
from revconsole.lab.report import wording
from revconsole.lab.report.alike import Alike
from revconsole.lab.report.notes import notes
from revconsole.lab.report.numbers import ArmRow, arm_rows
from revconsole.lab.report.results import Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.statistics import MeanSpread

MEANS_NOTHING = form.UNKNOWN
"""Cell for a setting that an arm does not have, or that has no meaning in it."""


def table(results: Results) -> Table:
    """The results as a table; columns without any known value are left out."""
    rows = arm_rows(results)
    columns = [
        ("arm", [f"{row.name} (quick)" if row.quick else row.name for row in rows]),
        (wording.full_name(results.swept), ["" if row.swept is None else f"{row.swept:g}" for row in rows]),
        ("seeds", [_seeds(row) for row in rows]),
        ("parameters", [form.learnt(row.parameters, row.support_vectors) for row in rows]),
        ("multiply-adds (FLOPs) per image", [form.both_counts(row.multiply_adds_per_image) for row in rows]),
        ("s per epoch", [_number(row.epoch_seconds) for row in rows]),
        ("kept for backward", [form.memory(row.kept_bytes) for row in rows]),
        ("peak memory", [form.memory(row.peak_bytes) for row in rows]),
        ("training accuracy", [accuracy(row.clean) for row in rows]),
        ("test accuracy", [accuracy(row.accuracy) for row in rows]),
        ("best epoch", [_epochs(row) for row in rows]),
        (f"difference to {results.reference.name}", [_gain(row) for row in rows]),
    ]  # fmt: skip
    kept = [(heading, cells) for heading, cells in columns if heading and any(map(_known, cells))]
    return Table(
        caption=f"{results.title} (quick form)" if results.quick else results.title,
        headings=tuple(heading for heading, _ in kept),
        rows=tuple(zip(*(cells for _, cells in kept), strict=True)),
        notes=notes(results, rows),
    )


def settings_table(results: Results) -> Table | None:
    """The settings in which the arms differ, a row for each setting and a column for each arm; None if there are none."""
    columns = [Alike(arm.runs, results.arms).settings() for arm in results.arms]
    keys = dict.fromkeys(key for settings in columns for key in settings)
    values = {key: [settings.get(key, MEANS_NOTHING) for settings in columns] for key in keys}
    differing = {
        key: row
        for key, row in values.items()
        if len(set(map(repr, row))) > 1 and any(map(_is_set, row))
    }
    if not differing:
        return None
    return Table(
        caption="What the arms differ in",
        headings=("setting", *(arm.name for arm in results.arms)),
        rows=tuple((wording.full_name(key), *map(_cell, row)) for key, row in differing.items()),
        notes=(),
    )


def _is_set(value: object) -> bool:
    """Whether the value is neither unset, nor off, nor without a meaning."""
    return value is not None and value is not False and value != MEANS_NOTHING


def _cell(value: object) -> str:
    if value is None:
        return wording.UNSET
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _known(cell: str) -> bool:
    return cell not in {"", form.UNKNOWN}


def accuracy(spread: MeanSpread | None) -> str:
    """A mean accuracy and its deviation in percent."""
    return form.UNKNOWN if spread is None else form.mean(spread.mean, spread.deviation)


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
    return form.UNKNOWN if row.gain is None else wording.verdict(row.gain)


def _number(seconds: float | None) -> str:
    return (
        form.UNKNOWN
        if seconds is None
        else f"{seconds:.3g}"
        if seconds < 100
        else f"{seconds:,.0f}"
    )
