"""Facts of what a profile trains on, where its settings decide them: a folder of images, patches of another set."""

from dataclasses import replace
from pathlib import Path

from revconsole.records.datasets import catalogue, folder
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.sections.data import Data

FOLDER = "imagefolder"
PATCHES = "context_patches"
STACKED = 2
"""Patches of an example, one behind the other in its channels."""


def facts_of(data: Data) -> DatasetFacts:
    """Facts of the dataset as these settings make it.

    A folder's classes are read from its names; how many images it has is 0 until they are read.
    Raises UnknownName, and DataUnavailable where a folder is not there.
    """
    known = catalogue.dataset(data.dataset)
    if data.dataset == FOLDER:
        classes = folder.class_names(Path(data.folder or "."))
        return replace(known, classes=len(classes), size=data.image_size or 0)
    if data.dataset == PATCHES:
        source = catalogue.dataset(data.source or "")
        return replace(
            known,
            channels=STACKED * source.channels,
            size=data.patch_side,
            train_images=source.train_images,
            test_images=source.test_images,
        )
    return known


def image_size(data: Data) -> int:
    """Side of the images a model sees, in pixels; no folder is looked into."""
    own = data.patch_side if data.dataset == PATCHES else catalogue.dataset(data.dataset).size
    return data.crop or data.image_size or own


def uncropped_size(data: Data) -> int:
    """Side of the images that pieces are cropped from, in pixels; 0 where nobody said."""
    if data.dataset == FOLDER:
        return data.image_size or 0
    return data.patch_side if data.dataset == PATCHES else catalogue.dataset(data.dataset).size


def source_of(data: Data) -> Data:
    """The settings of the images that patches are cut from."""
    return data.model_copy(update={"dataset": data.source, "image_size": data.source_size})


def source_size(data: Data) -> int:
    """Side of the images that patches are cut from, in pixels; 0 where nobody said."""
    return data.source_size or catalogue.dataset(data.source or "").size


def extent(data: Data) -> int:
    """Pixels each way that a patch, its neighbours on both sides and their jitter take."""
    return 3 * data.patch_side + 2 * data.gap + 2 * data.jitter
