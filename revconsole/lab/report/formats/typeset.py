"""Typeset columns: the numbers of each arm as columns of a LaTeX table, with units in the heading and decimals below each other.

The cells are siunitx numbers; what is no number is in braces, which siunitx centres. siunitx and tabularx come with TeX Live.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from revconsole.lab import format as form
from revconsole.lab.report import wording
from revconsole.lab.report.numbers import ArmRow
from revconsole.lab.report.results import Results
from revconsole.lab.report.statistics import LEVEL, MeanDifference, MeanSpread

NONE = "{--}"
NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?(?: \\pm (\d+)\.(\d+))?")
MARKUP = re.compile(r"[{}$]|\\,|\\pm")
LINE, BESIDE = 11, 2
"""Letters of a line of a heading, and of the space between two columns."""
TESTED = frozenset({"difference", "interval", "p", "effect", "above", "above-p"})
"""Columns of what arms differ by, which belong side by side."""
OUTCOME = TESTED | {"swept", "seeds", "training", "accuracy", "reported", "best-epoch"}
"""Columns of the table of results; the others are of the table of costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesetColumn:
    """A column. heading: plain text, to be escaped. unit: LaTeX. cells: LaTeX, one for each arm."""

    heading: str
    unit: str
    cells: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether some arm has a value."""
        return any(cell != NONE for cell in self.cells)

    @property
    def lines(self) -> list[str]:
        """The heading in short lines."""
        return wrap(self.heading, LINE, break_long_words=False)

    @property
    def letters(self) -> int:
        """About how many letters the column takes, with the space beside it."""
        longest = max(len(MARKUP.sub("", text)) for text in (*self.lines, *self.cells))
        return longest + BESIDE

    @property
    def specification(self) -> str:
        """The column type that aligns the decimals: sign, digits before, digits behind, digits of the deviation."""
        found = [match for cell in self.cells if (match := NUMBER.fullmatch(cell))]
        if not found:
            return "c"
        sign = "+" if any(match[1] for match in found) else ""
        before = max(len(match[2]) for match in found)
        behind = max(len(match[3] or "") for match in found)
        deviations = [len((match[4] + match[5]).lstrip("0")) for match in found if match[4]]
        deviation = f"({max(1, *deviations)})" if deviations else ""
        point = f".{behind}" if behind else ""
        return f"S[table-format={sign}{before}{point}{deviation}]"


def columns(
    results: Results, rows: Sequence[ArmRow], chosen: Sequence[str]
) -> dict[str, TypesetColumn]:
    """The chosen columns that have a value, by name; see `table.COLUMNS`."""
    every = {
        "swept": (wording.full_name(results.swept), "", _each(rows, lambda row: _plain(row.swept, "g"))),
        "seeds": ("seeds", "", _each(rows, lambda row: str(row.finished))),
        "training": ("training accuracy", r"\%", _each(rows, lambda row: _mean(row.clean))),
        "accuracy": ("test accuracy", r"\%", _each(rows, lambda row: _mean(row.accuracy))),
        "reported": (wording.reported(quick=results.quick), r"\%", _each(rows, lambda row: _plain(row.reported and 100 * row.reported, ".2f"))),
        "best-epoch": ("best epoch", "", _each(rows, _epochs)),
        "difference": (f"difference to {results.baseline_word}", "pp", _each(rows, lambda row: _points(row.gain))),
        "interval": (f"{100 * (1 - LEVEL):g} % interval", "pp", _each(rows, _interval)),
        "p": ("p", "", _each(rows, lambda row: _p(row.gain))),
        "effect": ("effect size", "", _each(rows, lambda row: _plain(row.gain.effect if row.gain else None, "+.2f"))),
        "above": ("difference to the arm above", "pp", _each(rows, lambda row: _points(row.step))),
        "above-p": ("p, to the arm above", "", _each(rows, lambda row: _p(row.step))),
        "parameters": ("parameters", *_counts([row.parameters for row in rows])),
        "operations": ("multiply-adds per image", *_counts([row.multiply_adds_per_image for row in rows])),
        "epoch-seconds": ("time per epoch", "s", _each(rows, lambda row: _plain(row.epoch_seconds, ".1f"))),
        "hours": ("device hours", "h", _each(rows, lambda row: _plain(row.device_hours, ".2f"))),
        "energy": ("energy", "Wh", _each(rows, lambda row: _plain(row.watt_hours, ".1f"))),
        "kept": ("kept for backward", *_sizes([row.kept_bytes for row in rows])),
        "peak": ("peak memory", *_sizes([row.peak_bytes for row in rows])),
    }  # fmt: skip
    made = {name: TypesetColumn(heading=h, unit=u, cells=c) for name, (h, u, c) in every.items()}
    return {name: made[name] for name in chosen if made[name].heading and made[name].known}


def _each(rows: Sequence[ArmRow], cell: Callable[[ArmRow], str]) -> tuple[str, ...]:
    return tuple(map(cell, rows))


def _plain(number: float | None, form_of: str) -> str:
    return NONE if number is None else f"{number:{form_of}}"


def _mean(spread: MeanSpread | None) -> str:
    if spread is None:
        return NONE
    mean = f"{100 * spread.mean:.1f}"
    return mean if spread.deviation is None else rf"{mean} \pm {100 * spread.deviation:.1f}"


def _points(gain: MeanDifference | None) -> str:
    return NONE if gain is None else f"{100 * gain.mean:+.2f}"


def _p(gain: MeanDifference | None) -> str:
    if gain is None or gain.p is None:
        return NONE
    return "{$<0.001$}" if gain.p < 0.001 else f"{gain.p:.3f}"


def _interval(row: ArmRow) -> str:
    if row.gain is None or row.gain.interval is None:
        return NONE
    low, high = row.gain.interval
    return f"$[{100 * low:+.2f},\\,{100 * high:+.2f}]$"


def _epochs(row: ArmRow) -> str:
    if not row.best_epochs:
        return NONE
    low, high = min(row.best_epochs), max(row.best_epochs)
    return f"{{{low if low == high else f'{low}--{high}'} of {row.epochs}}}"


def _counts(numbers: Sequence[int | None]) -> tuple[str, tuple[str, ...]]:
    """Counts in the unit of the largest, with three significant digits of it: K, M, G; small ones as they are."""
    largest = max((number for number in numbers if number is not None), default=0)
    each, unit = next(
        (u for u in ((10**9, "G"), (10**6, "M"), (10**3, "K")) if largest >= u[0]), (1, "")
    )
    return unit, _scaled(numbers, each, largest)


def _sizes(sizes: Sequence[float | None]) -> tuple[str, tuple[str, ...]]:
    largest = max((size for size in sizes if size is not None), default=0.0)
    each, unit = form.memory_unit(largest)
    return unit, _scaled(sizes, each, largest)


def _scaled(numbers: Sequence[float | None], each: int, largest: float) -> tuple[str, ...]:
    """Numbers by their unit, all with as many decimals as give the largest three significant digits."""
    decimals = 0 if each == 1 else max(0, 3 - len(str(int(largest / each))))
    return tuple(_plain(None if n is None else n / each, f".{decimals}f") for n in numbers)
