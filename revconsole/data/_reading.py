"""Reading a dataset by name, whether or not settings determine its content."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from revconsole.data._images import Images
from revconsole.records.datasets import catalogue
from revconsole.records.sections import Data

Say = Callable[[str], None]
"""A function that receives a sentence about slow or omitted data."""


def read(settings: Data, *, folder: Path, say: Say) -> Images:
    """All images of the dataset of `settings`.

    folder: folder of the datasets. Raises UnknownName, and as the dataset's own `read` does.
    """
    facts = catalogue.dataset(settings.dataset)
    module = import_module(f"revconsole.data.{settings.dataset}")
    images: Images = (
        module.read(folder, settings, say) if facts.by_settings else module.read(folder)
    )
    return images
