"""Dataset facts that depend on settings: a folder of images, or patches of another dataset."""

from dataclasses import replace

from revconsole.records.datasets import catalogue
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.sections.data import Data

FOLDER = "imagefolder"
PATCHES = "context_patches"
STACKED = 2
"""Number of patches of an example, stacked along its channels."""


def facts_of(data: Data) -> DatasetFacts:
    """Facts of the dataset; a folder's images stay 0 until counted. Raises UnknownName, and DataUnavailable without the folder."""
    facts = catalogue.dataset(data.dataset)
    if data.dataset == FOLDER:
        from revconsole.records.datasets.own_images import classes_of  # Pillow: only for a folder

        return replace(facts, classes=len(classes_of(data)), size=data.image_size or 0)
    if data.dataset == PATCHES:
        source = catalogue.dataset(data.source or "")
        return replace(
            facts,
            channels=STACKED * source.channels,
            size=data.patch_side,
            train_images=source.train_images,
            test_images=source.test_images,
        )
    return facts


def image_size(data: Data) -> int:
    """Side of the images the model sees, in pixels. Reads no folder."""
    own = data.patch_side if data.dataset == PATCHES else catalogue.dataset(data.dataset).size
    return data.crop or data.image_size or own


def image_shape(data: Data) -> tuple[int, int]:
    """Height and width of the images the model sees, in pixels. Reads no folder."""
    side = image_size(data)
    return side, data.image_width or side


def uncropped_size(data: Data) -> int:
    """Side of the images before cropping, in pixels; 0 if the settings do not determine it."""
    if data.dataset == FOLDER:
        return data.image_size or 0
    return data.patch_side if data.dataset == PATCHES else catalogue.dataset(data.dataset).size


def source_of(data: Data) -> Data:
    """The data settings of the dataset that patches are cut from."""
    return data.model_copy(update={"dataset": data.source, "image_size": data.source_size})


def source_size(data: Data) -> int:
    """Side of the images that patches are cut from, in pixels; 0 if the settings do not determine it."""
    return data.source_size or catalogue.dataset(data.source or "").size


def extent(data: Data) -> int:
    """Side of the square, in pixels, that a patch, its neighbours on both sides and their jitter need."""
    return 3 * data.patch_side + 2 * data.gap + 2 * data.jitter
