"""A cache of arrays in one file, with a stamp that says of what; a stamp that has changed outdates it."""

import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[np.generic]]


def stamp_of(files: Iterable[Path], *, below: Path) -> str:
    """Changes when a file is added, removed, resized or rewritten."""
    digest = hashlib.sha256()
    for file in files:
        state = file.stat()
        name = file.relative_to(below).as_posix()
        digest.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()


def kept(file: Path, stamp: str) -> dict[str, NDArray[np.generic]] | None:
    """What the cache holds, if it is whole and of that stamp."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            if str(found["stamp"]) != stamp:
                return None
            return {name: found[name] for name in found.files if name != "stamp"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def keep(file: Path, stamp: str, arrays: Arrays) -> None:
    """Write the cache whole or not at all; a folder without room or permission stays uncached."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=file.parent) as arriving:
            whole = Path(arriving) / file.name
            np.savez(whole, allow_pickle=False, stamp=np.array(stamp), **arrays)
            whole.replace(file)
    except OSError as error:
        log.info("nothing kept in %s: %s", file, error)
