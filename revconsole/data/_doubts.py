"""Doubts: what is odd about a dataset as opened, independent of the model.

Each function examines one thing and yields sentences. To add one, write it and call it in `doubts`.

Shapes: N images, C channels, S pixels of height and width.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
import torch

from revconsole.data._opening import OpenedData
from revconsole.data._stored import Pixels, parts_of
from revconsole.records.datasets.sources import PATCHES
from revconsole.records.sections import Data

FEW_LEVELS = 32
"""Number of grey levels below which images probably hold class numbers, or a part of 16 bits."""
SHARE = 0.01
"""Fraction of duplicate or doubly labelled images above which it is reported; common datasets contain some."""
MANY = 0.5
PART = 256
"""Images looked at together."""
LOOKED_AT = 64
"""Pixels of an image that are compared first."""
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A sentence about the data, with its severity."""

    level: Literal["warning", "alarm"]
    text: str


def doubts(data: OpenedData, settings: Data, *, labelled: bool = True) -> Iterator[Doubt]:
    """What is odd about the images of a run. labelled: whether their labels are trained on."""
    flat = list(_variation(data))
    yield from flat
    if any(doubt.level == "alarm" for doubt in flat):
        return
    if labelled:
        yield from _classes(data)
    points = data.train.images.shape[-1] == 1
    if not points and settings.dataset != PATCHES:  # points and empty patches coincide
        yield from _copies(data, labelled=labelled)


def _variation(data: OpenedData) -> Iterator[Doubt]:
    """Doubts about identical images, constant channels and few grey levels."""
    images = data.train.images
    low, high = _range(images)
    constant = [channel for channel in range(len(low)) if low[channel] == high[channel]]
    if len(constant) == len(low):
        yield _alarm(
            f"the {len(images):,} training images do not vary: every pixel is "
            f"{', '.join(map(str, low if len(set(low)) > 1 else low[:1]))} of 255, and there is nothing to learn from them"
        )
    elif len(images) > 1 and all(
        bool((part == images[:1]).all()) for part in parts_of(images, PART)
    ):
        yield _alarm(
            f"the {len(images):,} training images are all the same picture, and there is nothing to learn from them"
        )
    elif constant:
        named = ", ".join(f"channel {channel + 1} is {low[channel]} of 255" for channel in constant)
        yield _warning(f"not all channels of the training images vary: {named} everywhere")
    elif max(high) - min(low) < FEW_LEVELS and images.shape[-1] > 1:
        yield _warning(
            f"the training images use hardly any grey levels, {min(low)} to {max(high)} of 255: are they numbers of "
            "classes, or do they fill a part of 16 bits only? scale them before"
        )


def _range(images: Pixels) -> tuple[list[int], list[int]]:
    """The darkest and the brightest level of each channel."""
    dims = (0, 2, 3)
    ranges = [(part.amin(dims), part.amax(dims)) for part in parts_of(images, PART)]
    low, high = (torch.stack(levels) for levels in zip(*ranges, strict=True))
    return low.amin(0).tolist(), high.amax(0).tolist()


def _classes(data: OpenedData) -> Iterator[Doubt]:
    """Doubts about classes without an image in some part."""
    names, parts = data.names, {"train": data.train, "validate": data.validation, "test": data.test}
    missing_in = {}
    for word, split in parts.items():
        counts = torch.bincount(split.labels, minlength=len(names)).tolist()
        missing_in[word] = [name for name, count in zip(names, counts, strict=False) if not count]
    present = len(names) - len(missing_in["train"])
    if present < 2:
        yield _alarm(
            f"all training images are of one class, {data.names[int(data.train.labels[0])]!r}, and there is nothing to "
            "tell apart"
        )
        return
    parts_without: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for word, missing in missing_in.items():
        parts_without[tuple(missing)].append(word)
    sentences = [
        f"{_listed(missing)} {_has(missing)} no image to {' or '.join(words)} on"
        for missing, words in parts_without.items()
        if missing
    ]
    if sentences:
        several = len({name for missing in missing_in.values() for name in missing}) > 1
        those = "them" if several else "it"
        yield _warning(f"{'; '.join(sentences)}: what is measured there says nothing of {those}")


def _copies(data: OpenedData, *, labelled: bool) -> Iterator[Doubt]:
    """Doubts about images with two labels, and about validation or test images that are also training images."""
    splits = (data.train, data.validation, data.test)
    groups = _alike([split.images for split in splits])
    if not groups:
        return
    labels = torch.cat([split.labels for split in splits]).tolist()
    count, tested = len(data.train), len(data.train) + len(data.validation)
    twofold, example = 0, ""
    leaked = {"validation": 0, "test": 0}
    for group in groups:
        trained = [place for place in group if place < count]
        classes = sorted({labels[place] for place in trained})
        if len(classes) > 1:
            twofold += len(trained)
            example = example or " and ".join(data.names[label] for label in classes[:2])
        if trained:
            leaked["validation"] += sum(count <= place < tested for place in group)
            leaked["test"] += sum(tested <= place for place in group)
    if labelled and twofold >= SHARE * count:
        say = _alarm if twofold >= MANY * count else _warning
        yield say(
            f"{twofold:,} of {count:,} training images are there under more than one label, the same picture as {example} "
            "for instance, so no model can classify them all"
        )
    for word, split in (("validation", data.validation), ("test", data.test)):
        if leaked[word] >= SHARE * len(split) > 0:
            yield _warning(
                f"{leaked[word]:,} of {len(split):,} {word} images are training images too, so the {word} says less than "
                "it seems to"
            )


def _alike(parts: Sequence[Pixels]) -> list[list[int]]:
    """Groups of positions, counted over all parts, at which images (N, C, S, S) are identical."""
    size = parts[0].shape[1:].numel()
    places = torch.linspace(0, size - 1, min(size, LOOKED_AT), device=parts[0].device).long()
    looked_at = [some.flatten(1)[:, places] for part in parts for some in parts_of(part, PART)]
    rows = np.ascontiguousarray(torch.cat(looked_at).cpu().numpy())
    keys = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    ends = np.cumsum([len(part) for part in parts])
    groups = defaultdict(list)
    for place in np.flatnonzero(counts[inverse] > 1).tolist():
        part = int(np.searchsorted(ends, place, side="right"))
        number = place - (int(ends[part - 1]) if part else 0)
        row = parts[part][number : number + 1]
        groups[blake2b(row.cpu().numpy().tobytes(), digest_size=16).digest()].append(place)
    return [group for group in groups.values() if len(group) > 1]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(repr(name) for name in names[:NAMED]) + more


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _alarm(text: str) -> Doubt:
    return Doubt(level="alarm", text=text)


def _warning(text: str) -> Doubt:
    return Doubt(level="warning", text=text)
