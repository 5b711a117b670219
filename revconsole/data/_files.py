"""Files of a dataset: found on this machine, or downloaded and verified by checksum, and read up to a size limit.

A download goes to a temporary folder beside its destination and is moved when its checksum is right, so an
interrupted download is never used. Addresses and checksums are torchvision's; the transfer is not, because
torchvision's waits forever and writes to the final name.
"""

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from io import BufferedReader
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import build_opener

from revconsole.errors import DataUnavailable
from revconsole.records.datasets.facts import (
    DatasetFacts,
    DatasetFiles,
    found,
    how_to_get,
    what_lacks,
)
from revconsole.records.files import bounded

REPLY_SECONDS = 20.0  # a server that is silent for longer counts as unreachable
BLOCK = 1 << 20  # bytes read at a time

MOST_BYTES = 1 << 40
"""Largest accepted file that is read in pieces."""

Download = Callable[[Path], None]
"""A function that puts the files of a dataset below the data folder. Raises OSError if it cannot."""

log = logging.getLogger(__name__)


def opened(file: Path) -> BufferedReader:
    """A regular file opened for reading. Raises OSError with the reason for any other."""
    return bounded.opened(Path(os.path.realpath(file)), MOST_BYTES)


def content_of(file: Path, *, most: int) -> bytes:
    """All bytes of a regular file of at most `most` bytes. Raises OSError with the reason for any other."""
    return bounded.read(Path(os.path.realpath(file)), most)


def digest_of(file: Path) -> bytes:
    """The SHA-256 of a regular file, 32 bytes. Raises OSError as `opened` does."""
    with opened(file) as content:
        return hashlib.file_digest(content, "sha256").digest()


def obtained(facts: DatasetFacts, *, folder: Path, download: Download) -> DatasetFiles:
    """The files of a dataset, found on this machine or downloaded below `folder`.

    Raises DataUnavailable, saying which file to put where, if neither works.
    """
    files = found(facts, folder)
    if files is not None:
        return files

    try:
        download(folder)
    except (OSError, HTTPException) as error:
        lacks = what_lacks(facts, folder)
        missing = f"is incomplete ({lacks})" if lacks else "is not on this machine"
        raise DataUnavailable(
            f"{facts.title} {missing} and could not be downloaded ({_reason(error)}); "
            f"{how_to_get(facts, folder)}"
        ) from error

    files = found(facts, folder)
    if files is None:
        raise DataUnavailable(
            f"the download of {facts.title} lacks files; {how_to_get(facts, folder)}"
        )
    return files


def download_files(
    mirrors: Sequence[str], checksums: Iterable[tuple[str, str]], *, into: Path
) -> None:
    """Download each (file name, md5) from the first mirror that has it; verified files stay.

    Raises OSError if no mirror gives the file with that checksum.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".arriving-", dir=into) as arriving:
        for name, md5 in checksums:
            if not has_checksum(into / name, md5):
                download_file(
                    [mirror + name for mirror in mirrors], md5=md5, to=Path(arriving) / name
                ).replace(into / name)


def download_file(addresses: Sequence[str], *, md5: str, to: Path) -> Path:
    """Download to the file `to` from the first address that works, and verify it.

    Raises the OSError of the last address if none gives a file with this checksum.
    """
    failure: OSError | HTTPException | None = None
    for address in addresses:
        log.info("downloading %s", address)
        try:
            _transfer(address, to)
        except (OSError, HTTPException) as error:
            failure = error
            continue
        if has_checksum(to, md5):
            return to
        failure = OSError(f"{address} sent a truncated file or another one")
    raise failure or OSError("no address to download from")


def has_checksum(file: Path, md5: str) -> bool:
    """Whether the file exists with exactly this content."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
        return digest.hexdigest() == md5


def _reason(error: object) -> str:
    """The cause of an error, without numbers and nesting: a URLError carries the socket's error."""
    inner = getattr(error, "reason", None)
    if isinstance(inner, OSError):
        return _reason(inner)
    return str(inner or getattr(error, "strerror", None) or error)


def _transfer(address: str, to: Path) -> None:
    # A new opener reads the present proxy settings; `urlopen` keeps those of the first download.
    try:
        reply = build_opener().open(address, timeout=REPLY_SECONDS)
    except HTTPError as refusal:
        refusal.close()  # otherwise it keeps the connection open
        raise
    with reply, to.open("wb") as file:
        while block := reply.read(BLOCK):
            file.write(block)
