"""What is known about a dataset without opening it: facts, and whether its files are on this machine.

Each file in `revconsole/data/` that names a dataset has `FACTS = DatasetFacts(...)` with literal arguments
only, so that the catalogue reads them without importing torch. Nothing here opens a data file: that a file
is there says nothing about its content, which `revconsole.data` checks when it reads.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from revconsole.errors import DataUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """One dataset, as the catalogue lists it and as its reader verifies it."""

    title: str
    classes: int
    channels: int
    size: int
    """Height and width of an image, in pixels."""
    train_images: int
    test_images: int
    mirror: bool
    """Whether an image mirrored left to right keeps its label."""
    source: str
    licence: str
    mean: tuple[float, ...]
    """Per channel over all training images, in [0, 1] units: identifies the dataset, not used to train."""
    std: tuple[float, ...]
    train_per_class: tuple[int, ...]
    """Training images of each class; one number stands for every class."""
    test_per_class: tuple[int, ...]
    places: tuple[str, ...] = ()
    """Folders that may hold the files: relative to the data folder, or absolute; the first wins."""
    layouts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name and files of each accepted layout. `x/` is a folder; a file may also be there as `x.gz`."""
    debian_package: str = ""
    download_megabytes: int = 0
    """10⁶ bytes a download takes; 0 where nothing is downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where the files of a dataset are, and in which layout."""

    place: Path
    layout: str
    files: tuple[Path, ...]


def data_folder() -> Path:
    """The folder that datasets live in: `REVCONSOLE_DATA`, else the user's cache. It may not exist yet."""
    chosen = os.environ.get("REVCONSOLE_DATA", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("revconsole") / "data"


def found(facts: DatasetFacts, folder: Path) -> Found | None:
    """The first place and layout with every file there, or None; always None without layouts."""
    for relative in facts.places:
        place = folder / relative
        for layout, names in facts.layouts:
            files = tuple(existing(place, name) for name in names)
            complete = tuple(file for file in files if file is not None)
            if len(complete) == len(names):
                return Found(place=place, layout=layout, files=complete)
    return None


def present(facts: DatasetFacts, folder: Path) -> Path | None:
    """The folder that holds the dataset, `folder` itself where it needs no files, or None."""
    if not facts.layouts:
        return folder
    here = found(facts, folder)
    return here.place if here else None


def existing(place: Path, name: str) -> Path | None:
    """The file or folder `name` in `place`, or None.

    The compressed file is preferred: it carries a checksum, and an extraction may have been interrupted.
    """
    try:
        if name.endswith("/"):
            return place / name if (place / name).is_dir() else None
        packed = place / f"{name}.gz"
        if packed.is_file():
            return packed
        return place / name if (place / name).is_file() else None
    except PermissionError as error:
        raise DataUnavailable(
            f"{place} cannot be read; allow reading it or set REVCONSOLE_DATA to another folder"
        ) from error


def how_to_get(facts: DatasetFacts, folder: Path) -> str:
    """The tail of a sentence: which files to put where, and the Debian package where there is one."""
    _, names = facts.layouts[0]
    advice = f"put {', '.join(names)} in {folder / facts.places[0]}"
    if facts.debian_package:
        return f"apt-get install {facts.debian_package}, or {advice} (also as .gz)"
    return advice
