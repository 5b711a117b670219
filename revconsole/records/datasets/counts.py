"""Counts: how many images a run trains on, known before one is read."""

from dataclasses import dataclass, replace
from pathlib import Path

from revconsole.records.datasets import sources
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.datasets.image_files import listed
from revconsole.records.sections.data import Data


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCount:
    """facts: of what is trained on, the images of a folder counted. trained: images of an epoch."""

    facts: DatasetFacts
    trained: int


def counted(data: Data) -> ImageCount:
    """What the settings take of what is there. Images that turn out to be unreadable are counted.

    Raises UnknownName, and DataUnavailable where a folder is not as it should be.
    """
    known, held_out = sources.facts_of(data), 0
    if in_folder(data):
        from revconsole.records.datasets.image_kinds import suffixes  # Pillow: only for a folder

        train, held_out, test = listed(Path(data.folder or "."), suffixes()).counts
        known = replace(known, train_images=train + held_out, test_images=test)
    if data.dataset == sources.FOLDER and held_out:  # its own; the fraction plays no part
        return ImageCount(facts=known, trained=min(data.train_limit or train, train))
    taken = min(data.train_limit or known.train_images, known.train_images)
    return ImageCount(facts=known, trained=taken - data.held_out(taken))


def in_folder(data: Data) -> bool:
    """Whether the images, or those that patches are cut from, are in a folder of the user's."""
    return sources.FOLDER in {data.dataset, data.source}
