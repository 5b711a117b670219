"""Batches: order and augmentation keyed by position, and equal to a slow reference."""

import numpy as np
import pytest
import torch

from revconsole.data import batches, evaluation_batches, open_data, steps_per_epoch
from revconsole.data._augment import cropped_and_mirrored
from revconsole.data._opening import OpenedSplit, Preparation
from revconsole.data._standardise import Standardisation
from revconsole.records.keys import key
from revconsole.records.sections import Data

ONE_ROUNDING = 1e-6  # float32 shift and scale against float64


@pytest.fixture
def split():
    """A function: fifty numbered 3×6×6 images with an augmentation."""

    def made(augment="none", crop_padding=2, **more):
        generator = torch.Generator().manual_seed(0)
        return OpenedSplit(
            images=torch.randint(1, 256, (50, 3, 6, 6), generator=generator).to(torch.uint8),
            labels=torch.arange(50),
            classes=50,
            preparation=Preparation(
                standardisation=Standardisation(
                    shift=torch.tensor([100.0, 120.0, 140.0]).view(-1, 1, 1),
                    scale=torch.tensor([50.0, 60.0, 70.0]).view(-1, 1, 1),
                ),
                augmentation=Data(augment=augment, crop_padding=crop_padding, **more),
            ),
        )

    return made


def same(left, right):
    return all(
        a[0] == b[0] and torch.equal(a[1], b[1]) and torch.equal(a[2], b[2])
        for a, b in zip(left, right, strict=True)
    )


def reference(pixels, preparation, *, seed, step):
    """Crop, mirror and standardise image by image, in numpy."""
    padding, size = preparation.augmentation.crop_padding, pixels.shape[-1]
    draws = torch.Generator().manual_seed(key(seed, "augment", step))
    rows, columns = torch.randint(0, 2 * padding + 1, (2, len(pixels)), generator=draws).numpy()
    mirrored = np.zeros(len(pixels))
    if preparation.augmentation.augment == "crop-flip":
        mirrored = torch.randint(0, 2, (len(pixels),), generator=draws).numpy()

    how = preparation.standardisation
    shift, scale = how.shift.double().numpy(), how.scale.double().numpy()
    result = []
    for image, row, column, mirror in zip(pixels.numpy(), rows, columns, mirrored, strict=True):
        canvas = np.zeros((3, size + 2 * padding, size + 2 * padding))
        canvas[:, padding : padding + size, padding : padding + size] = image
        crop = canvas[:, row : row + size, column : column + size]
        result.append(((crop[:, :, ::-1] if mirror else crop) - shift) / scale)
    return np.stack(result)


@pytest.mark.parametrize("augment", ["crop", "crop-flip"])
def test_augmented_batches_equal_a_reference_that_goes_image_by_image(split, augment):
    data = split(augment)
    for step, images, labels in batches(data, batch=16, seed=5, epoch=3):
        expected = reference(data.images[labels], data.preparation, seed=5, step=3 * 4 + step)
        assert np.abs(images.numpy() - expected).max() < ONE_ROUNDING


def test_each_image_of_a_batch_gets_its_own_draws(split):
    data = split("crop-flip")
    twins = data.images[:1].repeat(64, 1, 1, 1)
    made = cropped_and_mirrored(
        twins, data.preparation.augmentation, generator=torch.Generator().manual_seed(0)
    )
    distinct = {image.numpy().tobytes() for image in made}
    assert len(distinct) > 30  # of 5 × 5 offsets × 2


def test_crops_and_mirrorings_are_all_reached_and_even(split):
    data = split("crop-flip", crop_padding=1)
    marked = torch.zeros(9000, 1, 6, 6, dtype=torch.uint8)
    marked[:, :, 2, 1] = 255
    made = cropped_and_mirrored(
        marked, data.preparation.augmentation, generator=torch.Generator().manual_seed(0)
    )
    counts = torch.bincount(made.flatten(1).argmax(1))
    reached = counts[counts > 0]
    assert len(reached) == 18
    assert reached.min() > 400  # 500 expected, deviation 22


def test_an_epoch_shows_every_image_once_in_another_order_than_the_next(split):
    first, second = (
        torch.cat([labels for _, _, labels in batches(split(), batch=16, seed=0, epoch=epoch)])
        for epoch in (0, 1)
    )
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() != list(range(50))


def test_labels_stay_with_their_images(split):
    data = split()
    how = data.preparation.standardisation
    for _, images, labels in batches(data, batch=16, seed=0, epoch=0):
        expected = (data.images[labels].float() - how.shift) / how.scale
        assert (images - expected).abs().max() < ONE_ROUNDING


@pytest.mark.parametrize("first", [0, 1, 3, 4])
def test_beginning_later_equals_skipping(split, first):
    data = split("crop-flip")
    whole = list(batches(data, batch=16, seed=2, epoch=1))
    assert same(whole[first:], list(batches(data, batch=16, seed=2, epoch=1, first=first)))


def test_a_batch_does_not_depend_on_what_was_drawn_before(split):
    data = split("crop-flip")
    before = list(batches(data, batch=16, seed=2, epoch=1))
    torch.manual_seed(99)
    torch.rand(7)
    list(batches(data, batch=10, seed=3, epoch=0))
    assert same(before, list(batches(data, batch=16, seed=2, epoch=1)))


def test_batches_leave_the_global_generator_alone(split):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(batches(split("crop-flip"), batch=16, seed=2, epoch=1))
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_shows_other_crops_of_other_images(split):
    data = split("crop")
    (_, one, first), *_ = batches(data, batch=50, seed=1, epoch=0)
    (_, two, second), *_ = batches(data, batch=50, seed=2, epoch=0)
    assert first.tolist() != second.tolist()
    assert not torch.equal(one[first.argsort()], two[second.argsort()])


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [16, 16, 16, 2]), (True, [16, 16, 16])])
def test_a_last_smaller_batch_is_kept_unless_dropped(split, drop_last, sizes):
    made = list(batches(split("crop"), batch=16, seed=0, epoch=0, drop_last=drop_last))
    assert [len(labels) for _, _, labels in made] == sizes
    assert [step for step, _, _ in made] == list(range(len(sizes)))
    assert steps_per_epoch(50, batch=16, drop_last=drop_last) == len(sizes)


def test_evaluation_goes_through_a_split_in_order_without_augmentation(split):
    data = split("crop-flip")
    made = list(evaluation_batches(data, batch=20))
    assert torch.cat([labels for _, _, labels in made]).tolist() == list(range(50))
    how = data.preparation.standardisation
    expected = (data.images.float() - how.shift) / how.scale
    assert (torch.cat([images for _, images, _ in made]) - expected).abs().max() < ONE_ROUNDING


def test_batches_never_write_into_the_split(split):
    data = split("crop-flip")
    before = data.images.clone()
    list(batches(data, batch=16, seed=0, epoch=0))
    list(evaluation_batches(data, batch=16))
    assert torch.equal(data.images, before)


def test_validation_and_test_splits_are_never_augmented(settings, tmp_path):
    data = open_data(settings(augment="crop-flip"), folder=tmp_path, device="cpu")
    assert data.train.preparation.augmentation.augment == "crop-flip"
    assert data.validation.preparation.augmentation is None
    assert data.test.preparation.augmentation is None
