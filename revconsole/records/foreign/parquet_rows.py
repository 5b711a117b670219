"""Rows of parquet files, read in batches with pyarrow, which is an extra: `pip install 'revconsole[parquet]'`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from revconsole.records.files import bounded
from revconsole.records.files.damage import UNREADABLE

ENDING = ".parquet"
MOST_BYTES = 1 << 30
MOST_ROWS = 50_000_000
FOOT_BYTES = 1 << 17
"""Bytes at the end of a file in which the names of its columns are."""
BATCH = 1 << 16
MISSING = "reading parquet needs pyarrow: pip install 'revconsole[parquet]'"


class ParquetUnread(ValueError):  # noqa: N818  the name says what happened
    """A parquet file cannot be read; the message says why."""


def has_columns(path: Path, names: Sequence[str]) -> bool:
    """Whether a file is of parquet and names these columns in its foot; needs no pyarrow."""
    try:
        with bounded.opened(path, MOST_BYTES) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - FOOT_BYTES))
            foot = file.read(FOOT_BYTES)
    except OSError:
        return False
    return foot.endswith(b"PAR1") and all(name.encode() in foot for name in names)


def batches(data: bytes, columns: Sequence[str] | None = None) -> Iterator[dict[str, list[Any]]]:
    """The rows of a file in batches, each a list of values for each column; only `columns`, as far as there are such.

    Raises ParquetUnread for a file that cannot be read, and without pyarrow.
    """
    try:
        import pyarrow as pa  # an extra, and 0.1 s
        from pyarrow import parquet
    except ImportError:
        raise ParquetUnread(MISSING) from None
    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        rows, names = file.metadata.num_rows, file.schema_arrow.names
        wanted = names if columns is None else [name for name in columns if name in names]
        for batch in (
            file.iter_batches(batch_size=BATCH, columns=wanted) if rows <= MOST_ROWS else ()
        ):
            yield {name: batch.column(name).to_pylist() for name in wanted}
    except (*UNREADABLE, pa.ArrowException) as error:
        raise ParquetUnread(f"it is damaged: {type(error).__name__}") from None
    if rows > MOST_ROWS:
        raise ParquetUnread(f"more than {MOST_ROWS:,} rows")
