"""Recognition: what a folder of images is, and the settings by which it is read.

A folder may be a shipped dataset in one of its layouts, tables, folders of classes, or images beside a file of labels; of
several that would do the first of these is taken. Of some images the header is read, for their sizes; none is decoded.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median_low

from PIL import Image

from revconsole.errors import DataUnavailable
from revconsole.records.datasets import catalogue, facts, sources
from revconsole.records.datasets.folder import nearest_there
from revconsole.records.datasets.image_files import ImageList
from revconsole.records.datasets.own_images import images_of
from revconsole.records.datasets.tables import files_of
from revconsole.records.pictures.cells import ImageFile, content_of
from revconsole.records.pictures.decoding import MOST_BYTES
from revconsole.records.pictures.image_kinds import formats
from revconsole.records.sections.data import Data

LABEL_FILES = ("*.csv", "*.tsv", "*.txt")
SIDES = (8, 16, 28, 32, 48, 64, 96, 128, 160, 192, 224)
"""Sides of images that are trained on."""
LARGE, TOKENS, MORE_TOKENS = 160, 8, 14
"""Side from which images are large; patches along a side of smaller and of large ones."""
LOOKED_AT = 200
"""Images whose headers are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a folder is. data: the settings by which it is read. side, patch: of images and patches to begin with.

    counts: images to train, validate and test on. per_class: images of each class to train on. data_folder: where a shipped
    dataset is found; None for one's own images.
    """

    layout: str
    data: Mapping[str, str | int]
    classes: tuple[str, ...]
    counts: tuple[int, int, int]
    side: int
    per_class: tuple[int, ...] = ()
    sizes: str = ""
    odd: str = ""
    data_folder: Path | None = None

    @property
    def patch(self) -> int:
        """Side of a patch that divides the images into about as many as is usual."""
        wanted = TOKENS if self.side < LARGE else MORE_TOKENS
        dividing = (n for n in range(1, self.side + 1) if self.side % n == 0)
        return min(dividing, key=lambda patch: abs(self.side / patch - wanted))


def recognised(path: Path) -> Recognised:
    """What a folder is. Raises DataUnavailable for one that is nothing that can be read, with the reason."""
    if not path.is_dir():
        raise DataUnavailable(
            f"{path} is a file; give the folder that it is in"
            if path.exists()
            else f"there is no folder {path}{nearest_there(path, Path.is_dir)}"
        )
    return _shipped(path) or _own(path)


def _shipped(path: Path) -> Recognised | None:
    """The shipped dataset whose files these are; None if they are of none."""
    matching = []
    for name, known in catalogue.datasets().items():
        for folder in (path, path.parent):
            files = facts.found(known, folder) if known.layouts else None
            if files and files.place.resolve().is_relative_to(path.resolve()):
                matching.append((name, known, files.layout, folder))
                break
    if not matching:
        _refuse_misnamed(path)
        return None
    name, known, layout, folder = matching[0]
    others = ", ".join(other for other, *_ in matching[1:])
    return Recognised(
        layout=f"{known.title}, as {layout}",
        data={"dataset": name},
        classes=tuple(map(str, range(known.classes))),
        counts=(known.train_images, 0, known.test_images),
        side=known.size,
        sizes=f"{known.size}×{known.size}",
        odd=f"files of {others} have the same names" if others else "",
        data_folder=folder,
    )


def _refuse_misnamed(path: Path) -> None:
    """Raise DataUnavailable for the files of a shipped dataset in a folder in which they are not looked for."""
    there = {each.name for each in path.iterdir()}
    named = [
        name
        for name, known in catalogue.datasets().items()
        if any(
            set(files) <= there
            for _, places, files in known.layouts
            if "." not in places and not files[0].endswith("/")
        )
    ]
    if named:
        raise DataUnavailable(
            f"{path} holds the files of {' or '.join(sorted(named, reverse=True))}; rename the folder to that, and give the one above it"
        )


def _own(path: Path) -> Recognised:
    settings: dict[str, str | int] = {"dataset": sources.FOLDER, "folder": str(path)}
    try:
        found, layout = _listed(settings), "tables" if files_of(path) else "a folder for each class"
    except DataUnavailable:
        labelled = _labelled(path, settings)
        if labelled is None:
            raise
        found, labels = labelled
        settings["labels"], layout = labels, f"images, and their labels in {labels}"
    images = [image for image, _ in (*found.train, *found.validation, *found.test)]
    sizes, unreadable = _sizes(images)
    side = _side(sizes)
    settings["image_size"] = side
    counted = Counter(label for _, label in found.train)
    looked_at = len(sizes) + unreadable
    odd = [f"passed over: {found.passed}"] if found.passed else []
    odd += [f"{unreadable:,} of {looked_at:,} looked at cannot be read"] if unreadable else []
    return Recognised(
        layout=f"{layout} ({found.parts})",
        data=settings,
        classes=found.classes,
        counts=found.counts,
        side=side,
        per_class=tuple(counted[label] for label in range(len(found.classes))),
        sizes=_described(sizes),
        odd="; ".join(odd),
    )


def _listed(settings: Mapping[str, str | int]) -> ImageList:
    return images_of(Data.model_validate(settings))


def _labelled(path: Path, settings: Mapping[str, str | int]) -> tuple[ImageList, str] | None:
    """The images by the first file of labels that fits them, and its name; None if none does."""
    for file in sorted(each for kind in LABEL_FILES for each in path.glob(kind)):
        try:
            return _listed({**settings, "labels": file.name}), file.name
        except DataUnavailable:
            continue
    return None


def _sizes(images: Sequence[ImageFile]) -> tuple[list[tuple[int, int]], int]:
    """(width, height) of some images, evenly chosen, and how many of them cannot be read."""
    sizes, unreadable = [], 0
    for image in images[:: max(1, -(-len(images) // LOOKED_AT))]:
        try:
            with Image.open(BytesIO(content_of(image, MOST_BYTES)), formats=formats()) as opened:
                sizes.append(opened.size)
        except Exception:  # noqa: BLE001  Pillow can raise anything
            unreadable += 1
    if not sizes:
        raise DataUnavailable(
            f"none of {unreadable:,} images looked at can be read, first {images[0]}"
        )
    return sizes, unreadable


def _side(sizes: Sequence[tuple[int, int]]) -> int:
    """The side of squares that shows what most images show."""
    shorter = median_low(min(size) for size in sizes)
    return max((side for side in SIDES if side <= shorter), default=SIDES[0])


def _described(sizes: Sequence[tuple[int, int]]) -> str:
    low, high = (pick(sizes, key=lambda s: s[0] * s[1]) for pick in (min, max))
    words = f"{low[0]}×{low[1]}" if low == high else f"{low[0]}×{low[1]} to {high[0]}×{high[1]}"
    oblong = sum(width != height for width, height in sizes)
    if not oblong:
        return words
    return f"{words}; {oblong / len(sizes):.0%} are not square: data.fit says how they become so"
