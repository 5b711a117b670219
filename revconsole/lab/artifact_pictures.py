"""Artifact pictures: an image that a program kept with its run as a picture for a screen."""

from revconsole.records.findings.samples import Picture
from revconsole.records.pictures.decoding import Unreadable, decode
from revconsole.records.pictures.file_pixels import PixelFrame
from revconsole.records.runs.artifacts import Artifact


def picture(image: Artifact, side: int) -> Picture | str:
    """An image in a square of so many pixels, between black bars; or why there is none."""
    found = decode(image.path, PixelFrame(side, side, "letterbox"))
    if isinstance(found, Unreadable):
        return found.reason
    rows = found[1].transpose(1, 2, 0).tolist()
    return Picture(rows=tuple(tuple(map(tuple, row)) for row in rows), caption=image.path.stem)
