"""Trash: runs that were deleted and can be put back, in the folder `.trash` of their store.

Deleting and putting back is one rename within the store. Only `purge` frees disk space.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from revconsole.errors import NoSuchRun, StoreError
from revconsole.records.files.shared import make_folder

FOLDER = ".trash"
PRIVATE = 0o700


def discard(root: Path, run_id: str) -> None:
    """Move a run folder of the store into its trash. Raises StoreError."""
    _rename(root / run_id, _folder(root, make=True) / run_id, "delete")


def restore(root: Path, run_id: str) -> None:
    """Move a run out of the trash. Raises NoSuchRun if it is not in there, and StoreError."""
    source = _folder(root) / run_id
    if run_id not in discarded(root):
        raise NoSuchRun(f"there is no run {run_id!r} in the trash of {root}")
    if os.path.lexists(root / run_id):
        raise StoreError(f"cannot put run {run_id} back: {root / run_id} exists")
    _rename(source, root / run_id, "put back")


def discarded(root: Path) -> tuple[str, ...]:
    """Ids of the runs in the trash. Raises StoreError if it cannot be read."""
    try:
        return tuple(sorted(entry.name for entry in os.scandir(_folder(root))))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StoreError(f"cannot read {root / FOLDER}: {error.strerror}") from None


def purge(root: Path, run_ids: Iterable[str]) -> None:
    """Delete runs of the trash for good. A link is deleted, what it points to is not. Raises StoreError."""
    folder = _folder(root)
    for name in run_ids:
        path = folder / name
        try:
            if path.is_symlink() or not path.is_dir():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path)
        except OSError as error:
            raise StoreError(f"cannot delete {path}: {error.strerror}") from None


def _folder(root: Path, *, make: bool = False) -> Path:
    """The trash of a store. Raises StoreError if it is a link, which may lead out of the store."""
    folder = root / FOLDER
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link, and no run is moved out of its store; remove it")
    if make:
        try:
            make_folder(folder, PRIVATE, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error.strerror}") from None
    return folder


def _rename(source: Path, target: Path, verb: str) -> None:
    try:
        source.rename(target)
    except OSError as error:
        raise StoreError(f"cannot {verb} run {source.name}: {error.strerror}") from None
