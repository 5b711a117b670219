"""Worker: `python -m revconsole.records.pictures.worker FILE HEIGHT WIDTH FIT` decodes images into a file, each at its row.

A line of the input is `[row, path]` in JSON, or `[row, path, row of the table, column]` of an image in a table; the answer to it is a line too:

    {"digest": …, "properties": […]}     the image stands in its row
    {"reason": …, "fault": …}            it cannot be read, and why
    {"memory": path}, {"disk": reason}   there is no room

It ends with its input, so also when whoever started it dies.
"""

import json
import os
import signal
import sys
import warnings
from typing import IO, Any, get_args

from revconsole.records.pictures.cells import ImageFile, read
from revconsole.records.pictures.decoding import Unreadable, decode
from revconsole.records.pictures.file_pixels import Fit, PixelFrame


def serve(questions: IO[bytes], answers: IO[bytes], descriptor: int, frame: PixelFrame) -> None:
    """Answer questions until the input ends. descriptor: of the file, open for writing."""
    for line in questions:
        row, *words = json.loads(line)
        answers.write(json.dumps(_answer(row, read(words), descriptor, frame)).encode() + b"\n")
        answers.flush()


def _answer(row: int, file: ImageFile, descriptor: int, frame: PixelFrame) -> dict[str, Any]:
    try:
        image = decode(file, frame)
    except MemoryError:
        return {"memory": str(file)}
    if isinstance(image, Unreadable):
        return image._asdict()
    digest, pixels, properties = image
    try:
        _write(descriptor, pixels.tobytes(), row * pixels.nbytes)
    except OSError as error:
        return {"disk": error.strerror or str(error)}
    return {"digest": digest.hex(), "properties": properties}


def _write(descriptor: int, content: bytes, place: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, place)
        content, place = content[written:], place + written


def main(target: str, height: str, width: str, fit: str) -> None:
    """Serve the standard streams."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it
    warnings.simplefilter("ignore")  # Pillow warns of odd palettes and metadata
    chosen: Fit = next(each for each in get_args(Fit) if each == fit)
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # other output must not mix with the answers
    serve(sys.stdin.buffer, own, os.open(target, os.O_WRONLY | os.O_CLOEXEC), PixelFrame(int(height), int(width), chosen))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
