"""Table: the numbers of each arm as text. Percent and MiB from here on."""

from collections.abc import Sequence

from revconsole.errors import UnknownName
from revconsole.lab import format as form
from revconsole.lab.report import wording
from revconsole.lab.report.alike import Alike
from revconsole.lab.report.notes import notes
from revconsole.lab.report.numbers import ArmRow, arm_rows
from revconsole.lab.report.results import Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.statistics import MeanDifference, MeanSpread

MEANS_NOTHING = form.UNKNOWN
"""Cell for a setting that an arm does not have, or that has no meaning in it."""
ABOVE = "the arm above"
COLUMNS = (
    "swept", "seeds", "parameters", "operations", "epoch-seconds", "hours", "energy", "kept", "peak", "training", "accuracy", "reported",
    "best-epoch", "difference", "interval", "p", "effect", "above", "above-p",
)  # fmt: skip
"""Columns by the names with which they are chosen; the first column is always the arm."""
UNASKED = tuple(name for name in COLUMNS if name not in {"hours", "interval", "effect"})
"""Columns of a table for which none were chosen: the rest is in the files."""


def table(results: Results, chosen: Sequence[str] = UNASKED) -> Table:
    """The results as a table, with the columns chosen; those without any known value are left out."""
    rows = arm_rows(results)
    every = _columns(results, rows)
    columns = [("arm", [_name(row) for row in rows]), *(every[name] for name in chosen)]
    kept = [(heading, cells) for heading, cells in columns if heading and any(map(_known, cells))]
    return Table(
        caption=f"{results.title} (quick form)" if results.quick else results.title,
        headings=tuple(heading for heading, _ in kept),
        rows=tuple(zip(*(cells for _, cells in kept), strict=True)),
        notes=notes(results, rows),
        groups=tuple(row.group for row in rows) if any(row.group for row in rows) else (),
    )


def refuse_unknown_columns(chosen: Sequence[str]) -> None:
    """Raise UnknownName for a column that does not exist."""
    for name in chosen:
        if name not in COLUMNS:
            raise UnknownName("column", name, COLUMNS)


def _columns(results: Results, rows: Sequence[ArmRow]) -> dict[str, tuple[str, list[str]]]:
    """Every column by name: its heading, and its cells."""
    return {
        "swept": (wording.full_name(results.swept), ["" if row.swept is None else f"{row.swept:g}" for row in rows]),
        "seeds": ("seeds", [_seeds(row) for row in rows]),
        "parameters": ("parameters", [form.learnt(row.parameters, row.support_vectors) for row in rows]),
        "operations": ("multiply-adds (FLOPs) per image", [form.both_counts(row.multiply_adds_per_image) for row in rows]),
        "epoch-seconds": ("s per epoch", [_number(row.epoch_seconds) for row in rows]),
        "hours": ("device hours", [_number(row.device_hours) for row in rows]),
        "energy": ("energy (Wh)", [_number(row.watt_hours) for row in rows]),
        "kept": ("kept for backward", [form.memory(row.kept_bytes) for row in rows]),
        "peak": ("peak memory", [form.memory(row.peak_bytes) for row in rows]),
        "training": ("training accuracy", [accuracy(row.clean) for row in rows]),
        "accuracy": ("test accuracy", [accuracy(row.accuracy) for row in rows]),
        "reported": (wording.reported(quick=results.quick), ["" if row.reported is None else f"{row.reported * 100:g} %" for row in rows]),
        "best-epoch": ("best epoch", [_epochs(row) for row in rows]),
        "difference": (f"difference to {results.baseline_word}", [_gain(row) for row in rows]),
        "interval": (wording.INTERVAL, [wording.interval(row.gain) for row in rows]),
        "p": ("p", [wording.tested(row.gain) for row in rows]),
        "effect": ("effect size", [wording.effect(row.gain) for row in rows]),
        "above": (f"difference to {ABOVE}", [_points(row.step) for row in rows]),
        "above-p": (f"p, to {ABOVE}", [wording.tested(row.step) for row in rows]),
    }  # fmt: skip


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


def _name(row: ArmRow) -> str:
    return f"{row.short} (quick)" if row.quick else row.short


def _seeds(row: ArmRow) -> str:
    done = str(row.finished) if row.finished == row.planned else f"{row.finished} of {row.planned}"
    return f"{done}, {row.alike + 1} alike" if row.alike else done


def _epochs(row: ArmRow) -> str:
    if not row.best_epochs:
        return form.UNKNOWN
    low, high = min(row.best_epochs), max(row.best_epochs)
    return f"{low} of {row.epochs}" if low == high else f"{low}–{high} of {row.epochs}"


def _gain(row: ArmRow) -> str:
    return "baseline" if row.baseline else _points(row.gain)


def _points(gain: MeanDifference | None) -> str:
    return form.UNKNOWN if gain is None else f"{gain.mean * 100:+.2f} pp"


def _number(number: float | None) -> str:
    return form.UNKNOWN if number is None else f"{number:.3g}" if number < 100 else f"{number:,.0f}"
