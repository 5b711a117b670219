"""Decoding: one image file as pixels with the hash of its bytes, or why there is no image."""

import errno
import hashlib
from typing import Literal, NamedTuple

from revconsole.records.pictures import file_pixels
from revconsole.records.pictures.cells import ImageFile, content_of
from revconsole.records.pictures.file_pixels import FileProperties, PixelFrame, Pixels, why_not

MOST_BYTES = 1 << 32
"""Largest accepted file."""
OF_THE_FILE = {
    errno.EACCES, errno.EPERM, errno.ENOENT, errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.ENAMETOOLONG,
}  # fmt: skip
"""System errors that a retry does not resolve."""
OUT_OF_MEMORY = "out of memory"
"""Text of Pillow's decoders for lack of memory."""


class Unreadable(NamedTuple):
    """A file without a usable image: it is damaged, or it could not be read this time."""

    reason: str
    fault: Literal["damaged", "denied", "moment"]


def digest(image: ImageFile) -> bytes | Unreadable:
    """SHA-256 of the encoded image, 32 bytes, or why it cannot be read."""
    try:
        return hashlib.sha256(content_of(image, MOST_BYTES)).digest()
    except (OSError, ValueError) as error:
        return unreadable(error)


def decode(file: ImageFile, frame: PixelFrame) -> tuple[bytes, Pixels, FileProperties] | Unreadable:
    """(SHA-256 of the file, its image, its properties), or why there is no image. Raises MemoryError with the name of the file."""
    try:
        content = content_of(file, MOST_BYTES)
        if not content:
            return Unreadable("it is empty", "damaged")
        return hashlib.sha256(content).digest(), *file_pixels.decoded(content, frame)
    except MemoryError as error:  # not a fault of the image
        raise MemoryError(str(file)) from error
    except OSError as error:
        if OUT_OF_MEMORY in str(error):
            raise MemoryError(str(file)) from error
        return unreadable(error)
    except Exception as error:  # noqa: BLE001  Pillow can raise anything, and one file must not end the list
        return Unreadable(why_not(error), "damaged")


def unreadable(error: Exception) -> Unreadable:
    """Why a file could not be read, and whether that may pass."""
    if not isinstance(error, OSError) or error.errno is None:
        return Unreadable(why_not(error), "damaged")  # raised by Pillow itself
    fault: Literal["denied", "moment"] = "denied" if error.errno in OF_THE_FILE else "moment"
    return Unreadable(error.strerror or why_not(error), fault)
