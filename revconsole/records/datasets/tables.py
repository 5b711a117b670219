"""Tables of images: parquet files, and folders that Hugging Face's `datasets` wrote with `save_to_disk`.

A part is known by the name of its files (`train-00000-of-00002.parquet`) or of its folder. The columns are those that the
schema says are an image and a class, or `data.image_column` and `data.label_column`. No image is decoded.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revconsole.errors import DataUnavailable, nearest
from revconsole.records.datasets.folder import Part, Passed, part_of
from revconsole.records.datasets.label_file import LABEL_WORDS, bare
from revconsole.records.pictures.cells import ARROW, PARQUET, ImageTable, TableCell, table

if TYPE_CHECKING:
    import pyarrow as pa

SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]{16})?$")
"""End of the name of one of several files of a part."""
OF_DATASETS = b"huggingface"
"""Key of the schema under which `datasets` keeps what its columns are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """A file of a part. part: None if its name is that of none."""

    file: Path
    name: str

    @property
    def part(self) -> Part | None:
        """The part that its images belong to."""
        return part_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTables:
    """Every labelled image of the tables of a folder, by part. passed: what was not used."""

    classes: tuple[str, ...]
    images: dict[Part, tuple[tuple[TableCell, int], ...]]
    passed: Passed


def files_of(root: Path) -> tuple[TableFile, ...]:
    """The files of tables in a folder; empty if it holds none."""
    try:
        if (root / "dataset_dict.json").is_file():
            return _found(root.glob(f"*/data-*{ARROW}"), lambda file: file.parent.name)
        if (root / "state.json").is_file():
            return _found(root.glob(f"data-*{ARROW}"), lambda _: "train")
        shards = [*root.glob(f"*{PARQUET}"), *root.glob(f"*/*{PARQUET}")]
    except OSError:
        return ()
    return _found(shards, lambda file: SHARD.sub("", file.stem))


def _found(files: Iterable[Path], name_of: Any) -> tuple[TableFile, ...]:
    seen = sorted(each for each in files if not each.name.startswith("."))
    found = tuple(TableFile(file=file, name=name_of(file)) for file in seen)
    alone = len({each.name for each in found}) == 1
    if alone and found[0].part is None:  # images.parquet: all there is
        return tuple(TableFile(file=each.file, name="train") for each in found)
    return found


def tables_of(
    root: Path, files: Sequence[TableFile], *, image_column: str | None, label_column: str | None
) -> ImageTables:
    """The images of the tables. Raises DataUnavailable if a table cannot be read or may be read in two ways."""
    try:
        states = tuple((each.file.stat().st_mtime_ns, each.file.stat().st_size) for each in files)
    except OSError as error:
        raise DataUnavailable(
            f"{error.filename} cannot be read ({error.strerror}); allow it or try again"
        ) from error
    return _read(root, tuple(files), states, image_column, label_column)


@lru_cache(maxsize=4)  # a plan asks for its classes many times
def _read(
    root: Path,
    files: tuple[TableFile, ...],
    _changed: tuple[tuple[int, int], ...],
    image_column: str | None,
    label_column: str | None,
) -> ImageTables:
    passed: Passed = Counter()
    used = [each for each in files if each.part]
    if not any(each.part == "train" for each in used):
        known = ", ".join(sorted({each.name for each in files}))
        raise DataUnavailable(
            f"none of the tables of {root} is one to train on ({known}); name its files train-….parquet"
        )
    for each in files:
        if each.part is None:
            passed[f"rows of {each.name}"] += _opened(each.file).rows
    columns = [_columns(each.file, image_column, label_column) for each in used]
    names = _class_names(_opened(used[0].file).schema, columns[0][1])
    labels = [_opened(each.file).column(label).to_pylist() for each, (_, label) in zip(used, columns, strict=True)]  # fmt: skip
    classes = names or _distinct(label for of_file in labels for label in of_file)
    number = {value: n for n, value in enumerate(classes)} | dict(zip(range(len(names)), range(len(names)), strict=True))  # fmt: skip
    images: dict[Part, list[tuple[TableCell, int]]] = {"train": [], "validation": [], "test": []}
    for each, (image, _), of_file in zip(used, columns, labels, strict=True):
        for row, label in enumerate(of_file):
            key = label if names else str(label)
            if label is None or key not in number:
                passed["without a label"] += 1
            elif each.part:
                images[each.part].append((TableCell(each.file, row, image), number[key]))
    return ImageTables(
        classes=classes, images={p: tuple(found) for p, found in images.items()}, passed=passed
    )


def _opened(file: Path) -> ImageTable:
    try:
        return table(file)
    except OSError as error:
        raise DataUnavailable(
            f"{file} cannot be read ({error.strerror or error}); allow it or try again"
        ) from error


def _columns(file: Path, image: str | None, label: str | None) -> tuple[str, str]:
    """Names of the columns of images and of classes."""
    schema = _opened(file).schema
    features = _features(schema)
    images = [f.name for f in schema if _kind(features, f.name) == "Image" or _holds_bytes(f.type)]
    labels = [name for name in schema.names if _kind(features, name) == "ClassLabel"] or [
        name for name in schema.names if bare(name) in LABEL_WORDS
    ]
    return (
        _chosen(file, schema.names, images, image, "image_column"),
        _chosen(file, schema.names, labels, label, "label_column"),
    )


def _chosen(
    file: Path, names: Sequence[str], likely: Sequence[str], wanted: str | None, key: str
) -> str:
    if wanted is not None:
        if wanted in names:
            return wanted
        raise DataUnavailable(
            f"{file} has no column {wanted!r} (data.{key}){nearest(wanted, names)}"
        )
    if len(likely) != 1:
        among = ", ".join(likely or names)
        raise DataUnavailable(
            f"{file} has the columns {among}; say which one it is with data.{key}"
        )
    return likely[0]


def _holds_bytes(kind: "pa.DataType") -> bool:
    import pyarrow.types as t  # the table was read with it

    binary = t.is_binary(kind) or t.is_large_binary(kind)
    return binary or (t.is_struct(kind) and any(field.name == "bytes" for field in kind))


def _features(schema: "pa.Schema") -> dict[str, Any]:
    """What `datasets` says of the columns; empty if it did not write them."""
    try:
        features = json.loads((schema.metadata or {})[OF_DATASETS])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, dict) else {}


def _kind(features: dict[str, Any], name: str) -> str:
    feature = features.get(name)
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _class_names(schema: "pa.Schema", column: str) -> tuple[str, ...]:
    feature = _features(schema).get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _distinct(labels: Iterable[object]) -> tuple[str, ...]:
    """Every label as text, numbers in their order and else by name."""
    values = {str(label) for label in labels if label is not None}
    return tuple(sorted(values, key=int if all(v.isdecimal() for v in values) else None))
