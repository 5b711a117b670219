"""The IDX format of the MNIST family: a big-endian header, then one byte per pixel or label.

Header: two zero bytes, 8 for unsigned bytes, the number of dimensions, then each dimension in four bytes.
"""

import gzip
import io
import zlib
from pathlib import Path

import torch
from torch import Tensor

from revconsole.data._files import Download, content_of, obtained
from revconsole.data._images import Images, damaged, unreadable, verified
from revconsole.records.datasets.facts import DatasetFacts

MOST_BYTES = 1 << 28
"""Largest accepted file, packed or not; the images of MNIST have 47 million bytes."""


def read_family(
    facts: DatasetFacts, names: tuple[str, ...], *, folder: Path, download: Download
) -> Images:
    """A dataset of the MNIST family from its four files, which are downloaded if missing.

    Raises DataUnavailable if they cannot be obtained, are damaged, or hold another dataset.
    """
    files = obtained(facts, folder=folder, download=download)
    train_images, train_labels, test_images, test_labels = (
        read_idx(file, dimensions=3 if "images" in file.name else 1) for file in files.files
    )
    train = train_images.unsqueeze(1), train_labels.long()
    images = Images.of(train, (test_images.unsqueeze(1), test_labels.long()), names)
    return verified(images, facts, origin=str(files.place))


def read_idx(file: Path, *, dimensions: int) -> Tensor:
    """The uint8 array of one IDX file, plain or gzip (by its name).

    Raises DataUnavailable if the file is truncated, damaged or of another kind.
    """
    content = _content(file)
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < header:
        raise damaged(file, f"not an IDX file of {dimensions}-dimensional bytes")

    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4)]
    expected = torch.Size(shape).numel()
    if expected == 0 or len(content) - header != expected:
        raise damaged(
            file, f"{len(content) - header:,} bytes of data where its header says {expected:,}"
        )
    return torch.frombuffer(content, dtype=torch.uint8, offset=header).view(shape)


def _content(file: Path) -> bytearray:
    try:
        packed = content_of(file, most=MOST_BYTES)
        content = _unpacked(packed) if file.suffix == ".gz" else packed
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(file, str(error)) from error
    except OSError as error:
        raise unreadable(file, error) from error
    if len(content) > MOST_BYTES:
        raise damaged(file, f"it unpacks to more than {MOST_BYTES:,} bytes")
    return bytearray(content)


def _unpacked(packed: bytes) -> bytes:
    """The content of a gzip file, at most one byte more than MOST_BYTES."""
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as opened:
        return opened.read(MOST_BYTES + 1)
