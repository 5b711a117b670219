"""Trackio's own file of a project, `PROJECT.db` of SQLite, which it writes while its runs train."""

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from revconsole.records.foreign import sqlite_rows
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Part, Reach, Replaced, Take
from revconsole.records.foreign.row_numbers import INNER, row_numbers

ENDING = ".db"
TABLES = ("metrics", "configs", "system_metrics")
RUNS = "SELECT DISTINCT run_id FROM metrics LIMIT ?"
TAKEN = "SELECT COUNT(*) FROM metrics WHERE run_id = ? AND id <= ?"
NEW = "SELECT id, run_name, step, timestamp, metrics FROM metrics WHERE run_id = ? AND id > ? ORDER BY id"
SAMPLES = "SELECT id, metrics FROM system_metrics WHERE run_id = ? AND id > ? ORDER BY id"
CONFIG = "SELECT config FROM configs WHERE run_id = ?"
OF_ANOTHER_VERSION = "no such"
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How trackio writes what JSON has no number for."""
MOST_RUNS = 10_000
SIGN = "::"
"""Between the file and the run in it, in the name of a run."""
LAST, ROWS, SAMPLE = "last", "rows", "sample"
"""What is remembered of a file: the id of the newest row taken, how many rows were, and the newest sample of the machine."""


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each run in a file with trackio's tables; the file itself if its runs cannot be read."""
    found: list[str] = []
    for name in sorted(name for name in files if name.endswith(ENDING)):
        path = folder / name
        if sqlite_rows.has_tables(path, TABLES):
            found += [f"{name}{SIGN}{run}" for run in _runs(path, _stamp(path))] or [name]
    return tuple(found)


def parts(folder: Path, name: str) -> list[Part]:
    """The file, and what was written last beside it, whose change alone says that there is more."""
    file, _, run = name.partition(SIGN)
    latest = sqlite_rows.latest(folder / file)
    beside = [Part(latest, "settings", _nothing)] if latest.is_file() else []
    return [*beside, Part(folder / file, "database", _rows(folder / file, run))]


def _stamp(path: Path) -> tuple[int, ...]:
    """Lengths and times of the file and of what was written last: another stamp means other runs, maybe."""
    there = [each.stat() for each in (path, sqlite_rows.latest(path)) if each.is_file()]
    return tuple(number for each in there for number in (each.st_size, each.st_mtime_ns))


@lru_cache(maxsize=64)
def _runs(path: Path, stamp: tuple[int, ...]) -> tuple[str, ...]:
    """Keys of the runs in a file, in order; none if it cannot be read. stamp: of the file, which another time asks anew."""
    del stamp
    try:
        with _reading(path) as file:
            rows = file.execute(RUNS, (MOST_RUNS,)).fetchall()
    except (OSError, ValueError):
        return ()
    return tuple(str(run) for (run,) in rows)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose errors are OSError or ValueError: BlockingIOError for what another look may find in order."""
    try:
        with sqlite_rows.opened(path) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        if OF_ANOTHER_VERSION in str(error):
            raise ValueError(f"its tables are not those of trackio 0.43: {error}") from None
        raise BlockingIOError(str(error)) from None
    except sqlite3.Error as error:
        raise ValueError(f"it is damaged: {error}") from None


def _nothing(data: bytes, reach: Reach, into: Gathered) -> int:
    del reach, into
    return len(data)


def _rows(path: Path, run: str) -> Take:
    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        del data
        with _reading(path) as file:
            memory = reach.memory
            last, taken = memory.get(LAST, 0), memory.get(ROWS, 0)
            if file.execute(TAKEN, (run, last)).fetchone() != (taken,):
                raise Replaced(run)
            for number, name, step, time, body in file.execute(NEW, (run, last)):
                into.name = str(name)
                _take_row(step, time, body, into)
                memory[LAST], memory[ROWS] = number, memory.get(ROWS, 0) + 1
            _take_config(file, run, into)
            _take_samples(file, run, memory, into)
        return 0

    return take


def _take_row(step: Any, time: Any, body: Any, into: Gathered) -> None:
    row = _mapping(body)
    if row is None or not isinstance(step, int):
        into.damage("a row of metrics is damaged and left out")
        return
    into.at(step, seconds(time))
    row = {
        name: NOT_FINITE.get(value, value) if isinstance(value, str) else value
        for name, value in row.items()
    }
    for name, value in row_numbers(row, into.left_out).items():
        into.point(name, step, value)


def _take_config(file: sqlite3.Connection, run: str, into: Gathered) -> None:
    for (body,) in file.execute(CONFIG, (run,)):
        for name, value in (_mapping(body) or {}).items():
            if not name.startswith(INNER):
                into.setting(name, value)


def _take_samples(
    file: sqlite3.Connection, run: str, memory: dict[str, Any], into: Gathered
) -> None:
    """Take the samples of the machine, at the newest step: they have a time and no step."""
    for number, body in file.execute(SAMPLES, (run, memory.get(SAMPLE, 0))):
        memory[SAMPLE] = number
        for name, value in row_numbers(_mapping(body) or {}, into.left_out).items():
            into.point(f"system/{name}", into.step, value)


def _mapping(body: Any) -> dict[str, Any] | None:
    """A table of JSON; None for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def seconds(time: object) -> float:
    """Seconds since 1970 of a time in ISO 8601; 0 if it is none."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0
