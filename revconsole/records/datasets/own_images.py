"""Own images: what `data.folder` holds, by a file of labels, by tables or by the folders of classes. No image is opened."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from revconsole.errors import DataUnavailable
from revconsole.records.datasets.folder import Part, Passed, laid_out, no_folder
from revconsole.records.datasets.image_files import ImageList, Labelled, Scan, described, listed
from revconsole.records.datasets.label_file import Files, LabelFile, read_labels
from revconsole.records.datasets.tables import ImageTables, files_of, tables_of
from revconsole.records.pictures.image_kinds import suffixes
from revconsole.records.sections.data import Data

PARTS: tuple[Part, ...] = ("train", "validation", "test")


def classes_of(data: Data) -> tuple[str, ...]:
    """Name of each class. Raises DataUnavailable."""
    if data.labels is not None:
        return _labels(data).classes
    if tables := _tables(data):
        return tables.classes
    return laid_out(Path(data.folder or "."), data.links).classes


def images_of(data: Data) -> ImageList:
    """Every image with its class, in a fixed order. Raises DataUnavailable, naming the place, for an invalid layout."""
    root = Path(data.folder or ".")
    if data.labels is not None:
        return _by_labels(root, _labels(data), data)
    if tables := _tables(data):
        return _parted(
            root,
            tables.classes,
            tables.images,
            passed=tables.passed,
            links=0,
            parts="rows of tables",
        )
    return listed(root, suffixes(), data.links)


def _tables(data: Data) -> ImageTables | None:
    """The tables of the folder; None if it holds folders of classes. Raises DataUnavailable for columns of those."""
    root = Path(data.folder or ".")
    files = files_of(root)
    if files:
        return tables_of(
            root, files, image_column=data.image_column, label_column=data.label_column
        )
    if data.image_column or data.label_column:
        raise DataUnavailable(
            f"{root} holds no tables, so it has no columns; leave out data.image_column and data.label_column, or name a file of "
            "labels with data.labels"
        )
    return None


def _parted(
    root: Path,
    classes: tuple[str, ...],
    images: Mapping[Part, Labelled],
    *,
    passed: Passed,
    links: int,
    parts: str,
) -> ImageList:
    """The list of images by part; without a part to test on, that to validate on is tested on, or a fifth."""
    validation, test = images["validation"], images["test"]
    if not test:
        validation, test = (), validation
    return ImageList(
        root=root,
        classes=classes,
        train=images["train"],
        validation=validation,
        test=test,
        passed=described(passed),
        parts=parts + ("" if test else ", a fifth is cut off to test on"),
        links=links,
    )


def _labels(data: Data) -> LabelFile:
    root = Path(data.folder or ".")
    if not root.is_dir():
        raise DataUnavailable(no_folder(root))
    return read_labels(
        root / (data.labels or ""),
        suffixes(),
        image_column=data.image_column,
        label_column=data.label_column,
    )


def _by_labels(root: Path, labels: LabelFile, data: Data) -> ImageList:
    passed: Passed = Counter()
    scan = Scan(root, suffixes(), passed, data.links)
    files = Files(root, scan.images(root))
    found = files.matched(labels)
    passed["without a label"] += len(files) - len(found)
    if labels.file.is_relative_to(root):
        passed[labels.file.suffix.lower() or "no suffix"] -= 1  # it was read
    number = {name: label for label, name in enumerate(labels.classes)}
    of_part: dict[Part, Labelled] = {
        part: tuple(
            (file, number[row.label]) for file, row in found if (row.part or "train") == part
        )
        for part in PARTS
    }
    return _parted(
        root,
        labels.classes,
        of_part,
        passed=passed,
        links=scan.followed,
        parts=f"labels of {labels.file.name}",
    )
