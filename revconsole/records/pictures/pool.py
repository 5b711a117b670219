"""A pool: image files decoded by worker processes into one file, as many at once as there are cores."""

import json
import queue
import subprocess
from pathlib import Path
from typing import IO, Any, Self, cast

from revconsole.errors import DataUnavailable
from revconsole.records import child, host
from revconsole.records.pictures.cells import ImageFile, spelled
from revconsole.records.pictures.decoding import Unreadable
from revconsole.records.pictures.file_pixels import FileProperties, PixelFrame

MOST_WORKERS = 16
Answer = tuple[bytes, FileProperties] | Unreadable
"""(SHA-256 of the file, its properties) of an image that was written, or why there is none."""


class DecodingPool:
    """Worker processes, as many as there are cores; any number of threads may ask."""

    def __init__(self, target: Path, frame: PixelFrame) -> None:
        """target: the file that the images are written to, which exists."""
        self.size = min(MOST_WORKERS, host.cores())
        self._workers = [_DecodingWorker(target, frame) for _ in range(self.size)]
        self._idle: queue.Queue[_DecodingWorker] = queue.Queue()
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def decode(self, image: tuple[int, ImageFile]) -> Answer:
        """Decode an image to its row of the target. image: the row and the file.

        Raises MemoryError, and DataUnavailable for a process that died or a disk that is full.
        """
        worker = self._idle.get()
        try:
            return worker.ask(*image)
        finally:
            self._idle.put(worker)


class _DecodingWorker:
    """A process that decodes one image after the other."""

    def __init__(self, target: Path, frame: PixelFrame) -> None:
        words = (str(target), str(frame.height), str(frame.width), frame.fit)
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            child.command("revconsole.records.pictures.worker", *words),
            env=child.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def end(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._process.communicate()

    def ask(self, row: int, file: ImageFile) -> Answer:
        """What came of a file. Raises MemoryError, and DataUnavailable for a process that died or a full disk."""
        questions, answers = (
            cast("IO[bytes]", each) for each in (self._process.stdin, self._process.stdout)
        )
        try:
            questions.write(json.dumps([row, *spelled(file)]).encode() + b"\n")
            questions.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            raise _died(self._process.wait(), file)
        return _read(json.loads(line))


def _read(answer: dict[str, Any]) -> Answer:
    match answer:
        case {"digest": digest, "properties": properties}:
            return bytes.fromhex(digest), FileProperties(*properties)
        case {"memory": file}:
            raise MemoryError(file)
        case {"disk": reason}:
            raise DataUnavailable(
                f"the decoded images cannot be written ({reason}); make room, or set REVCONSOLE_DATA to another disk"
            )
        case _:
            return Unreadable(**answer)


def _died(code: int, file: ImageFile) -> DataUnavailable:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    hint = "perhaps for lack of memory; " if code == -9 else ""
    return DataUnavailable(
        f"a process that decodes images {how} at {file}; {hint}try again, or move that file out of the folder"
    )
