"""Image folder: your own images, a folder for each class, brought to one size; needs `data.folder`, `data.image_size`.

Classes are the folders, in the order of their names, or those below `train/`, with `val/` and `test/` beside it. A
folder without a part to test on is cut: a fifth of each class, chosen once by a fixed seed, is tested on.

Images are turned upright, made RGB, cut to the middle square and scaled (antialiased) to `data.image_size`. That is
done once, in threads, and kept as one file in the data folder until an image is added, removed or changed.

Shapes: N images, S pixels of height and width.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from revconsole.data._cache import keep, kept, stamp_of
from revconsole.data._images import Images
from revconsole.data._order import stratified_order
from revconsole.data._reading import Say
from revconsole.errors import DataUnavailable
from revconsole.records.facts import DatasetFacts
from revconsole.records.folder import Labelled, Listing, listed
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

TEST_SHARE = 0.2
TEST_SEED = 0
MOST_THREADS = 16
SAY_SECONDS = 5.0
"""Between two sentences about how far it is."""
NAMED = 5
"""Of the images that cannot be read, so many are named."""

Pixels = NDArray[np.uint8]
Decoded = dict[str, NDArray[np.generic]]
"""pixels uint8 (N, 3, S, S) of all images that could be read, and their places in the list; the others with reasons."""


def read(folder: Path, settings: Data, say: Say) -> Images:
    """All images.

    Raises DataUnavailable where the folder is not as it should be, or an image cannot be read and
    `data.on_bad_image` is "fail".
    """
    listing, side = listed(Path(settings.folder or ".")), settings.image_size or 0
    parts = (listing.train, listing.validation, listing.test)
    files = [file for part in parts for file, _ in part]
    decoded = _decoded(files, listing.root, side=side, folder=folder, say=say)
    _report(decoded, files, settings, say)
    return _assembled(listing, parts, decoded)


def decode(file: Path, side: int) -> Pixels | str:
    """The image as uint8 (3, S, S), or why it cannot be read."""
    try:
        with Image.open(file) as image:
            image.draft("RGB", (side, side))  # of a large JPEG, no more than is needed
            square = ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), (side, side))
    except Exception as error:  # noqa: BLE001  Pillow's decoders raise anything, and one file must not end the list
        return " ".join(str(error).split())[:120] or type(error).__name__
    return np.asarray(square, dtype=np.uint8).transpose(2, 0, 1)


def _decoded(files: Sequence[Path], root: Path, *, side: int, folder: Path, say: Say) -> Decoded:
    """Every image, from the cache if nothing has changed since."""
    name = hashlib.sha256(str(root).encode(errors="replace")).hexdigest()[:16]
    cache, stamp = folder / "imagefolder" / f"{name}-{side}.npz", stamp_of(files, below=root)
    found = kept(cache, stamp)
    if found is None:
        found = _decode_all(files, root, side=side, say=say)
        keep(cache, stamp, found)
    return found


def _decode_all(files: Sequence[Path], root: Path, *, side: int, say: Say) -> Decoded:
    pixels = np.empty((len(files), 3, side, side), dtype=np.uint8)
    good: list[int] = []
    bad: list[int] = []
    reasons: list[str] = []
    said = time.monotonic()
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        for index, outcome in enumerate(pool.map(partial(decode, side=side), files)):
            if isinstance(outcome, str):
                bad.append(index)
                reasons.append(outcome)
            else:
                pixels[len(good)] = outcome
                good.append(index)
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                say(f"read {index + 1:,} of {len(files):,} images of {root}")
    return {
        "pixels": pixels[: len(good)],
        "good": np.array(good, dtype=np.int64),
        "bad": np.array(bad, dtype=np.int64),
        "reasons": np.array(reasons, dtype=np.str_),
    }


def _report(decoded: Decoded, files: Sequence[Path], settings: Data, say: Say) -> None:
    """Say, or raise as DataUnavailable, which images cannot be read."""
    bad, reasons = decoded["bad"].tolist(), decoded["reasons"].tolist()
    if not bad:
        return
    named = "; ".join(
        f"{files[index]} ({reason})"
        for index, reason in zip(bad[:NAMED], reasons[:NAMED], strict=True)
    )
    more = f"; and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
    what = f"{len(bad):,} of {len(files):,} images cannot be read: {named}{more}"
    if settings.on_bad_image == "fail":
        raise DataUnavailable(
            f"{what}; repair or delete them, or leave them out with data.on_bad_image = skip"
        )
    say(f"{what}; they are left out")


def _assembled(
    listing: Listing, parts: tuple[Labelled, Labelled, Labelled], decoded: Decoded
) -> Images:
    """Images and labels, those that could be read, in training (then validation) and test."""
    pixels = torch.from_numpy(decoded["pixels"])
    good = torch.from_numpy(decoded["good"])
    labels = torch.tensor([label for part in parts for _, label in part], dtype=torch.int64)[good]
    ends = np.cumsum([len(part) for part in parts])
    train = good < int(ends[0])
    held_out = (good >= int(ends[0])) & (good < int(ends[1]))
    test = good >= int(ends[1])
    if not parts[2]:
        train, test = _cut(train, labels)
    if not test.any():
        raise DataUnavailable(f"{listing.root} has no readable image to test on; add some")
    _refuse_lost_classes(listing, labels[train])
    return Images(
        train_images=torch.cat([pixels[train], pixels[held_out]]),
        train_labels=torch.cat([labels[train], labels[held_out]]),
        test_images=pixels[test],
        test_labels=labels[test],
        names=listing.classes,
        held_out=int(held_out.sum()),
    )


def _cut(train: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of what stays to train on, and of the fifth of each class that is tested on."""
    order = stratified_order(labels, TEST_SEED)
    test = torch.zeros_like(train)
    test[order[: round(TEST_SHARE * len(labels))]] = True
    return train & ~test, test


def _refuse_lost_classes(listing: Listing, labels: torch.Tensor) -> None:
    counts = torch.bincount(labels, minlength=len(listing.classes))
    if counts.min() < 2:
        name = listing.classes[int(counts.argmin())]
        raise DataUnavailable(
            f"class {name!r} of {listing.root} has {int(counts.min())} readable images to train on, and one to "
            "train on and one to validate on are the least; add some or remove its folder"
        )
