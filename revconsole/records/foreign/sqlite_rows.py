"""Rows of SQLite files that another program may be writing: they are read without a trace in their folder.

While a program has the file open, what it wrote last stands beside it (`-wal`), with an index of that (`-shm`), and SQLite reads
all three as one. Without the two the file is all there is, and is read as if it never changed: asked for more, SQLite would
make the two.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from revconsole.records.files import bounded

START = b"SQLite format 3\0"
MOST_BYTES = 1 << 34
SCHEMA_BYTES = 1 << 20
"""Bytes at the beginning of a damaged file in which the descriptions of its tables are looked for."""
SECONDS = 0.2
LATEST = "-wal"


def has_tables(path: Path, names: tuple[str, ...]) -> bool:
    """Whether a file is of SQLite and has these tables; of one that cannot be asked, whether their descriptions stand in it."""
    try:
        with bounded.opened(path, MOST_BYTES) as file:
            start = file.read(SCHEMA_BYTES)
        if not start.startswith(START):
            return False
        with opened(path) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            return tables.issuperset(names)
    except sqlite3.Error:
        return all(f"CREATE TABLE {name} (".encode() in start for name in names)
    except OSError:
        return False


def latest(path: Path) -> Path:
    """The file beside it with what was written last, which may not be there."""
    return path.with_name(f"{path.name}{LATEST}")


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads. Raises sqlite3.Error, and OSError for what is no regular file."""
    with bounded.opened(path, MOST_BYTES):
        pass
    in_use = all(path.with_name(f"{path.name}{end}").is_file() for end in (LATEST, "-shm"))
    how = "mode=ro&readonly_shm=1" if in_use else "immutable=1"
    address = f"{path.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(address, uri=True, timeout=SECONDS)) as connection:
        yield connection
