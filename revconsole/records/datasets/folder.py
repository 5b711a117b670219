"""A folder of images: its classes and parts, determined from folder names. No image is opened.

There are two layouts: `CLASS/…` for every class, or class folders below a training part, with validation and test
parts beside it. A part is recognised by any of its usual names in any case (`train`, `Training`, `val`, `test_set`,
…) if it contains folders. An ambiguous folder is refused with a remedy.

A validation or test part may also hold its images beside a file of their labels, as Tiny ImageNet's `val/` does.

Links to folders are followed only with `data.links = "follow"`; the top folder itself may always be reached by one.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from revconsole.errors import DataUnavailable, nearest
from revconsole.records.sections.data import Links

Part = Literal["train", "validation", "test"]

USUAL: dict[str, Part] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validate", "validation", "dev", "development", "eval", "evaluation"),
        "validation",
    ),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
ENDINGS = re.compile("(?<=.)(data|dataset|folder|images|imgs|part|set|split)$")
"""Suffixes that people add to these words: `train_set`, `test-images`."""
ANNOTATIONS = re.compile(r"(.*[_-])?(annotations|labels)\.(txt|csv|tsv)", re.IGNORECASE)
"""Name of a file of labels within a part."""
OF_SYSTEMS = frozenset(
    {
        "#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recycle", "@tmp", "__macosx", "__pycache__",
        "_thumbnails", "_thumbs", "lost+found", "system volume information", "thumbnails",
    }
)  # fmt: skip
"""Names of folders created by systems: a NAS, a desktop, an archive."""
IMAGES = "images"
"""Folder within a part that holds images of all classes."""
NAMED = 3
"""Number of names listed in a sentence."""

Passed = Counter[str]
"""Count of ignored entries by description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The parts of a folder and its classes.

    train: folder that contains one folder per class. validation, test: None if they are to be cut from `train`.
    unlabelled: parts without class folders. passed: ignored entries.
    """

    root: Path
    classes: tuple[str, ...]
    train: Path
    validation: Path | None = None
    test: Path | None = None
    unlabelled: tuple[Path, ...] = ()
    passed: Passed


def laid_out(root: Path, links: Links = "inside") -> Layout:
    """The classes and parts of a folder. Raises DataUnavailable, naming the place, if it is ambiguous or cannot be read."""
    names, passed = folders(root, links)
    parts = [name for name in names if part_of(name)]
    nested = [name for name in parts if folders(root / name, links)[0]]
    if not any(part_of(name) == "train" for name in nested):
        return _classes_alone(root, names, parts=parts, nested=nested, passed=passed, links=links)
    folder_of = {part: _the_only(root, parts, part) for part in ("train", "validation", "test")}
    for name in names:
        if name not in parts:
            passed[f"{name}/ beside the parts"] += 1
    train = folder_of["train"] or root
    classes = _classes(train, folders(train, links)[0], links)
    validation, test = (
        part if part and _is_labelled(part, classes, links) else None
        for part in (folder_of["validation"], folder_of["test"])
    )
    return Layout(
        root=root,
        classes=classes,
        train=train,
        validation=validation,
        test=test,
        unlabelled=tuple(
            part for part in folder_of.values() if part and part not in {train, validation, test}
        ),
        passed=passed,
    )


def annotations(part: Path, classes: Iterable[str], links: Links) -> Path | None:
    """The file of labels of a part without folders of classes; None if there is none."""
    names, _ = folders(part, links)
    if set(names) & set(classes):
        return None
    files = [Path(entry.path) for entry in entries(part)[0] if ANNOTATIONS.fullmatch(entry.name)]
    return files[0] if len(files) == 1 else None


def part_of(name: str) -> Part | None:
    """The part that a folder of this name usually holds; None if there is none."""
    bare = re.sub(r"[\s._-]", "", name.casefold())
    return USUAL.get(bare) or USUAL.get(ENDINGS.sub("", bare))


def folders(folder: Path, links: Links) -> tuple[list[str], Passed]:
    """Sorted names of the subfolders, and the ignored entries. Raises as `entries` does."""
    visible, passed = entries(folder)
    return [entry.name for entry in visible if is_folder(entry, links)], passed


def entries(folder: Path) -> tuple[list["os.DirEntry[str]"], Passed]:
    """The entries of a folder by name, and the ignored ones: hidden or made by a system. Raises DataUnavailable."""
    try:
        with os.scandir(folder) as scan:
            listed = sorted(scan, key=lambda entry: entry.name)
    except FileNotFoundError:
        raise DataUnavailable(no_folder(folder)) from None
    except OSError as error:
        raise _unreadable(folder, error) from error
    passed: Passed = Counter()
    visible = []
    for entry in listed:
        if not of_a_system(entry.name):
            visible.append(entry)
        else:
            passed["hidden" if entry.name.startswith(".") else f"{entry.name}/"] += 1
    return visible, passed


def of_a_system(name: str) -> bool:
    """Whether an entry of this name is hidden or made by a system, and no image of anybody."""
    return name.startswith(".") or name.casefold() in OF_SYSTEMS


def no_folder(folder: Path) -> str:
    """What to say of a folder that is not there, with the nearest name where the path goes wrong."""
    return f"there is no folder {folder}; check data.folder{nearest_there(folder, Path.is_dir)}"


def nearest_there(path: Path, fits: Callable[[Path], bool]) -> str:
    """The end of a sentence on a path that is not there: the nearest name where it goes wrong, of what fits. See `nearest`."""
    known = next(parent for parent in path.parents if os.path.exists(parent))  # noqa: PTH110  Path.exists raises where it may not look
    name = path.relative_to(known).parts[0]
    try:
        return nearest(name, [each.name for each in known.iterdir() if fits(each)])
    except OSError:
        return ""


def is_folder(entry: "os.DirEntry[str]", links: Links) -> bool:
    """Whether the entry is a folder. Raises DataUnavailable for a link to one, unless followed, and if it cannot be read."""
    try:
        return _is_folder(entry, links)
    except OSError as error:
        raise _unreadable(Path(entry.path), error) from error


def _unreadable(path: Path, error: OSError) -> DataUnavailable:
    return DataUnavailable(
        f"{path} cannot be read ({error.strerror}); allow it or try again, or choose another data.folder"
    )


def _is_folder(entry: "os.DirEntry[str]", links: Links) -> bool:
    if entry.is_symlink() and os.path.isdir(entry.path):  # noqa: PTH112  Path.is_dir raises where links go round
        if links == "follow":
            return True
        raise DataUnavailable(
            f"{entry.path} is a link to a folder, and links are not followed; put the folder itself in its place, or "
            "follow it with data.links=follow"
        )
    return entry.is_dir(follow_symlinks=False)


def _classes_alone(
    root: Path,
    names: list[str],
    *,
    parts: list[str],
    nested: list[str],
    passed: Passed,
    links: Links,
) -> Layout:
    """The layout of a folder without parts. A part without subfolders is unlabelled, except `train`, which may be a vehicle."""
    if nested:
        raise DataUnavailable(
            f"{root / nested[0]} holds folders, as a part of a set does, and there is no part to train on beside it; "
            "put the classes to train on below a folder train/, or rename it"
        )
    if parts and (len(parts) == len(names) or len({part_of(name) for name in parts}) > 1):
        raise DataUnavailable(
            f"{_listed(parts)} of {root} are parts of a set, and hold no folder for each class; "
            "put the images of each class in a folder of its own, e.g. train/cats/ and train/dogs/"
        )
    unlabelled = [name for name in parts if part_of(name) != "train"]
    classes = _classes(root, [name for name in names if name not in unlabelled], links)
    return Layout(
        root=root,
        classes=classes,
        train=root,
        unlabelled=tuple(root / name for name in unlabelled),
        passed=passed,
    )


def _the_only(root: Path, parts: list[str], part: Part) -> Path | None:
    """The folder that holds a part; None if there is none. Raises DataUnavailable if there are two."""
    names = [name for name in parts if part_of(name) == part]
    if len(names) > 1:
        raise DataUnavailable(
            f"{_listed(names)} of {root} may both be what to {part.replace('validation', 'validate')} on; "
            "keep one of them, or put their images together"
        )
    return root / names[0] if names else None


def _is_labelled(part: Path, classes: tuple[str, ...], links: Links) -> bool:
    """Whether a part has a label for its images: a folder for each class, or a file of labels."""
    names, _ = folders(part, links)
    gathered = len(names) == 1 and names[0].casefold() == IMAGES and IMAGES not in classes
    return annotations(part, classes, links) is not None or bool(names and not gathered)


def _classes(top: Path, names: list[str], links: Links) -> tuple[str, ...]:
    """The names, checked to be those of classes. Raises DataUnavailable."""
    if len(names) < 2:
        inner = folders(top / names[0], links)[0] if names else []
        hint = (
            f"perhaps data.folder={top / names[0]} is meant"
            if len(inner) > 1
            else "put the images of each class in a folder of its own, e.g. cats/ and dogs/, or name a file of their "
            "labels, e.g. data.labels=labels.csv"
        )
        raise DataUnavailable(
            f"{top} has {_folders(names)} of images where a class each is expected; {hint}"
        )
    _refuse_parts_of_other_names(top, names, links)
    return tuple(names)


def _folders(names: list[str]) -> str:
    return "1 folder" if len(names) == 1 else f"{len(names)} folders"


def _refuse_parts_of_other_names(top: Path, names: list[str], links: Links) -> None:
    """Raise DataUnavailable if the folders look like parts: all hold the same folders, or hold folders and contain a
    part's name.

    A single folder within each is common (`CLASS/images/…`) and not a part, which has at least two classes.
    """
    inner = _only_folders(top / names[0], links)
    common, nested = inner, inner
    for name in names[1:]:
        if not nested:
            return
        inner = _only_folders(top / name, links)
        common, nested = common & inner, inner
    if nested and len(common) > 1:
        raise DataUnavailable(
            f"{_listed(names)} of {top} all hold the same folders ({_listed(sorted(common))}): parts of a set do, and classes "
            f"do not; name them train/ and test/, choose one, e.g. data.folder={top / names[0]}, or put all images of "
            "a class directly into its folder"
        )
    part_like = [name for name in names if USUAL.keys() & set(re.split("[^a-z]+", name.casefold()))]
    if nested and part_like:
        raise DataUnavailable(
            f"{top / part_like[0]} holds folders and is named as a part of a set; name the parts of {top} train/ and "
            "test/, with a folder of each class directly in them, or rename it"
        )


def _only_folders(folder: Path, links: Links) -> set[str]:
    """Names of the subfolders of a folder without files; empty if there is a file. Stops reading at the first file."""
    names = set()
    with suppress(OSError), os.scandir(folder) as scan:  # listing its files reports this
        for entry in scan:
            if entry.name.startswith(".") or entry.name.casefold() in OF_SYSTEMS:
                continue
            if not entry.is_dir(follow_symlinks=links == "follow"):
                return set()
            names.add(entry.name.casefold())
    return names


def _listed(names: Iterable[str]) -> str:
    first = list(names)
    more = f" and {len(first) - NAMED:,} more" if len(first) > NAMED else ""
    return ", ".join(first[:NAMED]) + more
