"""Kept: what was read of a run of another tool, in the user's cache folder, so that a million points are read once.

A file holds where each file of the run was left, its row, and its points by column. It is used only while the run's files are
the ones that were read; it is derived, may be deleted, and a damaged one counts as missing. The oldest go first when all
together are larger than `MOST_BYTES`.
"""

import json
import os
import struct
import sys
import zlib
from array import array
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.foreign.brief import Brief
from revconsole.records.foreign.cache_folder import cache_folder
from revconsole.records.foreign.following import Position, Stamp
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Reach
from revconsole.records.logs.columns import MetricColumn

MARK = b"rvalso03"
"""First bytes of a file, with the format number; raise it when a reader takes something else from the same files."""
HEAD = struct.Struct("<8sIQII")
MOST_META, MOST_BODY = 1 << 26, 1 << 30
MOST_BYTES = 1 << 31
LEAST_POINTS = 64
"""Points of a run that are worth a file."""
OF_GATHERED = (
    "settings",
    "name",
    "tags",
    "note",
    "archived",
    "ending",
    "reason",
    "steps",
    "step",
    "epoch",
    "points",
    "began",
    "last",
    "axes",
    "left_out",
    "damaged",
    "faults",
)
TIMES = ""
"""Name of the column of times among those of metrics."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """What a file says: the stamps of the run's files, its row, and, where they were asked for, what was read and how far."""

    stamps: tuple[Stamp, ...]
    brief: Brief
    positions: dict[str, Position]
    gathered: Gathered | None


def folder() -> Path:
    """The folder of the files; it may not exist yet."""
    return cache_folder() / "also"


def read(run_id: str, *, points: bool) -> KeptRun | None:
    """What is kept of a run; None without a file, or if it is damaged. points: also what was read."""
    try:
        with bounded.opened(folder() / f"{run_id}.bin", MOST_META + MOST_BODY + HEAD.size) as file:
            mark, meta_bytes, body_bytes, meta_crc, body_crc = HEAD.unpack(file.read(HEAD.size))
            if mark != MARK or meta_bytes > MOST_META or body_bytes > MOST_BODY:
                return None
            text = file.read(meta_bytes)
            body = file.read(body_bytes) if points else b""
        if zlib.crc32(text) != meta_crc or (points and zlib.crc32(body) != body_crc):
            return None
        return _unpacked(json.loads(text), memoryview(body) if points else None)
    except (*UNREADABLE, struct.error):
        return None


def write(
    run_id: str,
    stamps: tuple[Stamp, ...],
    brief: Brief,
    positions: dict[str, Position],
    gathered: Gathered,
) -> bool:
    """Keep what was read of a run; returns whether it could be written."""
    columns, body = [], []
    times = gathered.clock.times()
    timed = MetricColumn(array("q", times.steps), array("d", times.seconds))
    for name, column in (*gathered.columns.items(), (TIMES, timed)):
        columns.append([name, len(column.values), column.ascending])
        body += [_little(column.steps).tobytes(), _little(column.values).tobytes()]
    meta = json.dumps({
        "stamps": stamps,
        "brief": asdict(brief),
        "positions": {key: asdict(at) for key, at in positions.items()},
        "gathered": {name: getattr(gathered, name) for name in OF_GATHERED},
        "columns": columns,
    }).encode()  # fmt: skip
    content = b"".join(body)
    if len(meta) > MOST_META or len(content) > MOST_BODY:
        return False
    head = HEAD.pack(MARK, len(meta), len(content), zlib.crc32(meta), zlib.crc32(content))
    return _replace(f"{run_id}.bin", head, meta, content)


def _replace(name: str, *content: bytes) -> bool:
    part = folder() / f"{name}.{os.getpid()}.part"
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(content)
        part.replace(folder() / name)
        _unchecked.append(sum(map(len, content)))
        if len(_unchecked) == 1 or sum(_unchecked) > MOST_BYTES // 64:
            _unchecked[:] = [0]
            _make_room()
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True


_unchecked: list[int] = []
"""Bytes of the files that this process has written since it last looked how large all together are."""


def _make_room() -> None:
    """Delete the oldest files until all together are small enough. Raises OSError."""
    found = []
    with os.scandir(folder()) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            found.append((status.st_mtime, status.st_size, entry.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MOST_BYTES:
            return
        Path(path).unlink(missing_ok=True)
        total -= size


def _unpacked(meta: dict[str, Any], body: memoryview | None) -> KeptRun:
    stamps = tuple((str(name), int(size), int(moved)) for name, size, moved in meta["stamps"])
    found: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in meta["brief"].items()
    }
    brief = Brief(**found)
    positions = {
        key: Position(at["size"], at["moved"], Reach(**at["reach"]), at["probe"])
        for key, at in meta["positions"].items()
    }
    return KeptRun(stamps, brief, positions, None if body is None else _gathered(meta, body))


def _gathered(meta: dict[str, Any], body: memoryview) -> Gathered:
    kept = meta["gathered"]
    into = Gathered(**kept | {"tags": tuple(kept["tags"]), "left_out": Counter(kept["left_out"])})
    for name, count, ascending in meta["columns"]:
        steps, body = _array("q", body, count)
        values, body = _array("d", body, count)
        if name != TIMES:
            into.columns[name] = MetricColumn(steps, values, ascending=ascending)
        elif into.began is not None:
            into.clock.begin(wall=into.began, step=-1)
            for step, elapsed in zip(steps, values, strict=True):
                into.clock.add(step, elapsed)
    return into


def _array(kind: str, body: memoryview, count: int) -> tuple[Any, memoryview]:
    column = array(kind)
    column.frombytes(body[: 8 * count])
    if len(column) != count:
        raise ValueError("columns are cut off")
    return _little(column), body[8 * count :]


def _little(column: Any) -> Any:
    """The column in little-endian byte order, or back from it; a copy on big-endian machines only."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
