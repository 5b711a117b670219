"""neptune-exporter's parquet: files `RUN_part_N.parquet` in a folder for each project, a row for each value of an attribute.

The step of a value is a decimal that its user gave, and may have fractions.
"""

import re
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.foreign import parquet_rows
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Part, Reach

TOOL = "Neptune"
RECORDS_ENDS = True
PART = re.compile(r"(.+)_part_(\d{1,6})\.parquet")
COLUMNS = ("attribute_path", "attribute_type", "float_value")
READ = (
    "run_id", "attribute_path", "attribute_type", "step", "timestamp", "int_value", "float_value", "string_value",
    "bool_value", "string_set_value",
)  # fmt: skip
NAME, TAGS, FAILED = "sys/name", "sys/tags", "sys/failed"
SETTINGS = {
    "int": "int_value",
    "float": "float_value",
    "string": "string_value",
    "bool": "bool_value",
}
"""Types of single values, and the column of each."""
OF_SYSTEM = "sys/"


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each run with a first part, which the exporter writes last."""
    found = [match[1] for name in files if (match := PART.fullmatch(name)) and match[2] == "0"]
    return tuple(
        sorted(
            run
            for run in found
            if parquet_rows.has_columns(folder / f"{run}_part_0.parquet", COLUMNS)
        )
    )


def owns(folder: str) -> bool:
    """No folder inside belongs to a run."""
    del folder
    return False


def parts(folder: Path, name: str) -> list[Part]:
    """The parts of a run in order."""
    found = [
        (int(match[2]), each)
        for each in bounded.files(folder)
        if (match := PART.fullmatch(each)) and match[1] == name
    ]
    return [Part(folder / each, "table", take) for _, each in sorted(found)]


def take(data: bytes, reach: Reach, into: Gathered) -> int:
    """Take the rows of a part."""
    del reach
    for batch in parquet_rows.batches(data, READ):
        for row, kind in enumerate(batch["attribute_type"]):
            path = str(batch["attribute_path"][row])
            if kind == "float_series":
                _take_point(path, batch, row, into)
            elif kind == "string_set":
                if path == TAGS:
                    into.tags = tuple(sorted(map(str, batch["string_set_value"][row] or ())))
            elif kind in SETTINGS:
                _take_setting(path, batch[SETTINGS[kind]][row], into)
    return len(data)


def _take_point(path: str, batch: dict[str, list[Any]], row: int, into: Gathered) -> None:
    step, value, time = batch["step"][row], batch["float_value"][row], batch["timestamp"][row]
    if step is None or value is None:
        into.damage(f"a value of {path} has no step")
        return
    if time is not None:
        into.at(float(step), time.timestamp())
    into.point(path, float(step), value)


def _take_setting(path: str, value: Any, into: Gathered) -> None:
    if path == NAME:
        into.name = str(value)
    elif path == FAILED:
        into.end("failed" if value else "finished")
    elif not path.startswith(OF_SYSTEM):
        into.setting(path.replace("/", "."), value)
