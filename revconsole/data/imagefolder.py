"""Image folder: your own images, a folder for each class, brought to one size; needs `data.folder`, `data.image_size`.

Classes are the folders, in the order of their names, or those below a part to train on (`train/`, `Training/`, …),
with parts to validate and to test on beside it; or the labels come from a file, `data.labels`. Without a part to test
on, a fifth of all images, chosen once by a fixed seed, is tested on, each class in proportion to within one image.

Images are turned upright, made 8-bit RGB on white, fitted (`data.fit`: cut to the middle square, squashed, or whole
between black bars) and scaled (antialiased) to `data.image_size`: once, and kept in the data folder for as long as the
files hold the same bytes, whether in memory while a run trains or, `data.place`, on the disk (see `_pixel_file`).

Shapes: N images, S pixels of height and width.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from revconsole.data._decoding import Decoded, decoded
from revconsole.data._images import Images
from revconsole.data._order import stratified_order
from revconsole.data._pixel_file import stored
from revconsole.data._placing import stays_on_disk
from revconsole.data._reading import Say
from revconsole.data._stored import StoredImages, only
from revconsole.errors import DataUnavailable
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.datasets.image_files import TEST_SHARE, ImageList, Labelled
from revconsole.records.datasets.own_images import images_of
from revconsole.records.pictures.cells import ImageFile
from revconsole.records.pictures.file_pixels import BACKGROUND_WORD, FileProperties, PixelFrame
from revconsole.records.sections import Data

FACTS = DatasetFacts(
    title="your folder of images",
    classes=0,
    channels=3,
    size=0,
    train_images=0,
    test_images=0,
    mirror=True,
    source="your own",
    licence="your own",
    mean=(),
    std=(),
    train_per_class=(),
    test_per_class=(),
    by_settings=("folder", "image_size"),
)

FITTED = {
    "crop": "the middle of each, {mean} of the pictures cut away{most}",
    "squash": "each squashed to that shape, by {mean}{most}",
    "letterbox": "each whole between black bars, {mean} of the frame{most}",
}
"""What was done to pictures of another shape than the frame's."""
TEST_SEED = 0
NAMED = 5
"""Number of unreadable images, and of kinds of images, listed by name."""
ADVICE = {
    "damaged": "repair them or move them out of the folder, or leave them out with data.on_bad_image = skip",
    "denied": "allow reading them, or leave them out with data.on_bad_image = skip",
    "moment": "that is no fault of the images: try again, and look at the disk or the network they are on",
}


def read(folder: Path, settings: Data, say: Say) -> Images:
    """All images of the folder.

    Raises DataUnavailable if the folder has no valid layout, or if an image cannot be read and `data.on_bad_image` is
    "fail".
    """
    listing, frame = images_of(settings), frame_of(settings)
    parts = (listing.train, listing.validation, listing.test)
    files = [file for part in parts for file, _ in part]
    which = str(listing.root) if settings.labels is None else f"{listing.root}\n{settings.labels}"
    name = hashlib.sha256(which.encode(errors="replace")).hexdigest()[:16]
    cache = folder / "imagefolder"
    if stays_on_disk(settings, len(files) * frame.values, say):
        images = stored(files, cache, f"{name}-{frame.label}", frame=frame, say=say)
    else:
        images = decoded(files, cache / f"{name}-{frame.label}.npz", frame=frame, say=say)
    _report(images, files, settings, say)
    return _assembled(listing, parts, images, frame)


def _report(images: Decoded, files: Sequence[ImageFile], settings: Data, say: Say) -> None:
    """Report which images cannot be read, or raise DataUnavailable.

    An image that may be readable the next time is never left out: the next run would have other images.
    """
    if not images.bad:
        return
    faults = Counter(bad.fault for bad in images.bad.values())
    named = "; ".join(f"{files[n]} ({bad.reason})" for n, bad in list(images.bad.items())[:NAMED])
    more = f"; and {len(images.bad) - NAMED:,} more" if len(images.bad) > NAMED else ""
    what = f"{len(images.bad):,} of {len(files):,} images cannot be read: {named}{more}"
    if settings.on_bad_image == "fail" or "moment" in faults:
        fault = next(fault for fault in ("moment", "denied", "damaged") if fault in faults)
        raise DataUnavailable(f"{what}; {ADVICE[fault]}")
    say(f"{what}; they are left out")


def frame_of(settings: Data) -> PixelFrame:
    """The size of the images, and how they are fitted to it."""
    side = settings.image_size or 0
    return PixelFrame(side, settings.image_width or side, settings.fit)


def _what_was_read(listing: ImageList, images: Decoded, frame: PixelFrame) -> str:
    """The files in one line: kinds, sizes, conversions, ignored entries."""
    kinds = Counter(file.kind for file in images.properties).most_common()
    more = f" and {len(kinds) - NAMED:,} other kinds" if len(kinds) > NAMED else ""
    named = ", ".join(f"{count:,} {kind}" for kind, count in kinds[:NAMED]) + more
    return "; ".join(
        (
            f"{len(images.properties):,} images ({named})",
            *_conversions(images.properties, frame),
            listing.parts,
            *_omissions(listing, images),
        )
    )


def _conversions(properties: Sequence[FileProperties], frame: PixelFrame) -> Iterator[str]:
    small, large = (pick(properties, key=lambda t: t.width * t.height) for pick in (min, max))
    low, high = (f"{t.width}×{t.height}" for t in (small, large))
    yield f"of {low} pixels" if low == high else f"of {low} to {high} pixels"
    shapes = [t.width / t.height * frame.height / frame.width for t in properties]
    away = [1 - min(shape, 1 / shape) for shape in shapes]
    if any(away):
        most = f", up to {max(away):.0%} of one" if max(away) > min(away) else ""
        yield FITTED[frame.fit].format(mean=f"{sum(away) / len(away):.0%}", most=most)
    if transparent := sum(t.transparent for t in properties):
        yield f"{transparent:,} with transparent pixels, put on {BACKGROUND_WORD}"
    if several := sum(t.frames for t in properties):
        yield f"the first frame of {several:,} that have more"


def _omissions(listing: ImageList, images: Decoded) -> Iterator[str]:
    if listing.links:
        yield f"{listing.links:,} of them by links"
    if images.bad:
        yield f"{len(images.bad):,} left out, which cannot be read"
    if listing.passed:
        yield f"passed over: {listing.passed}"


def _assembled(
    listing: ImageList,
    parts: tuple[Labelled, Labelled, Labelled],
    images: Decoded,
    frame: PixelFrame,
) -> Images:
    """Images and labels of the readable files, as training (then validation) and test."""
    found = images.pixels
    pixels = found if isinstance(found, StoredImages) else torch.from_numpy(found)
    good = torch.from_numpy(images.good)
    labels = torch.tensor([label for part in parts for _, label in part], dtype=torch.int64)[good]
    ends = np.cumsum([len(part) for part in parts])
    train = good < int(ends[0])
    held_out = (good >= int(ends[0])) & (good < int(ends[1]))
    test = good >= int(ends[1])
    if not parts[2]:
        train, test = _cut(train, labels)
    if not test.any():
        raise DataUnavailable(f"{listing.root} has no readable test image; add some")
    _refuse_lost_classes(listing, labels[train])
    first = torch.cat([train.nonzero(), held_out.nonzero()]).flatten()
    return Images(
        train_images=only(pixels, first),
        train_labels=labels[first],
        test_images=only(pixels, test),
        test_labels=labels[test],
        names=listing.classes,
        read=_what_was_read(listing, images, frame),
        held_out=int(held_out.sum()),
    )


def _cut(train: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of the training images, and of the fifth used for testing, per class to within one image."""
    order = stratified_order(labels, TEST_SEED)
    test = torch.zeros_like(train)
    test[order[: round(TEST_SHARE * len(labels))]] = True
    return train & ~test, test


def _refuse_lost_classes(listing: ImageList, labels: torch.Tensor) -> None:
    counts = torch.bincount(labels, minlength=len(listing.classes))
    if counts.min() < 2:
        name = listing.classes[int(counts.argmin())]
        raise DataUnavailable(
            f"class {name!r} of {listing.root} has {int(counts.min())} readable images to train on, and two are the "
            "least; add some or remove its folder"
        )
