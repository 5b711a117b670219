"""A cache of arrays in one file, with a stamp of its source; a changed stamp makes it stale.

The stamp hashes the contents of files. Names, sizes and times are not sufficient: BMPs from one archive agree in
them, a file system may not record them, and two people with the same fingerprint must have the same images. Hashing a
file takes about a fourteenth of the time of decoding a JPEG of 500×375 pixels.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from revconsole.data._files import digest_of, opened

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[np.generic]]


def stamp_of(files: Iterable[Path], *, below: Path) -> str:
    """A hash that changes if a file is added, removed, renamed or changed. Raises OSError for an unreadable file."""
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(below).as_posix()
        digest.update(f"{name}\n".encode(errors="surrogateescape") + digest_of(file))
    return digest.hexdigest()


def kept(file: Path, stamp: str) -> dict[str, NDArray[np.generic]] | None:
    """The content of the cache, or None if it is damaged, missing or has another stamp."""
    try:
        with opened(file) as content, np.load(content, allow_pickle=False) as arrays:
            if str(arrays["stamp"]) != stamp:
                return None
            return {name: arrays[name] for name in arrays.files if name != "stamp"}
    except FileNotFoundError:
        return None
    except Exception as error:  # noqa: BLE001  a damaged cache can raise anything and is rebuilt
        log.info("the cache %s is not used: %s", file, error)
        return None


def keep(file: Path, stamp: str, arrays: Arrays) -> None:
    """Write the cache as a whole or not at all; without space or permission there is no cache."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=file.parent) as arriving:
            complete = Path(arriving) / file.name
            np.savez(complete, allow_pickle=False, stamp=np.array(stamp), **arrays)
            complete.replace(file)
    except (OSError, ValueError) as error:  # zipfile raises ValueError on a full disk
        log.info("nothing kept in %s: %s", file, error)
