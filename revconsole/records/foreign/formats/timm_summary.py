"""timm's `summary.csv`: a row for each epoch, which its `train.py` writes beside `args.yaml`.

Its accuracies are in percent; they are taken as fractions, under the names that they have here.
"""

from pathlib import Path

from revconsole.records.foreign.formats.csv_rows import Row, rows
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Part, Reach
from revconsole.records.foreign.yaml_text import mapping

TOOL = "timm"
RECORDS_ENDS = False
FILE, SETTINGS = "summary.csv", "args.yaml"
IN_PERCENT = {"eval_top1": "validation_accuracy", "eval_top5": "validation_top5_accuracy"}


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """A folder with `summary.csv` is a run."""
    del folder
    return ("",) if FILE in files else ()


def owns(folder: str) -> bool:
    """No folder inside belongs to a run."""
    del folder
    return False


def parts(folder: Path, name: str) -> list[Part]:
    """The table, and the arguments of the program."""
    del name
    return [
        Part(folder / SETTINGS, "settings", take_settings),
        Part(folder / FILE, "log", rows(_take_row)),
    ]


def take_settings(data: bytes, reach: Reach, into: Gathered) -> int:
    """Take every setting of a YAML file."""
    del reach
    for key, value in mapping(data).items():
        into.setting(key, value)
    return len(data)


def _take_row(row: Row, into: Gathered) -> None:
    epoch = row.pop("epoch", float(into.step)) + 1  # it counts from 0
    into.epoch = max(into.epoch, int(epoch))
    for name, value in row.items():
        share = name in IN_PERCENT
        into.point(IN_PERCENT.get(name, name), epoch, value / 100 if share else value)
