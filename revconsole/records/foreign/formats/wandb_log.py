"""Weights & Biases' transaction log `run-ID.wandb`, which an offline run leaves: LevelDB's framing, protobuf inside.

After a head of seven bytes come blocks of 32 KiB. A record lies in one or more fragments, each with a checksum, a length and
whether it is the whole record, its first part, a middle or the last; a fragment never crosses a block. So what is damaged
costs a block at most. Only the fields that are read here have names; their numbers are those of `wandb_internal.proto`.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from revconsole.records.files.damage import UNREADABLE
from revconsole.records.foreign.gathered import Gathered, number
from revconsole.records.foreign.part import Part, Reach
from revconsole.records.foreign.protobuf import content, fields, signed, text

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
HISTORY, CONFIG, STATS, RUN, EXIT = 2, 5, 7, 17, 18
"""Fields of a record."""
INNER = "_"
"""Beginning of keys that W&B keeps for itself: `_step`, `_runtime`, `_timestamp`, `_wandb`."""
MOST_DEPTH = 6


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each log is a run; an offline run has a folder of its own."""
    del folder
    return tuple(sorted(name for name in files if name.endswith(ENDING)))


def owns(folder: str) -> bool:
    """The folders beside the log hold nothing that is read."""
    return folder in {"files", "logs", "tmp"}


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
            _take_safely(record, into)
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


def _take_safely(record: bytes, into: Gathered) -> None:
    """Take one record; whatever is odd in it costs that record."""
    try:
        _take_record(record, into)
    except UNREADABLE:
        into.damage("a record is no message of W&B, and left out")


def _take_record(record: bytes, into: Gathered) -> None:
    for kind, value in fields(record):
        if kind == HISTORY:
            _take_history(content(value), into)
        elif kind == CONFIG:
            _take_config(content(value), into)
        elif kind == STATS:
            _take_stats(content(value), into)
        elif kind == RUN:
            _take_run(content(value), into)
        elif kind == EXIT:
            code = dict(fields(content(value))).get(1, 0)
            into.end("failed" if code else "finished", f"exit code {signed(code)}" if code else "")


def _take_history(message: bytes, into: Gathered) -> None:
    """Take one row of metrics, with its step and time."""
    row, step = dict(_items(message, 1)), 0
    for kind, value in fields(message):
        if kind == 2:
            step = signed(dict(fields(content(value))).get(1, 0))
    wall = number(row.get("_timestamp"))
    into.at(step, wall if wall is not None else 0.0)
    for name, value in row.items():
        if not name.startswith(INNER):
            _take_value(name, value, step, into, depth=0)


def _take_value(name: str, value: Any, step: int, into: Gathered, depth: int) -> None:
    """Take a number, or the numbers in a table of them; media and texts are left out."""
    if isinstance(value, dict) and "_type" not in value and depth < MOST_DEPTH:
        for inner, each in value.items():
            _take_value(f"{name}.{inner}", each, step, into, depth + 1)
    elif isinstance(value, int | float):
        into.point(name, step, float(value))


def _take_config(message: bytes, into: Gathered) -> None:
    for name, value in _items(message, 1):
        if not name.startswith(INNER):
            into.setting(name, value)


def _take_stats(message: bytes, into: Gathered) -> None:
    """Take the samples of the machine, at the newest step: they have a time and no step."""
    for name, value in _items(message, 3):
        size = number(value)
        if size is not None:
            into.point(f"system/{name}", into.step, size)


def _take_run(message: bytes, into: Gathered) -> None:
    name, tags = "", []
    for kind, value in fields(message):
        match kind:
            case 1:
                name = name or text(value)
            case 4:
                _take_config(content(value), into)
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
