"""Texts: the cells of a list of runs. Units are in the headings; an unknown value is a dash."""

import math
from collections.abc import Sequence
from itertools import pairwise

from revconsole.lab import format as shown
from revconsole.lab.listing.fields import RunField
from revconsole.lab.listing.groups import RunGroup
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

MIB = shown.MIB
MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400
LONGEST_TEXT = 200
NOW = "now"
"""The age of what is less than a minute old."""


def text(field: RunField, run: Summary) -> str:
    """The cell of a run."""
    value = field.value(run)
    if field.kind == "words":
        return one_line(" ".join(value), LONGEST_TEXT)
    if value is None or value == "":
        return shown.UNKNOWN
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(field, value)
    return one_line(shown.toml(value), LONGEST_TEXT)


def epochs(run: Summary) -> str:
    """How far a run is: its epochs of all of them; without epochs its steps."""
    if not run.readable:
        return shown.UNKNOWN
    if run.epochs is not None:
        return f"{run.epoch}/{run.epochs}"
    return str(run.epoch) if run.epoch or not run.step else f"step {run.step:,}"


def group_text(field: RunField, group: RunGroup) -> str:
    """The cell of a group: mean and deviation of a measurement, what all runs share, or the seeds."""
    if field.key == "seed":
        return ranges(group.seeds)
    texts = dict.fromkeys(text(field, run) for run in group.members)
    if len(texts) == 1:
        return next(iter(texts))
    mean = None if field.kind in {"text", "words", "mixed"} else group.spread(field)
    if mean is None:
        return "" if field.key == "id" else "…"
    if mean.deviation is None or field.kind != "fraction":
        return number(field, mean.mean)
    return f"{number(field, mean.mean)} ± {mean.deviation * 100:.1f}"


def number(field: RunField, value: float) -> str:
    """A number of a field, without the unit that its heading has."""
    match field.kind:
        case "fraction":
            return shown.percent(value).removesuffix(" %")
        case "bytes":
            return mebibytes(value)
        case "seconds":
            return age(value) if field.key == "age" else shown.clock(value)
    if isinstance(value, int):
        return f"{value:,}"
    if field.key == "images_per_second" and math.isfinite(value):
        return f"{value:,.0f}"
    return shown.small(value) if field.key.endswith("_error") else shown.value(value)


def mebibytes(size: float | None) -> str:
    """A size in MiB without its unit, for a column whose heading has it; two significant digits below 0.1 MiB, where `memory` takes a smaller unit."""
    if size is not None and math.isfinite(size) and 0 < size < MIB / 10:
        return f"{size / MIB:.2g}"
    return shown.memory(size).removesuffix(" MiB").removesuffix(" bytes")


def age(seconds: float) -> str:
    """How long ago something was, in the largest unit that matters: `now`, 12 min, 3 h, 8 d, 2 y."""
    if seconds < MINUTE:
        return NOW
    for unit, word in ((YEAR, "y"), (DAY, "d"), (HOUR, "h")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {word}"
    return f"{seconds // MINUTE:.0f} min"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending whole numbers as text, those that follow one another as a range: `0–2 7`."""
    starts = [n for n, before in zip(numbers, (None, *numbers), strict=False) if before != n - 1]
    ends = [n for n, after in pairwise((*numbers, None)) if n is not None and after != n + 1]
    return " ".join(str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=True))
