"""Column cache: the log of an attempt once more, by columns, so that a reader need not parse a million lines.

Derived, and may be deleted. The writer appends a chunk to `digest.bin` for each MiB of log. A chunk names the
bytes of the log that it stands for and their CRC-32; a reader that finds other bytes there, or a chunk that is not
whole, reads the log itself from that place on. So a digest can make reading faster, never different.

A chunk is a head (`HEAD`: mark and format, first byte and end of the stretch of log, its CRC-32, lengths of the
two parts, CRC-32 of everything before and after), a JSON part and the columns: little-endian 64-bit integers and floats.
"""

import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

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
CHUNK_BYTES = 1 << 20
"""Of log to a chunk; what comes after the last chunk is read line by line."""
MARK = b"rvdig004"
"""With the format's number; to be raised when `MeasuredBlock` or the events that `ORDERED` names change."""
HEAD = struct.Struct("<8sQQIIII")
MOST_BYTES = 1 << 28
"""Of one part of a chunk; a length beyond is damage."""
ORDERED = (Started, Answered, Finished, Advised)
"""Events that mean something else before a measurement than after it: an alarm is of the step it was raised at."""


@dataclass(slots=True)
class Stretch:
    """Some consecutive lines of the log, reordered harmlessly: first those kept as they are, then the block."""

    lines: list[bytes] = field(default_factory=list)
    block: MeasuredBlock = field(default_factory=MeasuredBlock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What `log[start:stop]` says, if its CRC-32 is `crc`."""

    start: int
    stop: int
    crc: int
    stretches: tuple[Stretch, ...]


class ColumnCacheWriter:
    """Follows the writer of a log. Never raises: without a digest everything is the same, only slower."""

    def __init__(self, folder: Path, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._log, self._file = folder / "events.jsonl", folder / FILE
        self._chunk_bytes, self._written = chunk_bytes, 0
        self._begin(0)

    def add(self, record: LoggedEvent, line: bytes) -> None:
        """Take in a line that was appended to the log."""
        try:
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
            if record.elapsed is None or event.step < 0:
                raise ValueError("nothing that a block could hold")
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
            file.truncate()  # what could not be finished when it was last tried
            file.write(packed)
        self._written += len(packed)


def chunks(folder: Path) -> Iterator[Chunk]:
    """The whole chunks of a digest, up to the first that is not."""
    try:
        with bounded.opened(folder / FILE, LOG_BYTES) as file:
            while (chunk := _read(file)) is not None:
                yield chunk
    except UNREADABLE:
        return


def pack(chunk: Chunk) -> bytes:
    """The bytes of a chunk."""
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
    unread = memoryview(body)
    stretches = []
    for part in json.loads(meta):
        stretch, unread = _unpacked(part, unread)
        stretches.append(stretch)
    return Chunk(start=start, stop=stop, crc=log_crc, stretches=tuple(stretches))


def _packed(stretch: Stretch, binary: list[bytes]) -> dict[str, Any]:
    """The JSON part of a stretch; its columns go to `binary`, steps that two metrics share only once."""
    block = stretch.block
    columns: list[tuple[str, int, str, bool]] = []
    known: dict[bytes, str] = {}
    for name, column in block.columns.items():
        steps = _little(column.steps).tobytes()
        same = known.setdefault(steps, name)
        columns.append((name, len(column.values), same, column.ascending))
        if same == name:
            binary.append(steps)
        binary.append(_little(column.values).tobytes())
    return {
        "lines": [line.decode("ascii") for line in stretch.lines],
        "columns": columns,
        "epochs": [(e.epoch, e.step, dict(e.values)) for e in block.epochs],
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
    """A stretch, and the columns of the others."""
    columns: dict[str, MetricColumn] = {}
    for name, count, same, ascending in part["columns"]:
        if same == name:
            steps, unread = _array("q", unread, count)
        else:
            steps = columns[same].steps
        values, unread = _array("d", unread, count)
        columns[name] = MetricColumn(steps, values, ascending=ascending)
    block = MeasuredBlock(
        columns,
        [_epoch(*each) for each in part["epochs"]],
        part["measured"],
        part["step"],
        part["elapsed"],
        part["ends"],
        None if part["first_of_all"] is None else _first(*part["first_of_all"]),
        part["probed"],
        _marks(*part["reached"]),
        _marks(*part["marks"]),
    )
    return Stretch([line.encode("ascii") for line in part["lines"]], block), unread


def _first(elapsed: float, of_steps: bool, reported: bool) -> tuple[float, bool, bool]:
    return elapsed, of_steps, reported


def _marks(*found: tuple[float, float] | None) -> Marks:
    *steps, said = found
    first, latest, step = (None if m is None else (int(m[0]), float(m[1])) for m in steps)
    return Marks(first, latest, step, None if said is None else (float(said[0]), float(said[1])))


def _epoch(epoch: int, step: int, values: dict[str, float]) -> EpochFinished:
    return EpochFinished(epoch=epoch, step=step, values={k: float(v) for k, v in values.items()})


def _array(kind: str, unread: memoryview, count: int) -> tuple[Any, memoryview]:
    found = array(kind)
    found.frombytes(unread[: 8 * count])
    return _little(found), unread[8 * count :]


def _little(column: Any) -> Any:
    """The column with the byte order of the file, or back."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
