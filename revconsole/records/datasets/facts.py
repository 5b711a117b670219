"""DatasetFacts: what is known about a dataset without opening it, and whether its files are on this machine.

Each file in `revconsole/data/` that names a dataset has `FACTS = DatasetFacts(...)` with literal arguments, which the
catalogue reads without importing torch.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from revconsole.errors import DataUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """Facts of one dataset: the catalogue lists them, and the dataset's reader verifies them."""

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
    """Mean per channel over all training images in [0, 1] units; identifies the dataset, not used in training."""
    std: tuple[float, ...]
    train_per_class: tuple[int, ...]
    """Training images of each class; a single number applies to every class."""
    test_per_class: tuple[int, ...]
    layouts: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = ()
    """Each accepted layout, in order of search: its name, the places it may be in (relative to the data
    folder, or absolute), its files (`x/` is a folder). The last is the one to get by hand."""
    by_settings: tuple[str, ...] = ()
    """Settings in `data` that determine the content; facts that depend on them are 0 or empty here."""
    debian_package: str = ""
    download_from: tuple[str, ...] = ()
    """Addresses of a download, tried in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFiles:
    """The files of a dataset on this machine, and their layout."""

    place: Path
    layout: str
    files: tuple[Path, ...]


def data_folder() -> Path:
    """The folder of all datasets: `REVCONSOLE_DATA`, or the user's cache. It may not exist yet."""
    chosen = os.environ.get("REVCONSOLE_DATA", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("revconsole") / "data"


def found(facts: DatasetFacts, folder: Path) -> DatasetFiles | None:
    """The first complete layout, or None. Raises DataUnavailable if a place may not be read."""
    for layout, places, names in facts.layouts:
        for place in places:
            files = tuple(folder / place / name for name in names)
            if all(map(_is_there, files, names)):
                return DatasetFiles(place=folder / place, layout=layout, files=files)
    return None


def present(facts: DatasetFacts, folder: Path) -> Path | None:
    """The folder that holds the dataset (`folder` itself if it needs no files), or None."""
    if not facts.layouts:
        return folder
    complete = found(facts, folder)
    return complete.place if complete else None


def how_to_get(facts: DatasetFacts, folder: Path) -> str:
    """The instruction which files to put where, with the Debian package if there is one."""
    _, places, names = facts.layouts[-1]
    advice = f"put {', '.join(names)} in {folder / places[0]}"
    if facts.debian_package:
        return f"`apt-get install {facts.debian_package}`, or {advice}"
    return advice


def what_lacks(facts: DatasetFacts, folder: Path) -> str:
    """The files missing from the most nearly complete place; empty if no place has any."""
    most, sentence = 0, ""
    for _, places, names in facts.layouts:
        for place in places:
            missing = [name for name in names if not _is_there(folder / place / name, name)]
            if len(names) - len(missing) > most:
                most = len(names) - len(missing)
                sentence = f"{folder / place} lacks {', '.join(missing)}"
    return sentence


def _is_there(path: Path, name: str) -> bool:
    try:
        return path.is_dir() if name.endswith("/") else path.is_file()
    except PermissionError as error:
        raise DataUnavailable(
            f"{path.parent} may not be read; allow it, or set REVCONSOLE_DATA to another folder"
        ) from error
    except OSError as error:
        raise DataUnavailable(
            f"{path.parent} cannot be read ({error.strerror}); try again, or set REVCONSOLE_DATA to another folder"
        ) from error
