"""Column cache: a second copy of an attempt's log, by columns, so that a reader need not parse a million JSON lines.

The cache is derived and may be deleted. The writer appends a chunk to `digest.bin` for each 128 KiB of log. A chunk names
the byte range of the log it replaces and the CRC-32 of those bytes; a reader that finds other bytes in the log, or an
incomplete chunk, reads the log itself from there on. The cache can make reading faster but never change the result.

A chunk consists of a head (`HEAD`: mark with format number, first byte and end of the log range, its CRC-32, lengths
of the two parts, CRC-32 of everything before and after), a JSON part, and the columns as little-endian 64-bit
integers and floats.
"""

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import READABLE, set_mode
from revconsole.records.logs.block import Marks, MeasuredBlock
from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import (
    Advised,
    Answered,
    EpochFinished,
    Finished,
    LoggedEvent,
    Measured,
    Started,
)

FILE = "digest.bin"
CHUNK_BYTES = 1 << 17
"""Bytes of log per chunk. Whatever follows the last one is read line by line, which takes ten times as long: with a MiB it was most of
the time to list runs of 20,000 steps (47 ms of CPU each instead of 6). Chunks of half the size make long logs slower."""
MARK = b"rvdig006"
"""First bytes of a chunk, with the format number; raise it when `MeasuredBlock` or the events in `ORDERED` change."""
HEAD = struct.Struct("<8sQQIIII")
MOST_BYTES = 1 << 28
"""Largest accepted length of one part of a chunk; a greater length means damage."""
TIMED = ""
"""Name of the column of times among those of metrics."""
ORDERED = (Started, Answered, Finished, Advised)
"""Events whose position among measurements matters: an alarm, for example, belongs to the step at which it was raised."""


@dataclass(slots=True)
class Stretch:
    """Consecutive lines of the log, reordered: first the lines kept verbatim, then all measurements as one block.

    Only the order between a verbatim line and a measurement before it is lost. `History` ignores that order except
    for the events in `ORDERED`, and such an event that follows a measurement starts a new stretch.
    """

    lines: list[bytes] = field(default_factory=list)
    block: MeasuredBlock = field(default_factory=MeasuredBlock)


class Chunk(NamedTuple):
    """The content of `log[start:stop]`, valid while the CRC-32 of those bytes is `crc`."""

    start: int
    stop: int
    crc: int
    stretches: tuple[Stretch, ...]


class ColumnCacheWriter:
    """Writes the cache of a log as the log grows. Never raises: without a cache, reading is only slower."""

    def __init__(self, folder: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._log, self._file = folder / "events.jsonl", folder / FILE
        self._chunk_bytes, self._written = chunk_bytes, 0
        self._begin(0)

    def add(self, *written: tuple[LoggedEvent, bytes]) -> None:
        """Account for records and their lines that were just appended to the log."""
        try:
            for record, line in written:
                self._take(record, line)
            if self._stop - self._start >= self._chunk_bytes:
                self._flush()
        except UNREADABLE:  # a value that columns cannot hold, or a disk that cannot be written
            self._begin(self._stop)

    def _begin(self, start: int) -> None:
        self._start = self._stop = start
        self._crc, self._stretches = 0, [Stretch()]

    def _take(self, record: LoggedEvent, line: bytes) -> None:
        self._stop += len(line)
        self._crc = zlib.crc32(line, self._crc)
        event, newest = record.event, self._stretches[-1]
        if isinstance(event, Measured | EpochFinished):
            if event.step < 0:
                raise ValueError("a block cannot hold an event with a negative step")
            newest.block.add(event, round(record.elapsed, 6))
        elif isinstance(event, ORDERED) and not newest.block.empty:
            self._stretches.append(Stretch([line]))
        else:
            newest.lines.append(line)

    def _flush(self) -> None:
        size = self._log.stat().st_size
        if size != self._stop:  # something else went into the log, such as half a line
            self._begin(size)
            return
        chunk = Chunk(
            start=self._start, stop=self._stop, crc=self._crc, stretches=tuple(self._stretches)
        )
        self._begin(self._stop)
        packed = pack(chunk)
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT, READABLE), "wb") as file:
            set_mode(file.fileno())
            file.seek(self._written)
            file.truncate()  # the remains of a chunk whose write failed
            file.write(packed)
        self._written += len(packed)


def chunks(folder: Path) -> Iterator[Chunk]:
    """The chunks of a cache file, up to the first that is incomplete or damaged."""
    try:
        with bounded.opened(folder / FILE, LOG_BYTES) as file:
            while (chunk := _read(file)) is not None:
                yield chunk
    except UNREADABLE:
        return


def pack(chunk: Chunk) -> bytes:
    """The bytes of a chunk: head, JSON part, columns."""
    binary: list[bytes] = []
    parts = json.dumps([_packed(s, binary) for s in chunk.stretches], separators=(",", ":"))
    meta, body = parts.encode(), b"".join(binary)
    head = (MARK, chunk.start, chunk.stop, chunk.crc, len(meta), len(body))
    crc = zlib.crc32(body, zlib.crc32(meta, zlib.crc32(HEAD.pack(*head, 0))))
    return HEAD.pack(*head, crc) + meta + body


def _read(file: BinaryIO) -> Chunk | None:
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    *fields, crc = HEAD.unpack(head)
    mark, start, stop, log_crc, meta_bytes, body_bytes = fields
    if mark != MARK or max(meta_bytes, body_bytes) > MOST_BYTES or start >= stop:
        return None
    meta, body = file.read(meta_bytes), file.read(body_bytes)
    if crc != zlib.crc32(body, zlib.crc32(meta, zlib.crc32(HEAD.pack(*fields, 0)))):
        return None
    unread = memoryview(
        body
    )  # each column takes its bytes off the front, in the order `_packed` wrote them
    stretches = []
    for part in json.loads(meta):
        stretch, unread = _unpacked(part, unread)
        stretches.append(stretch)
    return Chunk(start=start, stop=stop, crc=log_crc, stretches=tuple(stretches))


def _packed(stretch: Stretch, binary: list[bytes]) -> dict[str, Any]:
    """The JSON part of a stretch. Appends its columns to `binary`; metrics with equal steps store the steps once."""
    block = stretch.block
    columns: list[tuple[str, int, str, bool]] = []
    owner_of_steps: dict[bytes, str] = {}
    for name, column in (*block.columns.items(), (TIMED, block.timed)):
        steps = _little(column.steps).tobytes()
        owner = owner_of_steps.setdefault(steps, name)
        columns.append((name, len(column.values), owner, column.ascending))
        if owner == name:
            binary.append(steps)
        binary.append(_little(column.values).tobytes())
    return {
        "lines": [line.decode("ascii") for line in stretch.lines],
        "columns": columns,
        "epochs": [(e.epoch, e.step, dict(e.values), list(e.unpredicted)) for e in block.epochs],
        "measured": block.measured,
        "step": block.step,
        "elapsed": block.elapsed,
        "ends": block.ends,
        "first_of_all": block.first_of_all,
        "probed": block.probed,
        "reached": astuple(block.reached),
        "marks": astuple(block.marks),
    }


def _unpacked(part: dict[str, Any], unread: memoryview) -> tuple[Stretch, memoryview]:
    """One stretch, and the remaining bytes of the chunk."""
    columns: dict[str, MetricColumn] = {}
    for name, count, owner, ascending in part["columns"]:
        if owner == name:
            steps, unread = _array("q", unread, count)
        else:
            steps = columns[owner].steps
        values, unread = _array("d", unread, count)
        columns[name] = MetricColumn(steps, values, ascending=ascending)
    timed = columns.pop(TIMED)
    block = MeasuredBlock(
        columns,
        [_epoch(*epoch) for epoch in part["epochs"]],
        part["measured"],
        part["step"],
        part["elapsed"],
        part["ends"],
        None if (first := part["first_of_all"]) is None else (first[0], first[1]),
        part["probed"],
        _marks(*part["reached"]),
        _marks(*part["marks"]),
        timed,
    )
    return Stretch([line.encode("ascii") for line in part["lines"]], block), unread


def _marks(*fields: tuple[float, float] | None) -> Marks:
    *steps, announced = fields
    first, latest = (None if m is None else (int(m[0]), float(m[1])) for m in steps)
    return Marks(
        first, latest, None if announced is None else (float(announced[0]), float(announced[1]))
    )


def _epoch(
    epoch: int, step: int, values: dict[str, float], unpredicted: Sequence[int] = ()
) -> EpochFinished:
    return EpochFinished(
        epoch=epoch,
        step=step,
        values={k: float(v) for k, v in values.items()},
        unpredicted=unpredicted,
    )


def _array(kind: str, unread: memoryview, count: int) -> tuple[Any, memoryview]:
    column = array(kind)
    column.frombytes(unread[: 8 * count])
    return _little(column), unread[8 * count :]


def _little(column: Any) -> Any:
    """The column in little-endian byte order, or back from it; a copy on big-endian machines only."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
