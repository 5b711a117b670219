"""Lightning's CSVLogger: `metrics.csv` with a row for each step that is logged, beside `hparams.yaml`."""

from pathlib import Path

from revconsole.records.foreign.formats.csv_rows import Row, rows
from revconsole.records.foreign.formats.timm_summary import take_settings
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Part

TOOL = "Lightning"
RECORDS_ENDS = False
FILE, SETTINGS = "metrics.csv", "hparams.yaml"


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """A folder with `metrics.csv` is a run."""
    del folder
    return ("",) if FILE in files else ()


def owns(folder: str) -> bool:
    """The folder of checkpoints belongs to a run."""
    return folder == "checkpoints"


def parts(folder: Path, name: str) -> list[Part]:
    """The table, and the settings that the module kept."""
    del name
    return [
        Part(folder / SETTINGS, "settings", take_settings),
        Part(folder / FILE, "log", rows(_take_row)),
    ]


def _take_row(row: Row, into: Gathered) -> None:
    step = row.pop("step", float(into.step))
    for name, value in row.items():
        into.point(name, step, value)
