"""Comparison table: a comparison as headings and rows of text, for the command line and for files."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from revconsole.lab import format as form
from revconsole.lab.compare import ComparedRun, Comparison
from revconsole.lab.matched import MatchedGain
from revconsole.lab.report.shown_table import Table

CAPTION = "Runs compared; differences and ratios are to the first"
EQUAL_STEP, EQUAL_TIME = "equal step", "equal time"
"""Headings of the differences after as many steps, and after as much time since each began."""


def comparison_table(compared: Comparison) -> Table:
    """The settings that differ first, then what was measured; the notes are means and warnings."""
    probed = any(row.summary.gradient_error is not None for row in compared.rows)
    read = any(row.at_equal_step or row.in_equal_time for row in compared.rows)
    headings = (
        "name", "state", *compared.differing, "test accuracy", "gain", *([EQUAL_STEP, EQUAL_TIME] if read else []),
        "seconds", "time ratio", "kept for backward", "memory ratio", *(["gradient error"] if probed else []), "parameters",
        "seed",
    )  # fmt: skip
    shown = _Shown(compared.differing, probed=probed, read=read)
    return Table(
        caption=CAPTION,
        headings=headings,
        rows=tuple(tuple(_cells(row, shown)) for row in compared.rows),
        notes=(*compared.means, *matched_note(compared), *compared.trade_offs, *compared.warnings),
    )


def matched_note(compared: Comparison) -> tuple[str, ...]:
    """A sentence on what is compared at the same step and time, if anything is."""
    gains = [row.at_equal_step or row.in_equal_time for row in compared.rows]
    metrics = dict.fromkeys(gain.metric.replace("_", " ") for gain in gains if gain)
    if not metrics:
        return ()
    named = f"{EQUAL_STEP} and {EQUAL_TIME}: {', '.join(metrics)}"
    return (
        f"{named}, where the run that came less far ended, by steps and by time since each began",
    )


def step_text(row: ComparedRun) -> str:
    """The difference to the baseline after as many steps, and after how many."""
    gain = row.at_equal_step
    return "" if gain is None else f"{_difference(gain)} at {gain.at:,.0f}"


def time_text(row: ComparedRun) -> str:
    """The difference to the baseline after as much time since each began, and after how much."""
    gain = row.in_equal_time
    return "" if gain is None else f"{_difference(gain)} at {form.duration(gain.at)}"


def _difference(gain: MatchedGain) -> str:
    """Accuracies in percentage points, a loss as a plain number."""
    if gain.metric.endswith("_accuracy"):
        return form.points(gain.difference)
    return f"{gain.difference:+.4g}"


@dataclass(frozen=True, slots=True)
class _Shown:
    """Which columns there are beside the usual ones."""

    differing: Sequence[str]
    _: KW_ONLY
    probed: bool
    read: bool


def setting_text(row: ComparedRun, key: str) -> str:
    """A setting as it is typed; unknown where the run has none of that name."""
    return form.toml(row.settings[key]) if key in row.settings else form.UNKNOWN


def _cells(row: ComparedRun, shown: _Shown) -> list[str]:
    s = row.summary
    if not s.readable:
        columns = len(shown.differing) + 8 + shown.probed + 2 * shown.read
        return [s.name, s.standing, *[form.UNKNOWN] * columns]
    gain = "" if row.test_accuracy_gain is None else form.points(row.test_accuracy_gain)
    return [
        s.name, s.standing, *(setting_text(row, key) for key in shown.differing),
        form.percent(s.test_accuracy), gain, *([step_text(row), time_text(row)] if shown.read else []),
        f"{s.seconds:.1f}", form.ratio(row.seconds_ratio), form.memory(s.kept_for_backward_bytes), form.ratio(row.kept_ratio),
        *([form.small(s.gradient_error)] if shown.probed else []),
        form.learnt(s.parameters, s.support_vectors), str(s.plan.seed),
    ]  # fmt: skip
