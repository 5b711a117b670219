"""Following: takes what is new in the files of a run, from where each was left.

A log is read on from the end of its last whole record, while the bytes before that are the ones that were read. A file that
was replaced, cut or taken away means that the run is read anew.
"""

import os
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.foreign.gathered import Gathered
from revconsole.records.foreign.part import Kind, Part, Reach, Replaced, Take
from revconsole.records.printable import one_line

BLOCK_BYTES = 1 << 20
LONGEST_RECORD = 1 << 26
"""Bytes of a log that may be read without a whole record among them."""
PROBE_BYTES = 1 << 12
"""Bytes before the end of what was read, by whose checksum the file is known again."""
MOST = {"log": LOG_BYTES, "settings": 1 << 18, "table": 1 << 30, "database": 1 << 34}
"""Largest file of each kind."""

UNFINISHED = -1
"""In place of the time of a file that was not read to its end, because the time for it was up."""

Stamp = tuple[str, int, int]
"""Name, length, and time of change in nanoseconds of a file."""


@dataclass(slots=True)
class Position:
    """What is known of a file that was read. probe: checksum of the last bytes before the end of what was taken of a log."""

    size: int
    moved: int
    reach: Reach = field(default_factory=Reach)
    probe: int = 0


def stamps(folder: Path, parts: Sequence[Part]) -> tuple[Stamp, ...]:
    """Name, length and time of each file that is there."""
    found = []
    for part in parts:
        with suppress(OSError):
            status = os.stat(part.path, follow_symlinks=False)  # noqa: PTH116  there may be thousands
            found.append((_key(folder, part), status.st_size, status.st_mtime_ns))
    return tuple(found)


def catch_up(
    folder: Path,
    parts: Sequence[Part],
    positions: dict[str, Position],
    into: Gathered,
    until: float,
) -> bool:
    """Take what is new. Returns False if the run has to be read anew, because a file is no longer the one that was read.

    until: time of the monotonic clock after which no further block of a log is read; see `finished`.
    """
    if positions.keys() - {_key(folder, part) for part in parts}:
        return False
    return all(_catch_up(_key(folder, part), part, positions, into, until) for part in parts)


def finished(positions: dict[str, Position]) -> bool:
    """Whether every file was read to its end."""
    return all(at.moved != UNFINISHED for at in positions.values())


def torn(positions: dict[str, Position], *, quiet: bool) -> tuple[str, ...]:
    """Sentences on logs that could not be taken to their end. quiet: also on what may be half a record that is being written."""
    said = []
    for key, at in positions.items():
        rest = at.size - at.reach.at
        if at.reach.doubt:
            said.append(f"{one_line(key)}: {at.reach.doubt}")
        elif quiet and rest > 0 and at.moved != UNFINISHED:
            said.append(f"{one_line(key)}: its last {rest:,} bytes are no whole record yet")
    return tuple(said)


def _catch_up(
    key: str, part: Part, positions: dict[str, Position], into: Gathered, until: float
) -> bool:
    before = positions.get(key)
    try:
        with bounded.opened(part.path, MOST[part.kind]) as file:
            now = os.fstat(file.fileno())
            if before is not None and part.kind != "database" and _same(before, now):
                return True
            if before is not None and not _goes_on(part.kind, before, now.st_size, file):
                return False
            at = Position(now.st_size, now.st_mtime_ns, before.reach if before else Reach())
            positions[key] = at
            if part.kind == "log":
                _take_log(file, part.take, at, into, until)
            elif part.kind == "database":
                _take_rows(part, at, into)
            else:
                _take_whole(key, file, part, at, into)
    except Replaced:
        return False
    except FileNotFoundError:
        return before is None
    except bounded.OddFile as error:
        into.say(f"{one_line(key)} {error.strerror}")
    except OSError as error:
        into.say(f"{one_line(key)} could not be read: {error.strerror}")
    return True


def _same(before: Position, now: os.stat_result) -> bool:
    return (before.size, before.moved) == (now.st_size, now.st_mtime_ns)


def _goes_on(kind: Kind, before: Position, size: int, file: BinaryIO) -> bool:
    """Whether what was read of a file still stands in it."""
    if kind != "log":
        return kind != "table"
    return size >= before.reach.at and _probe(file, before.reach.at) == before.probe


def _take_log(file: BinaryIO, take: Take, at: Position, into: Gathered, until: float) -> None:
    reach, rest, size = at.reach, b"", BLOCK_BYTES
    reach.doubt = ""
    file.seek(reach.at)
    while block := file.read(size):
        rest += block
        try:
            taken = take(rest, reach, into)
        except UNREADABLE as error:
            reach.doubt = f"damaged at byte {reach.at:,} ({type(error).__name__})"
            break
        reach.at += taken
        rest = rest[taken:]
        if len(rest) > LONGEST_RECORD:
            reach.doubt = (
                reach.doubt
                or f"no record ends within {LONGEST_RECORD:,} bytes of byte {reach.at:,}"
            )
        if reach.doubt:
            break
        if time.monotonic() > until:
            at.moved = UNFINISHED
            break
        size = BLOCK_BYTES if taken else 2 * size  # a long record is not copied too often
    at.probe = _probe(file, reach.at)


def _take_whole(key: str, file: BinaryIO, part: Part, at: Position, into: Gathered) -> None:
    try:
        at.reach.at = part.take(file.read(MOST[part.kind]), at.reach, into)
    except UNREADABLE as error:
        into.damage(f"{one_line(key)}: {one_line(str(error)) or type(error).__name__}")


def _take_rows(part: Part, at: Position, into: Gathered) -> None:
    try:
        part.take(b"", at.reach, into)
    except BlockingIOError:
        at.moved = UNFINISHED  # with the next look
    except UNREADABLE as error:
        at.reach.doubt = one_line(str(error)) or type(error).__name__
    else:
        at.reach.doubt = ""
    at.reach.at = at.size


def _probe(file: BinaryIO, end: int) -> int:
    """Checksum of the bytes before `end`."""
    start = max(0, end - PROBE_BYTES)
    file.seek(start)
    return zlib.crc32(file.read(end - start))


def _key(folder: Path, part: Part) -> str:
    return part.path.relative_to(folder).as_posix()
