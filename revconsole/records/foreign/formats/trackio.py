"""Trackio: the projects of its folder, each a file of SQLite while runs train, or of parquet where it was exported."""

from pathlib import Path

from revconsole.records.foreign import trackio_parquet, trackio_sqlite
from revconsole.records.foreign.parquet_rows import ENDING
from revconsole.records.foreign.part import Part

TOOL = "trackio"
RECORDS_ENDS = False


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """Each run of a project; of one that lies there in both forms, those of the file that its runs write."""
    own = trackio_sqlite.claims(folder, files)
    projects = {name.partition(trackio_sqlite.ENDING)[0] for name in own}
    exported = {name for name in files if name.partition(ENDING)[0] not in projects}
    return own + trackio_parquet.claims(folder, frozenset(exported))


def owns(folder: str) -> bool:
    """Its images and files hold no runs."""
    return folder in {"media", "artifacts"}


def parts(folder: Path, name: str) -> list[Part]:
    """The files of a run."""
    file = name.partition(trackio_sqlite.SIGN)[0]
    if file.endswith(trackio_sqlite.ENDING):
        return trackio_sqlite.parts(folder, name)
    return trackio_parquet.parts(folder, name)
