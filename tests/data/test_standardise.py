"""Standardisation: fitted to the training split alone, and equal to what numpy makes of the definition."""

import dataclasses

import numpy as np
import pytest
import torch

from revconsole.data import _opening, evaluation_batches, open_data
from revconsole.data._standardise import LEAST_SHARE, channel_statistics, fitted
from revconsole.errors import ProfileError
from revconsole.records.settings import data_rules

FLOAT32 = 2e-5  # relative: shift, scale and whitening are rounded to float32 before they are used
WAYS = ["none", "per-channel", "per-pixel", "zca"]


@pytest.fixture
def images():
    """Four hundred 2×5×5 images whose pixels are correlated, some hardly varying and one not at all."""
    random = np.random.default_rng(0)
    mixed = random.normal(size=(400, 50)) @ random.normal(size=(50, 50))
    spread = np.linspace(0.1, 6, 50)
    levels = (128 + mixed * spread).clip(0, 255).reshape(400, 2, 5, 5)
    levels[:, 0, 0, 0] = 7
    return torch.from_numpy(levels.astype(np.uint8))


def in_numpy(images, how, eps):
    """The definition, in float64, by means other than ours: numpy's moments, and an SVD in place of eigenvalues."""
    pixels = images.numpy().astype(np.float64) / 255
    if how == "none":
        return pixels
    if how == "per-channel":
        return (pixels - pixels.mean((0, 2, 3), keepdims=True)) / pixels.std(
            (0, 2, 3), keepdims=True
        )
    if how == "per-pixel":
        least = LEAST_SHARE * pixels.std((0, 2, 3), keepdims=True)
        return (pixels - pixels.mean(0)) / np.maximum(pixels.std(0), least)
    flat = (pixels - pixels.mean(0)).reshape(len(pixels), -1)
    _, singular, right = np.linalg.svd(flat / np.sqrt(len(flat)), full_matrices=False)
    return (flat @ right.T / np.sqrt(singular**2 + eps) @ right).reshape(pixels.shape)


@pytest.mark.parametrize("how", WAYS)
def test_each_way_equals_its_definition(images, how):
    found = fitted(images, how, eps=1e-3)(images).double().numpy()
    expected = in_numpy(images, how, 1e-3)
    assert np.abs(found - expected).max() < FLOAT32 * np.abs(expected).max()


def test_whitened_training_images_have_the_identity_as_covariance_where_they_vary_enough(images):
    eps = 1e-6
    flat = images.flatten(1).double().numpy() / 255
    variances, directions = np.linalg.eigh(np.cov(flat.T, bias=True))
    whitened = fitted(images, "zca", eps=eps)(images).flatten(1).double().numpy()
    along = directions.T @ np.cov(whitened.T, bias=True) @ directions
    strong = variances > 1000 * eps
    assert strong.sum() > 30
    assert (
        np.abs(along[np.ix_(strong, strong)] - np.eye(strong.sum())).max() < 2e-3
    )  # eps / variance
    assert np.allclose(np.diag(along), variances / (variances + eps), atol=2e-3)


def test_zca_stays_as_near_to_the_images_as_whitening_can(images):
    """Of all matrices that whiten, the symmetric one changes the images least."""
    whitening = fitted(images, "zca", eps=1e-3).whitening
    assert torch.equal(whitening, whitening.T) or (whitening - whitening.T).abs().max() < 1e-5
    assert torch.linalg.eigvalsh(whitening.double()).min() > 0


@pytest.mark.parametrize("how", WAYS)
def test_a_pixel_that_never_varies_stays_finite(images, how):
    images[:, 1] = 200
    odd = images[:1].clone()
    odd[0, :, 0, 0] = 255
    assert fitted(images, how, eps=1e-3)(odd).isfinite().all()


def test_a_pixel_dark_in_training_and_lit_in_a_test_is_not_hundreds_of_deviations_away(images):
    lit = images[:1].clone()
    lit[0, 0, 0, 0] = 255
    assert fitted(images, "per-pixel", eps=1e-3)(lit)[0, 0, 0, 0] < 100


@pytest.mark.parametrize("threads", [1, 2])
def test_more_threads_find_the_same_bits(images, threads):
    wanted = fitted(images, "zca", eps=1e-3).whitening
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(fitted(images, "zca", eps=1e-3).whitening, wanted)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("how", WAYS)
def test_neither_validation_nor_test_images_play_a_part(
    small_images, settings, monkeypatch, tmp_path, how
):
    chosen = settings(dataset="digits", validation=0.25, standardise=how)
    train, validation = _opening.split_indices(small_images.train_labels, chosen)
    changed = small_images.train_images.clone()
    changed[validation] = 255 - changed[validation]
    other = dataclasses.replace(
        small_images, train_images=changed, test_images=255 - small_images.test_images
    )

    def opened(images):
        monkeypatch.setattr("revconsole.data.digits.read", lambda folder: images)
        return open_data(chosen, folder=tmp_path, device="cpu")

    first, second = opened(small_images), opened(other)
    assert len(train) == len(first.train)
    before, after = (
        dataclasses.asdict(d.test.preparation.standardisation) for d in (first, second)
    )
    for name, value in before.items():
        assert (value is None and after[name] is None) or torch.equal(value, after[name])

    changed[train] = changed[train] // 2
    third = opened(dataclasses.replace(other, train_images=changed))
    same = torch.equal(before["shift"], third.test.preparation.standardisation.shift)
    assert same == (how == "none")


def test_every_split_is_standardised_alike(settings, tmp_path):
    data = open_data(settings(standardise="zca"), folder=tmp_path, device="cpu")
    for split in (data.validation, data.test):
        _, images, _ = next(iter(evaluation_batches(split, batch=7)))
        expected = data.train.preparation.standardisation(split.images[:7])
        assert torch.equal(images, expected)


def test_images_too_large_for_zca_are_refused(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(data_rules, "MOST_WHITENED", 63)
    with pytest.raises(ProfileError, match=r"64 of them are too many .* use per-channel"):
        open_data(settings(standardise="zca"), folder=tmp_path, device="cpu")


class OnlyTheirShape:
    """Images that nobody may read: of a set larger than memory each reading takes minutes."""

    def __init__(self, images):
        self.shape = images.shape


def test_images_whose_statistics_are_known_are_not_read_again():
    images = torch.randint(256, (40, 3, 6, 6), dtype=torch.uint8)
    known = channel_statistics(images)

    again = fitted(OnlyTheirShape(images), "per-channel", eps=1e-3, whole=known)
    assert torch.equal(again(images), fitted(images, "per-channel", eps=1e-3)(images))
    cropped = fitted(images, "per-channel", eps=1e-3, crop=2, whole=known)
    assert torch.equal(cropped.shift, fitted(images[:, :, 2:4, 2:4], "per-channel", eps=1e-3).shift)
