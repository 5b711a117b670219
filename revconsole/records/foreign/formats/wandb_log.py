"""Weights & Biases' transaction log `run-ID.wandb`, which an offline run leaves: LevelDB's framing, protobuf inside.

After a head of seven bytes come blocks of 32 KiB. A record lies in one or more fragments, each with a checksum, a length and
whether it is the whole record, its first part, a middle or the last; a fragment never crosses a block. So what is damaged
costs a block at most. Only the fields that are read here have names; their numbers are those of `wandb_internal.proto`.

A metric stands at W&B's own `_step`, or at the value of the metric that `define_metric(step_metric=…)` gave it for an axis.
Summaries are recorded with every row; what a user sets in one, and no row has, is a metric of its own.
"""

import json
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from revconsole.records.files.damage import UNREADABLE
from revconsole.records.foreign.gathered import Gathered, number
from revconsole.records.foreign.part import Part, Reach
from revconsole.records.foreign.protobuf import content, fields, signed, text
from revconsole.records.foreign.row_numbers import INNER, row_numbers

Memory = dict[str, Any]
TOOL = "W&B"
RECORDS_ENDS = True
ENDING = ".wandb"
MARK = b":W&B"
MARK_BYTES = 7
BLOCK = 32768
HEAD = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = KINDS = 1, 2, 3, 4
NOTHING, DAMAGED = 0, -1
"""In place of a kind: the filling at the end of a block, and a block of which the rest cannot be read."""
HISTORY, SUMMARY, CONFIG, STATS, ARTIFACT, AXIS, RUN, EXIT = 2, 3, 5, 7, 8, 12, 17, 18
"""Fields of a record."""
TABLE = "run_table"
"""Type of the artifact that W&B makes of a table, which its row has already."""
AXES, GLOBS, NOW, SUMMED = "axes", "globs", "now", "summed"
"""What is remembered of a log: axes by metric and by pattern, their newest values, and a summary whose row is to come."""
PRINTED = "files/output.log"


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each log is a run; an offline run has a folder of its own."""
    del folder
    return tuple(sorted(name for name in files if name.endswith(ENDING)))


def owns(folder: str) -> bool:
    """The folders beside the log hold nothing that is read."""
    return folder in {"files", "logs", "tmp"}


def printed(folder: Path) -> Path:
    """What the run printed, which W&B writes as it comes."""
    return folder / PRINTED


def parts(folder: Path, name: str) -> list[Part]:
    """The log alone."""
    return [Part(folder / name, "log", take)]


def take(data: bytes, reach: Reach, into: Gathered) -> int:
    """Take the whole records at the beginning of the bytes."""
    place = 0
    if not reach.at:
        place = MARK_BYTES
        if len(data) < MARK_BYTES:
            return 0
        if data[:4] != MARK:
            reach.doubt = "it does not begin as a log of W&B does"
            return 0
    done, record = place, b""
    while (found := _fragment(data, place, BLOCK - (reach.at + place) % BLOCK)) is not None:
        kind, fragment, place = found
        if kind == DAMAGED:
            into.damage(f"the block before byte {reach.at + place:,} is damaged and left out")
        elif kind != NOTHING:
            record = fragment if kind in {FULL, FIRST} else record + fragment
        if kind in {FULL, LAST}:
            _take_safely(record, reach.memory, into)
        if kind in {FULL, LAST, DAMAGED}:
            done, record = place, b""
    return done


def _fragment(data: bytes, place: int, left: int) -> tuple[int, bytes, int] | None:
    """Kind, content and end of the fragment at a place; None if it is not whole yet. left: bytes to the end of the block."""
    if left < HEAD.size:
        return NOTHING, b"", place + left
    if place + HEAD.size > len(data):
        return None
    checksum, size, kind = HEAD.unpack_from(data, place)
    stop = place + HEAD.size + size
    fits = HEAD.size + size <= left
    if fits and stop > len(data):
        return None
    fragment = data[place + HEAD.size : stop]
    if fits and kind in KINDS and zlib.crc32(fragment, zlib.crc32(bytes([kind]))) == checksum:
        return kind, fragment, stop
    return None if place + left > len(data) else (DAMAGED, b"", place + left)


def _take_safely(record: bytes, memory: Memory, into: Gathered) -> None:
    """Take one record; whatever is odd in it costs that record."""
    try:
        _take_record(record, memory, into)
    except UNREADABLE:
        into.damage("a record is no message of W&B, and left out")


def _take_record(record: bytes, memory: Memory, into: Gathered) -> None:
    for kind, value in fields(record):
        if kind in TAKERS:
            TAKERS[kind](content(value), memory, into)


def _take_axis(message: bytes, memory: Memory, into: Gathered) -> None:
    """Remember the metric over whose values another, or all whose names fit a pattern, is drawn."""
    del into
    found = {kind: text(value) for kind, value in fields(message) if kind in {1, 2, 4}}
    if 4 not in found:
        return
    if found.get(1):
        memory.setdefault(AXES, {})[found[1]] = found[4]
    elif found.get(2):
        memory.setdefault(GLOBS, []).append([found[2], found[4]])


def _axis(name: str, memory: Memory) -> str:
    """The metric over whose values a metric is drawn; empty for the step."""
    globs = (axis for glob, axis in memory.get(GLOBS, ()) if fnmatchcase(name, glob))
    axis = str(memory.get(AXES, {}).get(name) or next(globs, ""))
    return "" if axis in {name, "_step"} else axis


def _take_history(message: bytes, memory: Memory, into: Gathered) -> None:
    """Take one row of metrics, with its step and time."""
    row = dict(_items(message, 1))
    steps = (dict(fields(content(value))) for kind, value in fields(message) if kind == 2)
    step = max((signed(each.get(1, 0)) for each in steps), default=0)
    wall = number(row.get("_timestamp"))
    into.at(step, wall if wall is not None else 0.0)
    _take_rest(memory, row, into)
    for name, value in row_numbers(row, into.left_out).items():
        axis = _axis(name, memory)
        if not axis:
            into.point(name, step, value)
        elif (place := _place(axis, row, memory)) is not None:
            into.axes[name] = axis
            into.point(name, place, value, own_axis=True)
        else:
            into.say(f"values of {name} before the first of its axis {axis} are left out")


def _place(axis: str, row: Mapping[str, Any], memory: Memory) -> float | None:
    """The value of an axis in a row, or else the newest before; None without any."""
    now = memory.setdefault(NOW, {})
    now[axis] = number(row.get(axis, now.get(axis)))
    return number(now[axis])


def _take_rest(memory: Memory, row: Mapping[str, Any], into: Gathered) -> None:
    """Take what the last summary has and its row has not, where it is new: a user has set it."""
    for name, value in memory.pop(SUMMED, {}).items():
        column = into.columns.get(name)
        set_by_user = name not in row and name.partition(".")[0] not in row
        if set_by_user and (column is None or column.values[-1] != value):
            into.point(name, into.step, value)


def _take_summary(message: bytes, memory: Memory, into: Gathered) -> None:
    _take_rest(memory, {}, into)
    memory[SUMMED] = row_numbers(dict(_items(message, 1)), Counter())


def _take_end(message: bytes, memory: Memory, into: Gathered) -> None:
    _take_rest(memory, {}, into)
    code = signed(dict(fields(message)).get(1, 0))
    into.end("failed" if code else "finished", f"exit code {code}" if code else "")


def _take_artifact(message: bytes, memory: Memory, into: Gathered) -> None:
    del memory
    if text(dict(fields(message)).get(4, b"")) != TABLE:
        into.left_out["artifact"] += 1


def _take_config(message: bytes, memory: Memory, into: Gathered) -> None:
    del memory
    for name, value in _items(message, 1):
        if not name.startswith(INNER):
            into.setting(name, value)


def _take_stats(message: bytes, memory: Memory, into: Gathered) -> None:
    """Take the samples of the machine, at the newest step: they have a time and no step."""
    del memory
    for name, value in _items(message, 3):
        size = number(value)
        if size is not None:
            into.point(f"system/{name}", into.step, size)


def _take_run(message: bytes, memory: Memory, into: Gathered) -> None:
    name, tags = "", []
    for kind, value in fields(message):
        match kind:
            case 1:
                name = name or text(value)
            case 4:
                _take_config(content(value), memory, into)
            case 8:
                name = text(value) or name
            case 9:
                into.note = text(value)
            case 10:
                tags.append(text(value))
            case 17:
                into.moment(float(signed(dict(fields(content(value))).get(1, 0))))
            case _:
                pass
    into.name, into.tags = name, tuple(tags)


def _items(message: bytes, place: int) -> Iterator[tuple[str, Any]]:
    """The items in a field: each a key, or a nested key whose parts are joined by dots, and a value of JSON."""
    for kind, value in fields(message):
        if kind == place:
            yield _item(content(value))


def _item(message: bytes) -> tuple[str, Any]:
    key, nested, body = "", [], "null"
    for kind, value in fields(message):
        if kind == 1:
            key = text(value)
        elif kind == 2:
            nested.append(text(value))
        elif kind == 16:
            body = text(value)
    return ".".join(nested) or key, json.loads(body)


TAKERS: Mapping[int, Callable[[bytes, Memory, Gathered], None]] = {
    HISTORY: _take_history,
    SUMMARY: _take_summary,
    AXIS: _take_axis,
    CONFIG: _take_config,
    STATS: _take_stats,
    ARTIFACT: _take_artifact,
    RUN: _take_run,
    EXIT: _take_end,
}
