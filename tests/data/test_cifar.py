"""CIFAR in its four layouts, with small images written here; pickles are never trusted."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from revconsole.data import cifar10
from revconsole.data._cifar import read_cifar
from revconsole.data._images import in_canonical_order
from revconsole.data._png import CACHE
from revconsole.data._standardise import channel_statistics
from revconsole.errors import DataUnavailable
from revconsole.records.datasets.facts import found

BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 and the numpy of 2009 wrote: byte strings, whole numbers for booleans."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text):
        content = text if isinstance(text, bytes) else text.encode("latin1")
        self.write(b"T" + struct.pack("<i", len(content)) + content)

    def save_truth(self, truth):
        self.save_long(int(truth))

    dispatch[bytes] = dispatch[str] = save_text
    dispatch[bool] = save_truth


def pickled(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_png(image, file):
    """image: (3, height, width)"""
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file)


@pytest.fixture
def halves():
    """A hundred images and twenty to test on: (N, 3, 32, 32) and labels."""
    generator = torch.Generator().manual_seed(0)

    def half(count):
        pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=generator)
        labels = torch.arange(count)[torch.randperm(count, generator=generator)] % 10
        return pixels.to(torch.uint8), labels

    return half(100), half(20)


@pytest.fixture
def facts(halves):
    mean, std = channel_statistics(halves[0][0])
    return dataclasses.replace(
        cifar10.FACTS,
        title="a hundred",
        train_images=100,
        test_images=20,
        train_per_class=(10,),
        test_per_class=(2,),
        mean=mean,
        std=std,
    )


@pytest.fixture
def contents(halves):
    """File names and bytes of the pickles."""
    (images, labels), (test_images, test_labels) = halves
    parts = [*zip(images.split(20), labels.split(20), strict=True), (test_images, test_labels)]
    return {
        name: pickled({"data": part.flatten(1).numpy(), "labels": classes.tolist()})
        for name, (part, classes) in zip((*BATCHES, "test_batch"), parts, strict=True)
    }


@pytest.fixture
def read(facts, contents, tmp_path):
    checksums = [(name, hashlib.md5(content).hexdigest()) for name, content in contents.items()]
    official = SimpleNamespace(
        url="http://127.0.0.1:9/cifar-10-python.tar.gz",
        filename="cifar-10-python.tar.gz",
        tgz_md5="",
        train_list=checksums[:5],
        test_list=checksums[5:],
    )
    return lambda: read_cifar(facts, cifar10.NAMES, folder=tmp_path, official=official)


@pytest.fixture
def pickles(contents, tmp_path):
    place = tmp_path / "cifar-10-batches-py"
    place.mkdir()
    for name, content in contents.items():
        (place / name).write_bytes(content)
    return place


@pytest.fixture
def archive(contents, tmp_path):
    file = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(file, "w:gz") as opened:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return file


@pytest.fixture
def sheets(halves, tmp_path):
    place = tmp_path / "cifar10"
    place.mkdir()
    (images, labels), (test_images, test_labels) = halves
    for name, part in zip((*BATCHES, "test_batch"), (*images.split(20), test_images), strict=True):
        write_png(part.flatten(2).transpose(0, 1), place / f"{name}.png")
    (place / "train_lables.json").write_text(json.dumps(labels.tolist()))
    (place / "test_lables.json").write_text(json.dumps(test_labels.tolist()))
    return place


@pytest.fixture
def folders(halves, tmp_path):
    for half, (images, labels) in zip(("train", "test"), halves, strict=True):
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = tmp_path / "cifar10" / half / cifar10.NAMES[label]
            folder.mkdir(parents=True, exist_ok=True)
            write_png(image, folder / f"{index:03}.png")
    return tmp_path / "cifar10"


@pytest.mark.parametrize("layout", ["pickles", "archive", "sheets", "folders"])
def test_every_layout_gives_the_same_images_in_the_same_order(halves, read, request, layout):
    request.getfixturevalue(layout)
    images = read()
    expected = [part for half in halves for part in in_canonical_order(*half)]
    given = (images.train_images, images.train_labels, images.test_images, images.test_labels)
    assert all(map(torch.equal, given, expected))


@pytest.mark.parametrize("place", [".", "package"])
@pytest.mark.parametrize("layout", ["pickles", "sheets"])
def test_an_archive_may_be_unpacked_right_where_the_data_are(tmp_path, layout, place):
    names = next(files for name, _, files in cifar10.FACTS.layouts if name == layout)
    unpacked = tmp_path / (place if layout == "sheets" else ".")
    unpacked.mkdir(exist_ok=True)
    for name in names:
        (unpacked / name).touch()
    here = found(cifar10.FACTS, tmp_path)
    assert (here.layout, here.place) == (layout, unpacked)


def test_the_canonical_order_keeps_pairs_and_forgets_the_order_they_came_in(halves):
    images, labels = halves[0]
    shuffled = torch.randperm(100, generator=torch.Generator().manual_seed(5))
    ordered, classes = in_canonical_order(images, labels)
    again, same = in_canonical_order(images[shuffled], labels[shuffled])
    assert torch.equal(ordered, again)
    assert torch.equal(classes, same)
    assert not torch.equal(ordered, images)
    pairs = {
        (image.tobytes(), int(label)) for image, label in zip(images.numpy(), labels, strict=True)
    }
    assert pairs == {(i.tobytes(), int(c)) for i, c in zip(ordered.numpy(), classes, strict=True)}


class Trap:
    """Pickles as a call that creates a file."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return open, (self.file, "w")


def test_a_pickle_with_another_checksum_is_refused_unopened(pickles, read, tmp_path):
    (pickles / "data_batch_3").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(DataUnavailable) as caught:
        read()
    assert str(caught.value) == (
        f"{pickles / 'data_batch_3'} is damaged or incomplete (its checksum is not that of the "
        "official file; it was not opened); delete it and get it again"
    )
    assert not (tmp_path / "sprung").exists()


def test_even_a_pickle_with_the_right_checksum_can_only_make_arrays(
    pickles, contents, request, tmp_path
):
    contents["data_batch_1"] = pickle.dumps(Trap(tmp_path / "sprung"))
    (pickles / "data_batch_1").write_bytes(contents["data_batch_1"])
    with pytest.raises(pickle.UnpicklingError, match="is not part of an array"):
        request.getfixturevalue("read")()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kept", [0, 5, 1000, -5000])
def test_a_truncated_archive_is_named(archive, read, kept):
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(
        DataUnavailable, match=r"cifar-10-python\.tar\.gz.* is damaged or incomplete"
    ):
        read()


def test_a_truncated_pickle_is_named(pickles, read):
    (pickles / "test_batch").write_bytes((pickles / "test_batch").read_bytes()[:-1])
    with pytest.raises(DataUnavailable, match="test_batch is damaged or incomplete"):
        read()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data_batch_2.png", lambda file: file[: len(file) // 2]),
        ("data_batch_2.png", lambda _: b"no image"),
        ("train_lables.json", lambda file: file[:-2]),
        ("train_lables.json", lambda _: b'{"labels": 3}'),
    ],
)
def test_a_damaged_sheet_or_list_of_labels_is_named(sheets, read, name, content):
    (sheets / name).write_bytes(content((sheets / name).read_bytes()))
    with pytest.raises(DataUnavailable, match=f"{name} is damaged or incomplete"):
        read()


def test_folders_are_read_once_and_then_from_the_cache(folders, read):
    first = read()
    cache = folders / CACHE
    written = cache.stat().st_mtime_ns
    assert torch.equal(read().train_images, first.train_images)
    assert cache.stat().st_mtime_ns == written
    assert [file.name for file in folders.iterdir() if file.name.startswith(".")] == []


def test_a_rewritten_image_outdates_the_cache(folders, read, facts):
    read()
    file = next((folders / "train" / "cat").iterdir())
    write_png(torch.zeros(3, 32, 32, dtype=torch.uint8), file)
    with pytest.raises(DataUnavailable, match="does not hold a hundred: the channel means"):
        read()


def test_images_that_change_places_outdate_the_cache_though_sizes_and_times_are_equal(
    folders, read
):
    one, other = (min((folders / "train" / name).iterdir()) for name in ("cat", "dog"))
    for file in (one, other):
        pixels = Image.open(file)
        pixels.save(file, compress_level=0)
        os.utime(file, (1.6e9, 1.6e9))
    assert one.stat().st_size == other.stat().st_size
    before = read()
    one.rename(folders / "aside")
    other.rename(one)
    (folders / "aside").rename(other)
    after = read()
    moved = (before.train_images != after.train_images).flatten(1).any(1) | (
        before.train_labels != after.train_labels
    )
    assert moved.any()


def test_a_pipe_in_place_of_an_image_is_named(folders, read):
    file = min((folders / "train" / "cat").iterdir())
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(
        DataUnavailable, match=rf"{file.name} cannot be read \(is not a regular file\)"
    ):
        read()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_an_error_of_reading_asks_nobody_to_delete_a_good_file(folders, read, monkeypatch, number):
    file, original = min((folders / "train" / "cat").iterdir()), os.open

    def opening(path, *rest, **more):
        if Path(path) == file:
            raise OSError(number, os.strerror(number), str(path))
        return original(path, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", opening)
        with pytest.raises(DataUnavailable, match="cannot be read") as caught:
            read()
    assert "delete" not in str(caught.value)
    assert ("allow reading it" in str(caught.value)) == (number == errno.EACCES)
    assert len(read().train_labels) == 100


def test_labels_nested_beyond_reason_are_named_as_damaged(sheets, read):
    (sheets / "train_lables.json").write_bytes(b"[" * 100_000)
    with pytest.raises(DataUnavailable, match=r"train_lables\.json is damaged or incomplete"):
        read()


def test_a_damaged_cache_is_made_again(folders, read):
    first = read()
    cache = folders / CACHE
    cache.write_bytes(cache.read_bytes()[:-1000])
    assert torch.equal(read().train_images, first.train_images)
    with np.load(cache) as kept:
        assert len(kept["part0"]) == 100


def test_a_missing_class_or_image_is_noticed(folders, read):
    next((folders / "train" / "cat").iterdir()).unlink()
    with pytest.raises(DataUnavailable, match="99 labels for training images"):
        read()
    (folders / "test" / "cat").rename(folders / "test" / "lynx")
    with pytest.raises(DataUnavailable, match="its folders are not the 10 classes, see 'cat'"):
        read()


def test_an_image_of_another_size_is_named(folders, read):
    file = next((folders / "train" / "dog").iterdir())
    write_png(torch.zeros(3, 16, 16, dtype=torch.uint8), file)
    with pytest.raises(DataUnavailable, match=r"\(3, 16, 16\) instead of \(3, 32, 32\)"):
        read()
