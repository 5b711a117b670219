"""Cells: images that are values of a table, in parquet or in the Arrow files of Hugging Face's `save_to_disk`.

pyarrow reads both (`pip install 'revconsole[parquet]'`). Of parquet the group of rows that was asked for last is kept in
memory; Arrow files are mapped.
"""

import os
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from revconsole.errors import DataUnavailable
from revconsole.records.files import bounded
from revconsole.records.files.damage import UNREADABLE

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET, ARROW = ".parquet", ".arrow"
MOST_BYTES = 1 << 44
MISSING = "tables of images are read with pyarrow: pip install 'revconsole[parquet]'"


class TableCell(NamedTuple):
    """An image in a table."""

    file: Path
    row: int
    column: str

    def __str__(self) -> str:
        return f"{self.file} row {self.row}"


ImageFile = Path | TableCell


def spelled(image: ImageFile) -> list[str | int]:
    """The place of an image in words and numbers."""
    return [str(image)] if isinstance(image, Path) else [str(image.file), image.row, image.column]


def read(words: Sequence[Any]) -> ImageFile:
    """The place that `spelled` spelled."""
    path, *cell = words
    return TableCell(Path(path), *cell) if cell else Path(path)


def content_of(image: ImageFile, most: int) -> bytes:
    """The encoded bytes of an image. Raises OSError, and ValueError for a cell that holds none."""
    if isinstance(image, Path):
        return bounded.read(Path(os.path.realpath(image)), most)
    value = table(image.file).value(image.row, image.column)
    content = value.get("bytes") if isinstance(value, dict) else value
    if isinstance(content, bytes):
        return content
    raise ValueError("the cell holds no image, perhaps the path of one")


def table(file: Path) -> "ImageTable":
    """A table, kept open. Raises OSError, and DataUnavailable for one that is damaged, and without pyarrow."""
    with bounded.opened(Path(os.path.realpath(file)), MOST_BYTES) as content:
        state = os.fstat(content.fileno())
    return _table(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _table(file: Path, _changed: int, _size: int) -> "ImageTable":
    try:
        return ParquetTable(file) if file.suffix == PARQUET else ArrowTable(file)
    except ImportError:
        raise DataUnavailable(MISSING) from None
    except UNREADABLE as error:  # pyarrow's own errors are ValueErrors and OSErrors
        reason = " ".join(str(error).split())[:160]
        raise DataUnavailable(f"{file} is damaged or no table ({reason}); get it again") from error


class ImageTable(Protocol):
    """The rows of a file. schema: of its columns. rows: their number."""

    schema: "pa.Schema"
    rows: int

    def column(self, name: str) -> "pa.ChunkedArray":
        """All values of a column."""

    def value(self, row: int, column: str) -> object:
        """One value, as Python has it."""


class ArrowTable:
    """A mapped file of Arrow's stream format."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa  # an extra, and 0.1 s

        self._table = pa.ipc.open_stream(pa.memory_map(str(file))).read_all()
        self.schema, self.rows = self._table.schema, self._table.num_rows

    def column(self, name: str) -> "pa.ChunkedArray":  # noqa: D102  see ImageTable
        return self._table.column(name)

    def value(self, row: int, column: str) -> object:  # noqa: D102  see ImageTable
        return self._table.column(column)[row].as_py()


class ParquetTable:
    """A file of parquet, read by groups of rows."""

    def __init__(self, file: Path) -> None:
        from pyarrow import parquet  # an extra, and 0.1 s

        self._file, self._lock = parquet.ParquetFile(file, memory_map=True), Lock()
        found = self._file.metadata
        self.schema, self.rows = self._file.schema_arrow, found.num_rows
        sizes = (found.row_group(n).num_rows for n in range(found.num_row_groups))
        self._starts = [0, *accumulate(sizes)]
        self._held: tuple[int, str] | None = None
        self._group: pa.ChunkedArray | None = None

    def column(self, name: str) -> "pa.ChunkedArray":  # noqa: D102  see ImageTable
        with self._lock:
            return self._file.read(columns=[name]).column(name)

    def value(self, row: int, column: str) -> object:  # noqa: D102  see ImageTable
        group = bisect_right(self._starts, row) - 1
        with self._lock:
            if self._group is None or self._held != (group, column):
                read = self._file.read_row_group(group, columns=[column])
                self._group, self._held = read.column(column), (group, column)
            held = self._group
        return held[row - self._starts[group]].as_py()
