"""Opening a dataset: splits, statistics, fingerprint, and settings that make no sense."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from revconsole.data import open_data
from revconsole.data._opening import fingerprint, split_indices
from revconsole.data._order import stratified_order
from revconsole.errors import ProfileError, UnknownName

SAME_MEAN = 1e-12  # float64 sums of the reference round; ours are exact
RECORDED_ORDER = [1, 16, 7, 10, 0, 17, 2, 13, 8, 5, 14, 3, 12, 9, 6, 15, 4, 11, 18, 19]
RECORDED_FINGERPRINT = "482edad39ce3"


@pytest.fixture
def opened(settings, tmp_path):
    return lambda **changes: open_data(settings(**changes), folder=tmp_path, device="cpu")


def as_rows(split):
    return {row.tobytes() for row in split.images.numpy()}


def test_digits_open_as_real_scans_with_three_splits(opened):
    data = opened()
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1293, 144, 360]
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.shape[1:] == (1, 8, 8)
    assert data.train.labels.dtype == torch.int64
    assert data.train.images.max() == 255
    assert data.names == tuple("0123456789")


def test_what_was_read_is_said_in_one_line(opened):
    assert opened().read == (
        "digits: 1,797 images; 8×8 pixels, 1 channel, 10 classes; "
        "1,293 to train on, 144 to validate on, 360 to test on"
    )
    fewer = opened(train_limit=200, test_limit=50).read
    assert fewer.startswith("digits: 1,797 images")
    assert fewer.endswith(
        "180 to train on, 20 to validate on, 50 to test on (1,547 of the others not used)"
    )
    assert opened(dataset="moons").read.startswith(
        "moons: 3,000 points; 2 coordinates, 2 classes; 1,800 to train on"
    )
    patches = opened(dataset="context_patches", source="synthetic", train_limit=100).read
    assert patches.startswith(
        "a pair of patches of each image of synthetic; 8×8 pixels, 6 channels, 8 classes; 90 to"
    )


def test_statistics_are_those_of_the_training_split_alone(opened):
    data = opened(dataset="synthetic", validation=0.3)
    pixels = data.train.images.numpy().astype(np.float64) / 255
    assert np.abs(pixels.mean(axis=(0, 2, 3)) - data.mean).max() < SAME_MEAN
    assert np.abs(pixels.std(axis=(0, 2, 3)) - data.std).max() < SAME_MEAN

    everything = np.concatenate([pixels, data.validation.images.numpy() / 255])
    assert np.abs(everything.mean(axis=(0, 2, 3)) - data.mean).max() > SAME_MEAN


def test_splits_share_no_image(opened):
    data = opened(dataset="synthetic")
    train, validation, test = map(as_rows, (data.train, data.validation, data.test))
    assert len(train) == 4500
    assert not train & validation
    assert not (train | validation) & test


@pytest.mark.parametrize("count", [40, 150, 719])
def test_every_first_part_of_the_order_holds_classes_in_proportion(count):
    labels = torch.tensor([0] * 500 + [1] * 300 + [2] * 40)
    labels = labels[torch.randperm(840, generator=torch.Generator().manual_seed(0))]
    order = stratified_order(labels, 3)
    assert sorted(order.tolist()) == list(range(840))
    counts = torch.bincount(labels[order[:count]], minlength=3)
    expected = torch.tensor([500, 300, 40]) * count / 840
    assert (counts - expected).abs().max() <= 1


def test_the_order_does_not_change_between_versions_and_machines():
    order = stratified_order(torch.arange(20) % 2, 7)
    assert order.tolist() == RECORDED_ORDER


def test_a_split_belongs_to_its_seed(settings):
    labels = torch.arange(1000) % 10
    train, validation = split_indices(labels, settings(split_seed=1))
    again, _ = split_indices(labels, settings(split_seed=1))
    other, _ = split_indices(labels, settings(split_seed=2))
    assert torch.equal(train, again)
    assert not torch.equal(train, other)
    assert sorted((*train.tolist(), *validation.tolist())) == list(range(1000))


def test_a_limit_takes_a_stratified_subset_of_what_a_larger_limit_takes(settings):
    labels = torch.arange(1000) % 10
    small = split_indices(labels, settings(train_limit=100, validation=0.2))
    large = split_indices(labels, settings(train_limit=400, validation=0.2))
    assert [len(part) for part in small] == [80, 20]
    assert torch.bincount(labels[torch.cat(small)]).tolist() == [10] * 10
    assert set(torch.cat(small).tolist()) < set(torch.cat(large).tolist())


def test_a_limited_test_is_a_stratified_part_of_a_larger_one_and_trains_on_the_same_images(opened):
    whole, large, small = opened(), opened(test_limit=200), opened(test_limit=50)
    assert [len(data.test) for data in (whole, large, small)] == [360, 200, 50]
    assert as_rows(small.test) < as_rows(large.test) < as_rows(whole.test)
    shares = torch.bincount(whole.test.labels).double() / 360
    counts = torch.bincount(small.test.labels)
    assert ((counts - 50 * shares).abs() < 1).all()
    assert torch.equal(small.train.images, whole.train.images)
    assert small.facts.test_images == 50


def test_standardised_training_images_have_mean_zero_and_deviation_one(opened):
    data = opened()
    how = data.train.preparation.standardisation
    values = (data.train.images.double() - how.shift) / how.scale
    assert abs(values.mean()) < 1e-6  # shift and scale are float32
    assert abs(values.std(correction=0) - 1) < 1e-6


def test_without_standardising_images_stay_between_zero_and_one(opened):
    data = opened(standardise="none")
    values = data.train.preparation.standardisation(data.train.images)
    assert (values.min(), values.max()) == (0, 1)
    assert data.mean == opened().mean


def test_one_fingerprint_for_the_same_data_and_split(opened):
    first = opened().fingerprint
    assert first == opened(augment="crop", standardise="none").fingerprint
    assert len(first) == 64
    others = {
        opened(split_seed=1).fingerprint,
        opened(validation=0.2).fingerprint,
        opened(train_limit=500).fingerprint,
        opened(test_limit=300).fingerprint,
        opened(dataset="synthetic").fingerprint,
        first,
    }
    assert len(others) == 6


def test_the_fingerprint_of_digits_is_the_one_everybody_sees(opened):
    assert opened().fingerprint[:12] == RECORDED_FINGERPRINT


def change(images, part):
    changed = getattr(images, part).clone()
    changed.view(-1)[-1] = 1 - changed.view(-1)[-1].clamp(max=1)
    return dataclasses.replace(images, **{part: changed})


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_one_changed_pixel_or_label_changes_the_fingerprint(small_images, part):
    split = {"train": torch.arange(50), "validation": torch.arange(50, 60)}
    before = fingerprint("small", small_images, **split)
    assert fingerprint("small", change(small_images, part), **split) != before


def test_one_image_moved_to_the_other_split_changes_the_fingerprint(small_images):
    order = torch.arange(60)
    before = fingerprint("small", small_images, train=order[:50], validation=order[50:])
    moved = fingerprint("small", small_images, train=order[:49], validation=order[49:])
    assert moved != before


def test_the_fingerprint_hashes_what_its_description_says(small_images):
    images, order = small_images, torch.arange(60)
    text = hashlib.sha256(b"revconsole data 1\nsmall\n")
    for shape, part, kind in (
        ("60x3x5x5", images.train_images, "<u1"),
        ("60", images.train_labels, "<i8"),
        ("12x3x5x5", images.test_images, "<u1"),
        ("12", images.test_labels, "<i8"),
        ("50", order[:50], "<i8"),
        ("10", order[50:], "<i8"),
    ):
        text.update(f"{shape}\n".encode() + np.array(part.tolist(), dtype=kind).tobytes())
    made = fingerprint("small", images, train=order[:50], validation=order[50:])
    assert made == text.hexdigest()


def test_an_unknown_dataset_is_answered_with_the_nearest(opened):
    with pytest.raises(UnknownName, match="there is no dataset 'digit'; did you mean 'digits'"):
        opened(dataset="digit")


@pytest.mark.parametrize("name", ["_opening", "os", "../digits", ""])
def test_only_datasets_can_be_named(opened, name):
    with pytest.raises(UnknownName):
        opened(dataset=name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"validation": 0.0},
            "holds out 0 of 1,437 training images and leaves none to validate on",
        ),
        ({"validation": 0.0001}, "leaves none to validate on"),
        (
            {"validation": 0.9999},
            "holds out 1,437 of 1,437 training images and leaves none to train on",
        ),
        ({"validation": -0.5}, "leaves none to validate on"),
        ({"train_limit": 1438}, "1,438 is out of range; the dataset has 1,437 training images"),
        ({"test_limit": 361}, "361 is out of range; the dataset has 360 test images"),
        ({"train_limit": 1}, "at least one trains and one validates"),
        ({"train_limit": 4}, "train_limit: a fraction of 0.1 (data.validation) holds out 0 of 4"),
        ({"train_limit": 4}, "take 6 images or more"),
        ({"augment": "crop", "crop_padding": 8}, "8 pixels do not suit images of 8 pixels"),
        ({"augment": "crop-flip", "crop_padding": 0}, "an eighth, 1, is usual"),
    ],
)
def test_settings_that_make_no_sense_get_one_sentence(opened, changes, sentence):
    with pytest.raises(ProfileError) as caught:
        opened(**changes)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
