"""Trackio's parquet: a file for each project, `NAME.parquet`, with the rows of all its runs, and `NAME_configs.parquet`."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.foreign import parquet_rows
from revconsole.records.foreign.gathered import Gathered, number
from revconsole.records.foreign.parquet_rows import ENDING, ParquetUnread
from revconsole.records.foreign.part import Part, Reach, Take
from revconsole.records.foreign.trackio_sqlite import SIGN, seconds

COLUMNS = ("run_name", "timestamp", "step")
OWN = {"id", "run_id", "timestamp", "run_name", "step", "log_id", "space_id", "created_at"}
CONFIGS = "_configs"
MOST_RUNS = 10_000


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each run in a file with trackio's columns; the file itself if its runs cannot be read."""
    named = sorted(name for name in files if name.endswith(ENDING))
    found: list[str] = []
    for name in named:
        path = folder / name
        if parquet_rows.has_columns(path, COLUMNS):
            status = path.stat()
            runs = _runs(path, status.st_mtime_ns, status.st_size)
            found += [f"{name}{SIGN}{run}" for run in runs] if runs is not None else [name]
    return tuple(found)


def parts(folder: Path, name: str) -> list[Part]:
    """The settings and the rows of one run."""
    file, _, run = name.partition(SIGN)
    configs = folder / (file.removesuffix(ENDING) + CONFIGS + ENDING)
    found = [Part(configs, "table", _configs(run))] if run and configs.is_file() else []
    return [*found, Part(folder / file, "table", _metrics(run))]


@lru_cache(maxsize=64)
def _runs(path: Path, moved: int, size: int) -> tuple[str, ...] | None:
    """Names of the runs in a file, in order; None if it cannot be read. moved, size: of the file, which another time asks anew."""
    del moved, size
    names: dict[str, None] = {}
    try:
        for batch in parquet_rows.batches(
            bounded.read(path, parquet_rows.MOST_BYTES), ["run_name"]
        ):
            names |= dict.fromkeys(str(name) for name in batch["run_name"])
            if len(names) > MOST_RUNS:
                break
    except (OSError, ParquetUnread, KeyError):
        return None
    return tuple(names)


def _metrics(run: str) -> Take:
    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        del reach
        into.name = run
        for batch in parquet_rows.batches(data):
            names = batch["run_name"]
            mine = [row for row, name in enumerate(names) if str(name) == run]
            steps = batch["step"]
            for row in mine:
                into.at(steps[row], seconds(batch["timestamp"][row]))
            for name in batch.keys() - OWN:
                _take_column(name, batch[name], steps, mine, into)
        return len(data)

    return take


def _take_column(
    name: str, values: list[Any], steps: list[Any], rows: list[int], into: Gathered
) -> None:
    for row in rows:
        size = number(values[row]) if not isinstance(values[row], str) else None
        if size is not None:
            into.point(name, steps[row], size)


def _configs(run: str) -> Take:
    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        del reach
        for batch in parquet_rows.batches(data):
            for row, name in enumerate(batch["run_name"]):
                if str(name) == run:
                    for key in sorted(batch.keys() - OWN):
                        if not key.startswith("_"):
                            into.setting(key, _plain(batch[key][row]))
        return len(data)

    return take


def _plain(value: Any) -> Any:
    """A setting; a table of settings is kept as a text of JSON."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
