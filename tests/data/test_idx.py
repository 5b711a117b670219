"""The IDX format: small files written here, whole, truncated, damaged and of another kind."""

import dataclasses
import gzip
import os

import numpy as np
import pytest
import torch

from revconsole.data import _idx, mnist
from revconsole.data._idx import read_family, read_idx
from revconsole.data._standardise import channel_statistics
from revconsole.errors import DataUnavailable

PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(array):
    header = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return dict(
        zip(
            PARTS,
            (
                random.integers(0, 256, (40, 28, 28)),
                np.arange(40) % 10,
                random.integers(0, 256, (20, 28, 28)),
                np.arange(20) % 10,
            ),
            strict=True,
        )
    )


@pytest.fixture
def facts(arrays):
    """What is known of a dataset of the MNIST family with sixty images."""
    mean, std = channel_statistics(torch.from_numpy(arrays[PARTS[0]].astype(np.uint8)).unsqueeze(1))
    return dataclasses.replace(
        mnist.FACTS,
        title="sixty",
        train_images=40,
        test_images=20,
        train_per_class=(4,),
        test_per_class=(2,),
        mean=mean,
        std=std,
    )


@pytest.fixture
def read(facts, tmp_path):
    def no_network(folder):
        raise OSError("no network here")

    return lambda: read_family(facts, mnist.NAMES, folder=tmp_path, download=no_network)


@pytest.fixture
def write(arrays, tmp_path):
    """A function that writes the four files to a place below the data folder."""

    def written(place, *, suffix=""):
        (tmp_path / place).mkdir(parents=True)
        for name, array in arrays.items():
            content = idx(array)
            packed = gzip.compress(content) if suffix else content
            (tmp_path / place / f"{name}{suffix}").write_bytes(packed)
        return tmp_path / place

    return written


@pytest.mark.parametrize("place", ["MNIST/raw", "mnist"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_four_files_are_read_plain_or_compressed_from_each_place(
    write, read, arrays, place, suffix
):
    write(place, suffix=suffix)
    images = read()
    assert (images.train_images[:, 0].numpy() == arrays[PARTS[0]]).all()
    assert (images.train_labels.numpy() == arrays[PARTS[1]]).all()
    assert (images.test_images[:, 0].numpy() == arrays[PARTS[2]]).all()
    assert (images.test_labels.numpy() == arrays[PARTS[3]]).all()
    assert (images.train_images.dtype, images.train_labels.dtype) == (torch.uint8, torch.int64)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kept", [0, 3, 10, 15, 16, -1])
def test_a_truncated_file_is_named_with_what_to_do(write, read, suffix, kept):
    file = write("mnist", suffix=suffix) / f"{PARTS[0]}{suffix}"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataUnavailable) as caught:
        read()
    assert str(caught.value).startswith(f"{file} is damaged or incomplete (")
    assert str(caught.value).endswith("; delete it and get it again")
    assert "\n" not in str(caught.value)


def test_a_flipped_byte_in_a_compressed_file_is_noticed(write, read):
    file = write("mnist", suffix=".gz") / f"{PARTS[0]}.gz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    with pytest.raises(DataUnavailable, match="is damaged or incomplete"):
        read()


def test_images_in_the_place_of_labels_are_refused(write, read):
    place = write("mnist")
    (place / PARTS[1]).write_bytes((place / PARTS[0]).read_bytes())
    with pytest.raises(DataUnavailable, match="not an IDX file of 1-dimensional bytes"):
        read()


def test_a_header_that_promises_nothing_or_too_much_is_refused(tmp_path):
    for count in (0, 2**32 - 1):
        file = tmp_path / f"labels{count}"
        file.write_bytes(bytes((0, 0, 8, 1)) + count.to_bytes(4, "big"))
        with pytest.raises(DataUnavailable, match="0 bytes of data where its header says"):
            read_idx(file, dimensions=1)


@pytest.mark.parametrize(
    ("part", "change", "sentence"),
    [
        (PARTS[0], lambda a: 255 - a, "the channel means of the training images are"),
        (PARTS[0], lambda a: a // 2 + 64, "the channel deviations of the training images are"),
        (PARTS[0], lambda a: a[:, :27], "40 labels for training images of shape (40, 1, 27, 28)"),
        (PARTS[1], lambda a: a[:-1], "39 labels for training images"),
        (PARTS[1], lambda a: a * 0, "the training labels have other class counts"),
        (PARTS[3], lambda a: a + 1, "the test labels have other class counts"),
    ],
)
def test_another_dataset_in_its_place_is_refused_in_words(
    arrays, write, read, facts, part, change, sentence
):
    arrays[part] = change(arrays[part])
    if "deviations" in sentence:
        arrays[part] = with_mean(arrays[part], facts.mean[0])
    place = write("mnist")
    with pytest.raises(DataUnavailable) as caught:
        read()
    assert str(caught.value).startswith(f"{place} does not hold sixty: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def with_mean(array, mean):
    """The array with single pixels raised or lowered by one until the mean is the given one."""
    flat = array.flatten()
    excess = round(flat.sum() - mean * 255 * flat.size)
    flat[: abs(excess)] -= np.sign(excess)
    return flat.reshape(array.shape)


def test_an_incomplete_set_says_which_file_is_missing_and_where_to_put_them(write, read):
    place = write("mnist")
    (place / PARTS[3]).unlink()
    with pytest.raises(DataUnavailable) as caught:
        read()
    assert str(caught.value) == (
        f"sixty is incomplete ({place} lacks {PARTS[3]}) and could not be downloaded "
        f"(no network here); put {', '.join(f'{part}.gz' for part in PARTS)} "
        f"in {place.parent / 'MNIST' / 'raw'}"
    )


def test_no_more_is_unpacked_than_a_file_of_the_family_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(_idx, "MOST_BYTES", 2000)
    bomb = tmp_path / "labels.gz"
    bomb.write_bytes(gzip.compress(bytes((0, 0, 8, 1)) + bytes(1_000_000)))
    with pytest.raises(DataUnavailable, match="it unpacks to more than 2,000 bytes"):
        read_idx(bomb, dimensions=1)
    (tmp_path / "labels").write_bytes(bytes(2001))
    with pytest.raises(DataUnavailable, match="is larger than 2,000 bytes"):
        read_idx(tmp_path / "labels", dimensions=1)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "labels")
    with pytest.raises(DataUnavailable, match="is not a regular file"):
        read_idx(tmp_path / "labels", dimensions=1)
