"""The numbers of a report as CSV (RFC 4180): a row for each arm, one number per cell, units in the headings.

Spreadsheets take text that begins with = + - @ for a formula; such text gets an apostrophe in front (OWASP, CSV
injection). Numbers stay numbers, negative ones too.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from revconsole.lab import format as form
from revconsole.lab.report import wording
from revconsole.lab.report.document import Document
from revconsole.lab.report.numbers import ArmRow, arm_rows, peak_of
from revconsole.lab.report.results import Results
from revconsole.lab.report.statistics import MeanDifference
from revconsole.records.printable import one_line

SUFFIX = "csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
Cell = str | int | float | None


def render(document: Document) -> str:
    """A row of headings, and one for each arm; unknown numbers are empty cells."""
    rows = arm_rows(document.results)
    swept, peak = document.results.swept, peak_of(document.results)
    lines = [_cells(row, document.results, swept, peak) for row in rows]
    return written([*lines[0]], [[*line.values()] for line in lines])


def written(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Headings and rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_text(heading) for heading in headings])
    for row in rows:
        writer.writerow([_written(cell) for cell in row])
    return text.getvalue()


def _cells(row: ArmRow, results: Results, swept: str, peak: str) -> dict[str, Cell]:
    accuracy, gain, operations = row.accuracy, row.gain, row.multiply_adds_per_image
    step, baseline = row.step, results.baseline_word
    return {
        "arm": row.name,
        **({"group": row.group} if row.group else {}),
        "quick form": "yes" if row.quick else "no",
        **({swept: row.swept} if swept else {}),
        "seeds finished": row.finished,
        "seeds planned": row.planned,
        "seeds that repeat the answer of another": row.alike,
        "parameters": row.parameters,
        "support vectors": row.support_vectors,
        "multiply-adds per image": operations,
        "FLOPs per image (multiplications and additions)": operations and 2 * operations,
        "seconds per epoch": row.epoch_seconds,
        "device hours": row.device_hours,
        "energy (Wh)": row.watt_hours,
        "kept for backward (MiB)": _mebibytes(row.kept_bytes),
        f"peak memory (MiB; {peak})": _mebibytes(row.peak_bytes),
        "test accuracy mean (%)": None if accuracy is None else accuracy.mean * 100,
        "test accuracy sample deviation (%)": _percent(accuracy.deviation if accuracy else None),
        **(
            {f"{wording.reported(quick=results.quick)} (%)": _percent(row.reported)}
            if any(arm.reported is not None for arm in results.arms)
            else {}
        ),
        "training accuracy mean (%), without noise": None
        if row.clean is None
        else row.clean.mean * 100,
        "best epoch, lowest": min(row.best_epochs, default=None),
        "best epoch, highest": max(row.best_epochs, default=None),
        "epochs": row.epochs,
        f"difference to {baseline} (percentage points)": _percent(gain.mean if gain else None),
        "p of paired t-test": gain.single_p if gain else None,
        "p, corrected (Holm)": gain.p if gain else None,
        "distinguishable": _told(gain),
        "half width of the 95 % interval (percentage points)": _percent(
            gain.half_width if gain else None
        ),
        "effect size (Hedges)": gain.effect if gain else None,
        "detectable difference (percentage points)": _percent(gain.detectable if gain else None),
        **(
            {
                "difference to the arm above (percentage points)": _percent(
                    step.mean if step else None
                ),
                "p to the arm above, corrected (Holm)": step.p if step else None,
            }
            if results.ladder
            else {}
        ),
    }


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    return _text(cell) if isinstance(cell, str) else str(cell)


def _text(text: str) -> str:
    plain = one_line(text)
    return f"'{plain}" if plain.startswith(FORMULA) else plain


def _told(gain: MeanDifference | None) -> str:
    """Whether the test distinguishes a difference from chance, or why it was not tested."""
    if gain is None:
        return ""
    if gain.p is None:
        return f"not tested: {gain.why_untested}"
    return "yes" if gain.distinguishable else "no"


def _mebibytes(size: float | None) -> float | None:
    return None if size is None else size / form.MIB


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else fraction * 100
