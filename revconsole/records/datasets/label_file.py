"""A label file: the class of each image by its name, from a CSV or from lines as `val_0.JPEG n01443537`.

The columns are known by their usual names, or by `data.image_column` and `data.label_column`. Without a heading the first
column holds the images and the second the classes. A column `split` that holds nothing but parts says what to train,
validate and test on. Names are text to look up among the files of the folder, never paths to open. No image is opened.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from revconsole.errors import DataUnavailable, nearest
from revconsole.records.datasets.folder import Part, nearest_there, part_of
from revconsole.records.files import bounded

MOST_BYTES = 1 << 30
"""Largest accepted file: ten million lines of a hundred letters."""
IMAGE_WORDS = (
    "filename", "image", "file", "path", "filepath", "imagepath", "imagename", "imagefile", "img", "imgpath",
    "imageid", "imgname", "id", "name",
)  # fmt: skip
"""Usual names of the column of images, the surest first, without `_`, `-` and blanks."""
LABEL_WORDS = frozenset(
    {"label", "labels", "class", "classes", "classname", "category", "target", "labelname", "species", "breed", "diagnosis"}
)  # fmt: skip
PART_WORDS = frozenset({"split", "part", "subset", "set", "fold", "usage", "dataset"})
SPREAD = 0.5
"""Share of different values among the rows from which a column holds no classes."""
NAMED = 8


class LabelRow(NamedTuple):
    """A line of the file. part: None if the file does not say."""

    line: int
    image: str
    label: str
    part: Part | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFile:
    """The lines of a label file. classes: every label, numbers in their order and else by name."""

    file: Path
    rows: tuple[LabelRow, ...]
    classes: tuple[str, ...]


def read_labels(
    file: Path, suffixes: frozenset[str], *, image_column: str | None, label_column: str | None
) -> LabelFile:
    """The labels of a file. Raises DataUnavailable, naming the place, if it cannot be read or may be read in two ways."""
    try:
        stamp = file.stat()
    except OSError as error:
        raise DataUnavailable(
            f"the label file {file} cannot be read ({error.strerror}); check data.labels, a path within data.folder"
            f"{nearest_there(file, Path.is_file)}"
        ) from error
    return _read(file, stamp.st_mtime_ns, stamp.st_size, suffixes, image_column, label_column)


@lru_cache(maxsize=4)  # a plan asks for its classes many times
def _read(
    file: Path, _changed: int, _size: int, suffixes: frozenset[str], image: str | None, label: str | None
) -> LabelFile:  # fmt: skip
    table = _table(file)
    if not table:
        raise DataUnavailable(f"the label file {file} is empty; check data.labels")
    columns, body = _columns(file, table, suffixes, image=image, label=label)
    rows = tuple(_row(file, line, cells, columns) for line, cells in body)
    values = {row.label for row in rows}
    if len(values) > max(2, SPREAD * len(rows)):
        raise DataUnavailable(
            f"{file} has {len(values):,} different labels for {len(rows):,} images, so they are no classes; choose the column "
            "with data.label_column"
        )
    if not all(row.part for row in rows):
        rows = tuple(row._replace(part=None) for row in rows)
    numbers = all(value.isdecimal() for value in values)
    return LabelFile(file=file, rows=rows, classes=tuple(sorted(values, key=int if numbers else None)))  # fmt: skip


def _table(file: Path) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not blank."""
    try:
        text = bounded.read(file.resolve(), MOST_BYTES).decode("utf-8-sig")
        first = next((line for line in text.splitlines() if line.strip()), "")
        delimiter = next((each for each in "\t,;" if each in first), None)
        if delimiter is None:
            split = ((n, line.rsplit(None, 1)) for n, line in enumerate(text.splitlines(), 1))
            return [(number, cells) for number, cells in split if cells]
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        cells = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
        return [(number, row) for number, row in cells if any(row)]
    except OSError as error:
        raise DataUnavailable(
            f"the label file {file} cannot be read ({error.strerror}); allow it, or check data.labels"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataUnavailable(
            f"the label file {file} is no CSV in UTF-8 ({error}); save it as one"
        ) from error


class _Columns(NamedTuple):
    """Numbers of the columns, from 0."""

    image: int
    label: int
    part: int | None


Line = tuple[int, list[str]]


def _columns(
    file: Path, table: list[Line], suffixes: frozenset[str], *, image: str | None, label: str | None
) -> tuple[_Columns, list[Line]]:
    """The columns, and the lines below the heading."""
    heading = table[0][1]
    if len(heading) < 2:
        raise DataUnavailable(
            f"{file} has one column, and two are needed, of images and of classes; check data.labels"
        )
    plain = [bare(name) for name in heading]
    headed = PurePosixPath(heading[0]).suffix.lower() not in suffixes
    images = _chosen(file, heading, image, "image_column", headed=headed)
    labels = _chosen(file, heading, label, "label_column", headed=headed)
    if not headed:
        return _Columns(images or 0, 1 if labels is None else labels, None), table
    if images is None:
        images = next((plain.index(word) for word in IMAGE_WORDS if word in plain), None)
    if labels is None:
        labels = _only(n for n, name in enumerate(plain) if name in LABEL_WORDS and n != images)
    if len(heading) == 2 and (images is None) != (labels is None):
        images, labels = (1 - labels, labels) if labels is not None else (images, 1 - (images or 0))
    lacking = [key for key, n in (("data.image_column", images), ("data.label_column", labels)) if n is None]  # fmt: skip
    if images is None or labels is None or images == labels:
        raise DataUnavailable(
            f"{file} has the columns {_listed(heading)}; say which one it is with {' and '.join(lacking or ['data.label_column'])}"
        )
    return _Columns(images, labels, _part_column(plain, table[1:])), table[1:]


def bare(name: str) -> str:
    """A column's name without case, `_`, `-` and blanks."""
    return "".join(letter for letter in name.casefold() if letter not in "_- ")


def _chosen(
    file: Path, heading: Sequence[str], name: str | None, key: str, *, headed: bool
) -> int | None:
    """Number of the column that a setting names, by its heading or its number from 1; None if unset."""
    if name is None:
        return None
    if headed and name in heading:
        return heading.index(name)
    if name.isdecimal() and 1 <= int(name) <= len(heading):
        return int(name) - 1
    known = nearest(name, heading) if headed else f"; it has no heading: say 1 to {len(heading)}"
    raise DataUnavailable(f"{file} has no column {name!r} (data.{key}){known}")


def _part_column(names: Sequence[str], body: Sequence[Line]) -> int | None:
    """The column whose every value is the name of a part."""
    for number, name in enumerate(names):
        if name in PART_WORDS and all(
            len(cells) > number and part_of(cells[number]) for _, cells in body
        ):
            return number
    return None


def _row(file: Path, line: int, cells: Sequence[str], columns: _Columns) -> LabelRow:
    try:
        image, label = cells[columns.image], cells[columns.label]
    except IndexError:
        image = label = ""
    if not image or not label:
        raise DataUnavailable(
            f"line {line} of {file} lacks an image or a label; complete it or remove it"
        )
    return LabelRow(line, image, label, None if columns.part is None else part_of(cells[columns.part]))  # fmt: skip


def _only(numbers: Iterable[int]) -> int | None:
    found = list(numbers)
    return found[0] if len(found) == 1 else None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(repr(name) for name in names[:NAMED]) + more


class Files:
    """The image files of a folder, to be found by what a label file calls them."""

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root, self.files = root, tuple(files)
        self.by_name = defaultdict[str, list[Path]](list)
        self.by_stem = defaultdict[str, list[Path]](list)
        for file in self.files:
            self.by_name[file.name].append(file)
            self.by_stem[file.stem].append(file)

    def __len__(self) -> int:
        return len(self.files)

    def matched(self, labels: LabelFile) -> list[tuple[Path, LabelRow]]:
        """Each file that has a label, with it, in the order of the files.

        Raises DataUnavailable for a line without a file, with several, or that contradicts another.
        """
        found: dict[Path, LabelRow] = {}
        missing = []
        for row in labels.rows:
            files = self._named(row.image)
            where = f"line {row.line} of {labels.file}"
            if not files:
                missing.append(f"{row.image!r} of {where}")
                continue
            if len(files) > 1:
                raise DataUnavailable(
                    f"{where} may mean {files[0]} or {files[1]}; write more of the path, from {self.root} on"
                )
            before = found.setdefault(files[0], row)
            if (before.label, before.part) != (row.label, row.part):
                raise DataUnavailable(
                    f"{where} says {row.label!r} of {files[0]}, and line {before.line} {before.label!r} or another part; remove one"
                )
        if missing:
            raise DataUnavailable(
                f"{len(missing):,} of {len(labels.rows):,} images are not below {self.root}, first {missing[0]}; put them there, "
                "remove their lines, or check data.folder"
            )
        return [(file, found[file]) for file in self.files if file in found]

    def _named(self, image: str) -> list[Path]:
        """The files whose path ends with the name, with or without its suffix; that of exactly this path comes alone."""
        *above, name = PurePosixPath(image.replace("\\", "/")).parts or ("",)
        candidates = self.by_name.get(name) or self.by_stem.get(name) or []
        ending = [file for file in candidates if list(file.parts[-1 - len(above) : -1]) == above]
        if len(ending) > 1:
            depth = len(self.root.parts) + len(above) + 1
            return [file for file in ending if len(file.parts) == depth] or ending
        return ending
