"""Process output: what the processes of a run wrote on their standard output and error, as lines of its log.

Only a run that trains in the background has files of it: `launch.log` from before an attempt was claimed, `output.log`
since. Of a run on several ranks each but the first has a file of its own, whose lines begin with the rank. The bytes are data: they are decoded with replacements, and of what a carriage return overwrote the last part stays.
A line has the time at which it was first seen to be there, which for an old file is that of its last change.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES
from revconsole.records.runs import rank_files
from revconsole.records.runs.attempt import LAUNCH_LOG
from revconsole.records.runs.run import LogLine

OUTPUT_LOG = "output.log"
MOST_BYTES, MOST_LINES, LONGEST_LINE = 1 << 16, 500, 1000
"""Bytes that are read of a file at once, the last ones; lines that are kept of it; characters of a line."""


class ProcessOutput:
    """Reads the output of all attempts of one run; each reading reads only what is new."""

    def __init__(self) -> None:
        self._files: dict[Path, OutputFile] = {}
        self._lines: tuple[LogLine, ...] = ()

    def lines(self, folder: Path, numbers: Iterable[int]) -> tuple[LogLine, ...]:
        """The lines of the attempts with these numbers, in their order; a file that cannot be read has none."""
        changed = False
        for number in numbers:
            attempt = folder / "attempts" / f"{number:04d}"
            for name in (LAUNCH_LOG, OUTPUT_LOG):
                changed |= self._file(attempt / name).read()
            for rank, path in rank_files.numbered(attempt / rank_files.FOLDER, rank_files.LOG):
                changed |= self._file(path, f"rank {rank}: ").read()
        if changed:
            self._lines = tuple(line for file in self._files.values() for line in file.all())
        return self._lines

    def _file(self, path: Path, whose: str = "") -> "OutputFile":
        return self._files.setdefault(path, OutputFile(path, whose))


class OutputFile:
    """Reads one growing file. whose: what its lines begin with."""

    def __init__(self, path: Path, whose: str = "") -> None:
        self._path, self._whose = path, whose
        self._start_again()

    def _start_again(self) -> None:
        self._offset, self._seen = 0, 0.0
        self._whole: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._rest = b""

    def read(self) -> bool:
        """Read what is new; returns whether there is anything."""
        try:
            with bounded.opened(self._path, LOG_BYTES) as file:
                status = os.fstat(file.fileno())
                if status.st_size < self._offset:
                    self._start_again()
                if status.st_size == self._offset:
                    return False
                start = max(self._offset, status.st_size - MOST_BYTES)
                self._rest = b"" if start > self._offset else self._rest
                file.seek(start)
                new = file.read(status.st_size - start)
        except OSError:
            return False
        self._offset, self._seen = start + len(new), status.st_mtime
        *whole, self._rest = (self._rest + new)[-MOST_BYTES:].split(b"\n")
        self._whole += self._logged(whole)
        return True

    def all(self) -> Iterator[LogLine]:
        """Every whole line, and what there is of the last one."""
        yield from self._whole
        yield from self._logged([self._rest])

    def _logged(self, lines: Iterable[bytes]) -> Iterator[LogLine]:
        for line in lines:
            shown = next((p for p in reversed(line.split(b"\r")) if p.strip()), b"")
            if shown:
                text = shown[: 4 * LONGEST_LINE].decode(errors="replace")[:LONGEST_LINE]
                text = f"{self._whose}{text}"
                yield LogLine(time=self._seen, level="log", text=text, source="output")
