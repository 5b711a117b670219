"""Reading: one event log, look by look.

Each look re-opens the log and reads from the end of the last good line, up to the last newline: a line still being
written is not there yet. Nor is a whole line whose checksum fails, as long as no good one follows: a network file
system may show zeros where bytes are on their way. Once a good one follows, it is damaged: counted and passed over.
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
"""Most of a line: a writer keeps no longer one."""
BLOCK_BYTES = 1 << 22
"""Read at once."""
DOUBT_BYTES = 1 << 16
"""What is doubtful is read again at every look, more than this only once the log has changed."""


class Taker(Protocol):
    """What takes records in: a `Tally` or a `Fold`."""

    def add(self, record: LoggedEvent) -> None:
        """One record."""

    def add_block(self, block: MeasuredBlock) -> None:
        """Many measurements."""


class Reading:
    """One reader's place in the log of one attempt. `damaged` counts bad lines, `doubtful` those that may still come."""

    def __init__(self, folder: Path, taker: Taker) -> None:
        self._folder, self._taker = folder, taker
        self._offset = 0
        self._seen: tuple[int, int] | None = None
        self.damaged, self.doubtful = 0, 0
        self.odd = ""
        """What stands in the place of the log, if it is no log."""
        self.unread = ""
        """Why the log could not be read at the last look; empty if it could."""

    def look(self) -> bool:
        """Take in what is new; False if the log is not the one that was read before, but shorter."""
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
        except OSError as error:  # gone, or out of reach: what was read stays true
            self.unread = "" if isinstance(error, FileNotFoundError) else str(error.strerror)
            return True
        self.unread = ""
        self._seen = (now.st_size, now.st_mtime_ns)
        return True

    def _nothing_new(self, size: int, moved: int) -> bool:
        if size == self._offset:
            self.doubtful = 0
            return True
        return (size, moved) == self._seen and size - self._offset > DOUBT_BYTES

    def _read_columns(self, file: BinaryIO) -> None:
        """Take in chunks as long as they stand for the very bytes that the log has."""
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
        """Take in whole lines, up to the end of the log or not beyond `until`; returns where they end."""
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
            if len(rest) > LINE_BYTES:  # nobody writes such a line: what comes after it is not read
                self.doubtful += 1
                break
        return place

    def _take(self, line: bytes) -> bool:
        """Whether a line was good."""
        try:
            self._taker.add(decode(line))
        except UNREADABLE:
            return False
        return True


def _stands_for(chunk: column_cache.Chunk, file: BinaryIO) -> bool:
    """Whether a stretch of the log is what a chunk was made from."""
    file.seek(chunk.start)
    block = file.read(chunk.stop - chunk.start)
    return len(block) == chunk.stop - chunk.start and zlib.crc32(block) == chunk.crc
