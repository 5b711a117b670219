"""The numbers of a report as CSV (RFC 4180): a line for each arm, a number in each cell, units in the headings.

A spreadsheet takes text that begins with = + - @ for a formula; such text gets an apostrophe in front (OWASP, CSV
injection). Numbers stay numbers, also negative ones.
"""

import csv
import io

from revconsole.lab import format as form
from revconsole.lab.report.document import Document
from revconsole.lab.report.numbers import ArmRow, arm_rows, peak_of
from revconsole.lab.report.statistics import MeanDifference
from revconsole.records.printable import one_line

SUFFIX = "csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
Cell = str | int | float | None


def render(document: Document) -> str:
    """A line of headings, and one for each arm; empty cells are not known."""
    rows = arm_rows(document.results)
    swept, peak = document.results.swept, peak_of(document.results)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    lines = [_cells(row, document.results.reference.name, swept, peak) for row in rows]
    writer.writerow([_text(heading) for heading in lines[0]])
    for line in lines:
        writer.writerow([_written(cell) for cell in line.values()])
    return written.getvalue()


def _cells(row: ArmRow, baseline: str, swept: str, peak: str) -> dict[str, Cell]:
    accuracy, gain = row.accuracy, row.gain
    return {
        "arm": row.name,
        "quick form": "yes" if row.quick else "no",
        **({swept: row.swept} if swept else {}),
        "seeds finished": row.finished,
        "seeds planned": row.planned,
        "seeds that repeat the answer of another": row.alike,
        "parameters": row.parameters,
        "support vectors": row.support_vectors,
        "multiply-adds per image": row.multiply_adds_per_image,
        "FLOPs per image (multiplications and additions)": _twice(row.multiply_adds_per_image),
        "seconds per epoch": row.epoch_seconds,
        "kept for backward (MiB)": _mebibytes(row.kept_bytes),
        f"peak memory (MiB; {peak})": _mebibytes(row.peak_bytes),
        "test accuracy mean (%)": None if accuracy is None else accuracy.mean * 100,
        "test accuracy sample deviation (%)": _percent(accuracy.deviation if accuracy else None),
        "training accuracy mean (%), without noise": None
        if row.clean is None
        else row.clean.mean * 100,
        "best epoch, lowest": min(row.best_epochs, default=None),
        "best epoch, highest": max(row.best_epochs, default=None),
        "epochs": row.epochs,
        f"difference to {baseline} (percentage points)": _percent(gain.mean if gain else None),
        "p of paired t-test": gain.p if gain else None,
        "distinguishable": _told(gain),
    }


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    return _text(cell) if isinstance(cell, str) else str(cell)


def _text(text: str) -> str:
    plain = one_line(text)
    return f"'{plain}" if plain.startswith(FORMULA) else plain


def _told(gain: MeanDifference | None) -> str:
    """Whether a difference is told from chance, or why nobody knows."""
    if gain is None:
        return ""
    if gain.p is None:
        return f"not tested: {gain.why_untested}"
    return "yes" if gain.distinguishable else "no"


def _twice(number: int | None) -> int | None:
    return None if number is None else 2 * number


def _mebibytes(size: float | None) -> float | None:
    return None if size is None else size / form.MIB


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else fraction * 100
