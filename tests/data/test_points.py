"""Sets of points: what their names say, the same for everybody, and open to every part of the pipeline."""

import numpy as np
import pytest
import torch

from revconsole.data import batches, circles, moons, open_data, spirals
from revconsole.data._points import as_pixels, as_points
from revconsole.errors import ProfileError

HALF_A_LEVEL = 0.5 / 64
SETS = [circles, moons, spirals]
NAMES = ["circles", "moons", "spirals"]


def points_of(module, folder):
    images = module.read(folder)
    return as_points(images.train_images).numpy(), images.train_labels.numpy()


def test_a_point_is_kept_to_half_a_level_and_outside_the_plane_on_its_edge():
    points = np.random.default_rng(0).uniform(-1.9, 1.9, (500, 2))
    assert np.abs(as_points(as_pixels(points)).numpy() - points).max() <= HALF_A_LEVEL
    assert as_points(as_pixels(np.array([[-9.0, 9.0]]))).tolist() == [[-2.0, 127 / 64]]


def test_circles_lie_on_circles_of_radius_one_and_a_half(tmp_path):
    points, labels = points_of(circles, tmp_path)
    radius = np.linalg.norm(points, axis=1)
    assert abs(radius[labels == 0].mean() - 1.0) < 0.02
    assert abs(radius[labels == 1].mean() - 0.5) < 0.02
    assert abs(radius[labels == 0].std() - circles.NOISE) < 0.01


def test_moons_lie_on_two_half_circles_that_interlock(tmp_path):
    points, labels = points_of(moons, tmp_path)
    upper, lower = (
        points[labels == label] + moons.CENTRE - ((0, 0), (1, 0.5))[label] for label in (0, 1)
    )
    assert abs(np.linalg.norm(upper, axis=1).mean() - 1) < 0.02
    assert abs(np.linalg.norm(lower, axis=1).mean() - 1) < 0.02
    assert upper[:, 1].mean() > 0.5
    assert lower[:, 1].mean() < -0.5


def test_spirals_lie_on_two_arms_opposite_each_other(tmp_path):
    points, labels = points_of(spirals, tmp_path)
    radius, angle = np.linalg.norm(points, axis=1), np.arctan2(points[:, 1], points[:, 0])
    wound = angle - 2 * np.pi * spirals.TURNS * radius / spirals.REACH
    far = radius > 0.8  # nearer the origin, noise turns a point by much
    along = np.cos(wound[far]) * (1 - 2 * labels[far])
    assert along.mean() > 0.9


@pytest.mark.parametrize("module", SETS, ids=NAMES)
def test_no_straight_line_tells_the_classes_apart_and_neighbours_do(tmp_path, module):
    images = module.read(tmp_path)
    train, test = (as_points(p) for p in (images.train_images, images.test_images))
    nearest = torch.cdist(test, train).argmin(1)
    assert (images.train_labels[nearest] == images.test_labels).float().mean() > 0.95

    def with_one(points):
        return torch.cat([points, torch.ones(len(points), 1)], dim=1)

    line = torch.linalg.lstsq(
        with_one(train), 2.0 * images.train_labels[:, None].float() - 1
    ).solution
    right = ((with_one(test) @ line).squeeze(1) > 0) == (images.test_labels == 1)
    assert right.float().mean() < 0.92


@pytest.mark.parametrize("module", SETS, ids=NAMES)
def test_everybody_has_the_same_points_and_none_is_tested_on_that_it_was_trained_on(
    tmp_path, module
):
    first, second = module.read(tmp_path), module.read(tmp_path)
    assert torch.equal(first.train_images, second.train_images)
    assert not torch.equal(first.train_images[:1000], first.test_images)


@pytest.mark.parametrize("name", NAMES)
def test_points_go_through_the_pipeline_like_images(settings, tmp_path, name):
    data = open_data(
        settings(dataset=name, standardise="zca", zca_eps=1e-6, mixup=0.2),
        folder=tmp_path,
        device="cpu",
    )
    _, images, shares = next(batches(data.train, batch=50, seed=0, epoch=0))
    assert images.shape == (50, 2, 1, 1)
    assert shares.shape == (50, 2)
    assert len(data.test) == 1000
    whitened = data.train.preparation.standardisation(data.train.images).flatten(1).double()
    assert (torch.cov(whitened.T, correction=0) - torch.eye(2)).abs().max() < 1e-3


@pytest.mark.parametrize("change", [{"flip": True}, {"rotation": 10.0}, {"erasing": 0.5}])
def test_what_is_done_to_pictures_is_refused_for_points(settings, tmp_path, change):
    with pytest.raises(ProfileError, match="circles has points, not pictures"):
        open_data(settings(dataset="circles", **change), folder=tmp_path, device="cpu")
