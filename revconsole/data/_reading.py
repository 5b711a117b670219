"""Reading a dataset by its name, whether or not the settings decide what is in it."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from revconsole.data._images import Images
from revconsole.records.datasets import catalogue
from revconsole.records.sections import Data

Say = Callable[[str], None]
"""Takes a sentence about what takes long or was left out."""


def read(settings: Data, *, folder: Path, say: Say) -> Images:
    """All images of the dataset of `settings`.

    folder: where datasets live. Raises UnknownName and what the dataset's own `read` raises.
    """
    known = catalogue.dataset(settings.dataset)
    module = import_module(f"revconsole.data.{settings.dataset}")
    images: Images = (
        module.read(folder, settings, say) if known.by_settings else module.read(folder)
    )
    return images
