"""Writable: what has to be there for a file or folder that is to be written."""

from pathlib import Path

from revconsole.errors import StoreError


def require_folder_of(path: Path) -> None:
    """Raise StoreError if the folder that `path` is to be written in is missing."""
    if not path.parent.is_dir():
        raise StoreError(f"cannot write {path}: there is no folder {path.parent}")
