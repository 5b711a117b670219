"""Counts: the number of images a run trains on, known before any image is read."""

from dataclasses import dataclass, replace

from revconsole.records.datasets import sources
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.sections.data import Data


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCount:
    """Numbers of images for given settings. facts: of the dataset, with those of a folder counted. trained: per epoch."""

    facts: DatasetFacts
    trained: int


def counted(data: Data) -> ImageCount:
    """The images that the settings select, unreadable ones of a folder included. Raises UnknownName and DataUnavailable."""
    facts, held_out = sources.facts_of(data), 0
    if in_folder(data):
        from revconsole.records.datasets.own_images import images_of  # Pillow: only for a folder

        train, held_out, test = images_of(data).counts
        facts = replace(facts, train_images=train + held_out, test_images=test)
    if (
        data.dataset == sources.FOLDER and held_out
    ):  # the folder's own validation part replaces the fraction
        return ImageCount(facts=facts, trained=min(data.train_limit or train, train))
    taken = min(data.train_limit or facts.train_images, facts.train_images)
    return ImageCount(facts=facts, trained=taken - data.held_out(taken))


def in_folder(data: Data) -> bool:
    """Whether the images, or the images that patches are cut from, are in a folder of the user."""
    return sources.FOLDER in {data.dataset, data.source}
