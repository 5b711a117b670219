"""Reading: incremental reading of one event log, from the end of the last good line up to the last newline.

A whole line whose checksum fails is doubtful until a good line follows, because a network file system may show zeros
where bytes are still on their way; then it counts as damaged and is skipped.
"""

import os
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.logs import column_cache
from revconsole.records.logs.block import MeasuredBlock
from revconsole.records.logs.events import LoggedEvent, decode
from revconsole.records.logs.log import MOST_BYTES

LINE_BYTES = MOST_BYTES
"""Longest line that a writer produces."""
BLOCK_BYTES = 1 << 22
"""Bytes read at once."""
DOUBT_BYTES = 1 << 16
"""Doubtful bytes that every poll reads again; a larger doubtful tail is read again only when the log has changed."""


class Taker(Protocol):
    """A consumer of records: `RunningSummary` or `History`."""

    def add(self, record: LoggedEvent) -> None:
        """Process one record."""

    def add_block(self, block: MeasuredBlock) -> None:
        """Process many measurements."""


class Reading:
    """The position of a reader in the log of one attempt. damaged: number of bad lines. doubtful: number of lines at
    the end of the log whose checksum fails and that may be incomplete writes.
    """

    def __init__(self, folder: Path, taker: Taker) -> None:
        self._folder, self._taker = folder, taker
        self._offset = 0
        self._seen: tuple[int, int] | None = None
        self.damaged, self.doubtful = 0, 0
        self.odd = ""
        """What is found in place of the log if it is not a regular file; empty otherwise."""
        self.unread = ""
        """Why the last poll could not read the log; empty if it could."""

    def poll(self) -> bool:
        """Process new lines. Returns False if the log is shorter than before, so it is not the same log."""
        path = self._folder / "events.jsonl"
        try:
            with bounded.opened(path, LOG_BYTES) as file:
                now = os.fstat(file.fileno())
                if now.st_size < self._offset:
                    return False
                if self._nothing_new(now.st_size, now.st_mtime_ns):
                    self.unread = ""
                    return True
                if not self._offset:
                    self._read_columns(file)
                self._read_lines(file)
        except bounded.OddFile as error:
            self.odd = f"{path.name} {error.strerror}"
            return True
        except OSError as error:  # missing or unreachable: what was read stays valid
            self.unread = "" if isinstance(error, FileNotFoundError) else str(error.strerror)
            return True
        self.unread = ""
        self._seen = (now.st_size, now.st_mtime_ns)
        return True

    def _nothing_new(self, size: int, moved: int) -> bool:
        """Whether the log has the length already read, or only a large doubtful tail that has not changed."""
        if size == self._offset:
            self.doubtful = 0
            return True
        return (size, moved) == self._seen and size - self._offset > DOUBT_BYTES

    def _read_columns(self, file: BinaryIO) -> None:
        """Process cached chunks for as long as each matches the bytes of the log."""
        for chunk in column_cache.chunks(self._folder):
            place = self._read_lines(file, until=chunk.start)
            if place != chunk.start or not _stands_for(chunk, file):
                return
            for stretch in chunk.stretches:
                for line in stretch.lines:
                    self._take(line)
                if not stretch.block.empty:
                    self._taker.add_block(stretch.block)
            self._offset = chunk.stop
            self.damaged, self.doubtful = self.damaged + self.doubtful, 0

    def _read_lines(self, file: BinaryIO, until: int | None = None) -> int:
        """Process whole lines up to the end of the log, or up to `until`. Returns the offset where they end."""
        file.seek(self._offset)
        place, rest, size = self._offset, b"", BLOCK_BYTES
        self.doubtful = 0
        while block := file.read(size if until is None else max(0, min(size, until - file.tell()))):
            *lines, rest = (rest + block).split(b"\n")
            size = BLOCK_BYTES if lines else 2 * size  # a long line is not copied too often
            for line in lines:
                place += len(line) + 1
                if self._take(line):
                    self.damaged, self.doubtful = self.damaged + self.doubtful, 0
                    self._offset = place
                else:
                    self.doubtful += 1
            if len(rest) > LINE_BYTES:  # no writer produces such a line: stop here
                self.doubtful += 1
                break
        return place

    def _take(self, line: bytes) -> bool:
        """Process one line; returns whether it was good."""
        try:
            self._taker.add(decode(line))
        except UNREADABLE:
            return False
        return True


def _stands_for(chunk: column_cache.Chunk, file: BinaryIO) -> bool:
    """Whether the bytes of the log in the chunk's range have the chunk's checksum."""
    file.seek(chunk.start)
    block = file.read(chunk.stop - chunk.start)
    return len(block) == chunk.stop - chunk.start and zlib.crc32(block) == chunk.crc
