"""A folder of images, by the names in it: its classes, its parts, its files. No image is opened.

Two layouts: `CLASS/…` for every class, or those below `train/`, with `val/` and `test/` beside it. Where only one of
the two is there, it is what a run is tested on. Nothing is followed out of the folder: a link that leads elsewhere
is refused, and names come from the file system alone.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import DataUnavailable

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What counts as an image; other files are passed over."""
VALIDATION = ("val", "valid", "validation")

Labelled = tuple[tuple[Path, int], ...]
"""Files, each with the number of its class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Every image of a folder, in the order of the names.

    validation, test: empty where the folder leaves them to be cut from `train`.
    """

    root: Path
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled


def class_names(root: Path) -> tuple[str, ...]:
    """The classes, sorted by name, from the names of folders alone.

    Raises DataUnavailable where there are fewer than two, or the folder cannot be read.
    """
    top = _part(root, "train") or root
    names = tuple(sorted(entry.name for entry in _entries(top) if _is_folder(entry)))
    if len(names) < 2:
        raise DataUnavailable(
            f"{top} has {len(names)} folders of images where a class each is expected; "
            "put the images of each class in a folder of its own, e.g. cats/ and dogs/"
        )
    return names


def listed(root: Path) -> Listing:
    """Every image below a folder. Raises DataUnavailable, with the place, for what is not as it should be."""
    classes = class_names(root)
    apart = _part(root, "train")
    train = _labelled(root, apart or root, classes)
    validation, test = (
        _labelled(root, part, classes) if apart and part else ()
        for part in (_first(root, VALIDATION), _part(root, "test"))
    )
    empty = set(range(len(classes))) - {label for _, label in train}
    if empty:
        raise DataUnavailable(
            f"class {classes[min(empty)]!r} of {root} has no image to train on; "
            f"add some ({', '.join(sorted(SUFFIXES))}) or remove its folder"
        )
    if not test:
        validation, test = (), validation
    return Listing(root=root, classes=classes, train=train, validation=validation, test=test)


def _labelled(root: Path, part: Path, classes: tuple[str, ...]) -> Labelled:
    number = {name: label for label, name in enumerate(classes)}
    folders = sorted(entry.name for entry in _entries(part) if _is_folder(entry))
    strange = [name for name in folders if name not in number]
    if strange:
        raise DataUnavailable(
            f"{part / strange[0]} is not a class to train on: those of {root} are {', '.join(classes[:10])}"
        )
    inside = root.resolve()
    return tuple(
        (file, number[name]) for name in folders for file in _images(part / name, inside=inside)
    )


def _images(folder: Path, *, inside: Path) -> Iterator[Path]:
    """Images of a folder and of those below it, in the order of their names."""
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if _is_folder(entry):
            yield from _images(path, inside=inside)
        elif path.suffix.lower() in SUFFIXES:
            if entry.is_symlink() and not path.resolve().is_relative_to(inside):
                raise DataUnavailable(
                    f"{path} is a link to a file outside {inside}; put a copy in its place"
                )
            yield path


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".")]
    except FileNotFoundError:
        raise DataUnavailable(f"there is no folder {folder}; check data.folder") from None
    except OSError as error:
        raise DataUnavailable(
            f"{folder} cannot be read ({error.strerror}); choose another data.folder"
        ) from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder. Raises DataUnavailable for a link to one, wherever it leads."""
    if entry.is_symlink() and entry.is_dir():
        raise DataUnavailable(
            f"{entry.path} is a link to a folder; put the folder itself in its place"
        )
    return entry.is_dir(follow_symlinks=False)


def _part(root: Path, name: str) -> Path | None:
    return root / name if (root / name).is_dir() else None


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((part for name in names if (part := _part(root, name))), None)
