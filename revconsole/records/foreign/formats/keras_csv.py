"""Keras's CSVLogger: a row for each epoch, in a file of any name that ends in .csv or .log; it begins with the column `epoch`."""

from contextlib import suppress
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES
from revconsole.records.foreign.formats import lightning_csv, timm_summary
from revconsole.records.foreign.formats.csv_rows import Row, header, rows
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Part

TOOL = "Keras"
RECORDS_ENDS = False
ENDINGS = (".csv", ".log")
OF_OTHERS = {lightning_csv.FILE, timm_summary.FILE}
HEAD_BYTES = 1 << 14


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each table whose columns are `epoch`, the loss, and others is a run."""
    names = sorted(name for name in files if name.endswith(ENDINGS) and name not in OF_OTHERS)
    return tuple(name for name in names if _is_keras(folder / name))


def owns(folder: str) -> bool:
    """No folder inside belongs to a run."""
    del folder
    return False


def parts(folder: Path, name: str) -> list[Part]:
    """The table alone."""
    return [Part(folder / name, "log", rows(_take_row))]


def _is_keras(path: Path) -> bool:
    with suppress(OSError), bounded.opened(path, LOG_BYTES) as file:
        columns = header(file.read(HEAD_BYTES))
        return columns[:1] == ["epoch"] and "loss" in columns
    return False


def _take_row(row: Row, into: Gathered) -> None:
    epoch = row.pop("epoch", float(into.step)) + 1  # it counts from 0
    into.epoch = max(into.epoch, int(epoch))
    for name, value in row.items():
        into.point(name, epoch, value)
