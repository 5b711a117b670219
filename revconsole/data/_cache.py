"""A cache of arrays in one file, with a stamp that says of what; a stamp that has changed outdates it.

A stamp is of the bytes of files. Their names, sizes and times are not enough: BMPs out of one archive have the same
ones, a file system may give no other, and two people with the same fingerprint must have the same images. On the
machine this was written on, hashing a file takes a fourteenth of the time of decoding a JPEG of 500×375 pixels.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revconsole.data._content import digest_of, opened

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[np.generic]]


def stamp_of(files: Iterable[Path], *, below: Path) -> str:
    """Changes when a file is added, removed, renamed or has another content. Raises OSError where one cannot be read."""
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(below).as_posix()
        digest.update(f"{name}\n".encode(errors="surrogateescape") + digest_of(file))
    return digest.hexdigest()


def kept(file: Path, stamp: str) -> dict[str, NDArray[np.generic]] | None:
    """What the cache holds, if it is whole and of that stamp."""
    try:
        with opened(file) as content, np.load(content, allow_pickle=False) as found:
            if str(found["stamp"]) != stamp:
                return None
            return {name: found[name] for name in found.files if name != "stamp"}
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001  a damaged file may raise anything, and is made anew
        log.info("the cache %s is not used: %s", file, error)
        return None


def keep(file: Path, stamp: str, arrays: Arrays) -> None:
    """Write the cache whole or not at all; a folder without room or permission stays uncached."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=file.parent) as arriving:
            whole = Path(arriving) / file.name
            np.savez(whole, allow_pickle=False, stamp=np.array(stamp), **arrays)
            whole.replace(file)
    except (OSError, ValueError) as error:  # zipfile's own, once the disk is full
        log.info("nothing kept in %s: %s", file, error)
