"""Every image file of a folder in a fixed order, and the ignored entries. No image is opened."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import DataUnavailable
from revconsole.records.datasets.folder import (
    Layout,
    Passed,
    annotations,
    entries,
    is_folder,
    laid_out,
)
from revconsole.records.datasets.label_file import Files, read_labels
from revconsole.records.pictures.cells import ImageFile
from revconsole.records.sections.data import Links

TEST_SHARE = 0.2
"""Fraction of the images used as the test part of a folder without one, per class to within one image."""
DEEPEST = 32
"""Deepest nesting of folders within a class."""
MOST_LISTED = 6
"""Number of kinds of ignored entries listed by name."""

Labelled = tuple[tuple[ImageFile, int], ...]
"""Files, each with its class number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageList:
    """Every image of a folder by name. validation, test: empty if cut from `train`. passed: the ignored entries."""

    root: Path
    classes: tuple[str, ...]
    train: Labelled
    validation: Labelled
    test: Labelled
    passed: str
    parts: str
    """Description of the parts used for training, validation and test, by folder names."""
    links: int
    """Number of files that are links to other files."""

    @property
    def counts(self) -> tuple[int, int, int]:
        """(training images, validation images of the folder's own part or 0, test images)."""
        train, validation, test = map(len, (self.train, self.validation, self.test))
        cut = 0 if test else round(TEST_SHARE * train)
        return train - cut, validation, test or cut


def listed(root: Path, suffixes: frozenset[str], links: Links = "inside") -> ImageList:
    """Every file below a folder with one of these suffixes. Raises DataUnavailable, naming the place, for an invalid layout."""
    layout = laid_out(root, links)
    passed: Passed = Counter(layout.passed)
    scan = Scan(root, suffixes, passed, links)
    train = scan.labelled(layout.train, layout.classes, apart=layout.train != root)
    validation, test = (
        scan.labelled(part, layout.classes, apart=True) if part else ()
        for part in (layout.validation, layout.test)
    )
    if layout.train != root:
        scan.beside(root)
    for part in layout.unlabelled:
        passed[f"without a class in {part.name}/"] += sum(1 for _ in scan.images(part))
    _refuse_empty(layout, train, scan)
    parts = _parts(layout, validation=bool(validation), test=bool(test))
    if not test:
        validation, test = (), validation
    return ImageList(
        root=root,
        classes=layout.classes,
        train=train,
        validation=validation,
        test=test,
        passed=described(passed),
        parts=parts,
        links=scan.followed,
    )


class Scan:
    """A traversal of the folders below a root that counts ignored entries."""

    def __init__(
        self, root: Path, suffixes: frozenset[str], passed: Passed, links: Links = "inside"
    ) -> None:
        self.inside = os.path.realpath(root)
        self.suffixes, self.passed, self.links = suffixes, passed, links
        self.root, self.followed = root, 0

    def labelled(self, part: Path, classes: tuple[str, ...], *, apart: bool) -> Labelled:
        """The images of a part with their class numbers. apart: whether every folder in the part must be a class."""
        number = {name: label for label, name in enumerate(classes)}
        if apart and (file := annotations(part, classes, self.links)):
            return self._annotated(part, file, number)
        visible, passed = entries(part)
        folders = [entry.name for entry in visible if is_folder(entry, self.links)]
        unknown = [name for name in folders if name not in number]
        if apart:
            self.passed.update(passed)
            if unknown:
                raise DataUnavailable(
                    f"{part / unknown[0]} is not a class to train on: those of {self.root} are "
                    f"{', '.join(classes[:10])}"
                )
        self._pass_all(entry.name for entry in visible if entry.name not in folders)
        return tuple(
            (file, number[name])
            for name in folders
            if name in number
            for file in self.images(part / name)
        )

    def _annotated(self, part: Path, file: Path, number: Mapping[str, int]) -> Labelled:
        """The images of a part by the file of their labels beside them."""
        labels = read_labels(file, self.suffixes, image_column=None, label_column=None)
        unknown = next((row for row in labels.rows if row.label not in number), None)
        if unknown:
            raise DataUnavailable(
                f"line {unknown.line} of {file} has the class {unknown.label!r}, which is not one to train on: those of "
                f"{self.root} are {', '.join(list(number)[:10])}"
            )
        files = Files(part, self.images(part))
        self.passed[file.suffix.lower()] -= 1  # it was read
        found = files.matched(labels)
        self.passed["without a label"] += len(files) - len(found)
        return tuple((image, number[row.label]) for image, row in found)

    def beside(self, folder: Path) -> None:
        """Count the files beside the parts."""
        self._pass_all(
            entry.name for entry in entries(folder)[0] if not is_folder(entry, self.links)
        )

    def _pass_all(self, names: Iterable[str]) -> None:
        for name in names:
            self._pass(Path(name), "beside the folders of classes")

    def images(self, folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
        """Images in a folder and its subfolders, in the order of their names. above: the folders that led here."""
        if len(above) > DEEPEST:
            raise DataUnavailable(
                f"below {folder.parents[len(above) - 1]} there are folders more than {DEEPEST} deep; "
                "put the images of a class directly into its folder"
            )
        here = os.path.realpath(folder)
        if here in above or (above and Path(self.inside).is_relative_to(here)):
            raise DataUnavailable(f"{folder} is a link back to a folder above it; remove it")
        visible, passed = entries(folder)
        self.passed.update(passed)
        for entry in visible:
            path = Path(entry.path)
            if is_folder(entry, self.links):
                yield from self.images(path, (*above, here))
            elif path.suffix.lower() not in self.suffixes:
                self._pass(path)
            elif self._is_one(entry):
                yield path

    def _pass(self, file: Path, where: str = "") -> None:
        if file.suffix.lower() in self.suffixes and where:
            self.passed[where] += 1
        else:
            self.passed[file.suffix.lower()[:12] or "no suffix"] += 1

    def _is_one(self, entry: "os.DirEntry[str]") -> bool:
        """Whether an entry is a file that may be opened; a dangling link counts, and fails when it is read."""
        if entry.is_symlink():
            outside = not Path(os.path.realpath(entry.path)).is_relative_to(self.inside)
            if outside and self.links == "inside":
                raise DataUnavailable(
                    f"{entry.path} is a link to a file outside {self.inside}; put a copy in its place, or follow it with "
                    "data.links=follow"
                )
            self.followed += 1
            return True
        if entry.is_file(follow_symlinks=False):
            return True
        self.passed["no regular file"] += 1
        return False


def _refuse_empty(layout: Layout, train: Labelled, scan: Scan) -> None:
    empty = set(range(len(layout.classes))) - {label for _, label in train}
    if not empty:
        return
    name = layout.classes[min(empty)]
    passed: Passed = Counter()
    for _ in Scan(layout.root, scan.suffixes, passed, scan.links).images(layout.train / name):
        pass
    present = f" (there are: {listing})" if (listing := described(passed)) else ""
    raise DataUnavailable(
        f"class {name!r} of {layout.root} has no image to train on{present}; "
        "add some (.jpg, .png, .tif, .webp, or another that Pillow reads) or remove its folder"
    )


def _parts(layout: Layout, *, validation: bool, test: bool) -> str:
    """Description of the parts used. validation, test: whether those parts have images."""
    if layout.train == layout.root:
        return "a fifth is cut off to test on"
    names = [f"{layout.train.name}/ to train on"]
    if test and layout.test:
        names += (
            [f"{layout.validation.name}/ to validate on"]
            if validation and layout.validation
            else []
        )
        names += [f"{layout.test.name}/ to test on"]
    elif validation and layout.validation:
        names += [f"{layout.validation.name}/ to test on"]
    else:
        names += ["a fifth of it cut off to test on"]
    return ", ".join(names)


def described(passed: Passed) -> str:
    """Ignored entries by description, most frequent first."""
    counted = [f"{count:,} {what}" for what, count in passed.most_common() if count]
    more = f" and {len(counted) - MOST_LISTED:,} other kinds" if len(counted) > MOST_LISTED else ""
    return ", ".join(counted[:MOST_LISTED]) + more
