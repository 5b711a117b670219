"""Context patches: where they are cut, what the label says, and that everybody cuts the same."""

import numpy as np
import pytest
import torch

from revconsole.data import open_data, synthetic
from revconsole.data.context_patches import DIRECTIONS, NAMES, cut, places
from revconsole.records.settings.plan import Plan


@pytest.fixture
def chosen(settings):
    """A function: settings of patches of the synthetic images."""
    return lambda **changes: settings(dataset="context_patches", source="synthetic", **changes)


@pytest.fixture
def images():
    """Images whose three channels say row, column and number of the image."""
    count, size = 200, 32
    found = torch.zeros(count, 3, size, size, dtype=torch.uint8)
    found[:, 0] = torch.arange(size).view(1, -1, 1)
    found[:, 1] = torch.arange(size).view(1, 1, -1)
    found[:, 2] = torch.arange(count).view(-1, 1, 1)
    return found


def corners(patches):
    return patches[:, :2, 0, 0].long().numpy()


@pytest.mark.parametrize(("side", "gap", "jitter"), [(8, 2, 1), (10, 0, 0), (5, 4, 2), (2, 13, 0)])
def test_patches_are_whole_pieces_of_one_image_in_the_direction_of_the_label(
    images, chosen, side, gap, jitter
):
    how = chosen(patch_side=side, gap=gap, jitter=jitter)
    pairs, labels = cut(images, how, part=0)
    first, second = pairs[:, :3], pairs[:, 3:]
    assert pairs.shape == (200, 6, side, side)
    for patches in (first, second):
        assert torch.equal(patches[:, 2, 0, 0].long(), torch.arange(200))
        for channel in range(2):
            steps = patches[:, channel].amax((1, 2)).int() - patches[:, channel].amin((1, 2)).int()
            assert (steps == side - 1).all()

    apart = corners(second) - corners(first)
    expected = (side + gap) * DIRECTIONS[labels.numpy()]
    off = np.abs(apart - expected)
    assert off.max() <= 2 * jitter
    assert (off > 0).any() == (jitter > 0)
    assert np.abs(apart).max(1).min() >= side + gap - 2 * jitter


def test_names_say_where_the_second_patch_lies(images, chosen):
    pairs, labels = cut(images, chosen(), part=0)
    down, right = (corners(pairs[:, 3:]) - corners(pairs[:, :3])).T
    for name, rows, columns in zip(np.array(NAMES)[labels.numpy()], down, right, strict=True):
        assert ("above" in name) == (rows < -5)
        assert ("below" in name) == (rows > 5)
        assert ("left" in name) == (columns < -5)
        assert ("right" in name) == (columns > 5)


def test_where_the_first_patch_lies_says_nothing_about_the_label(chosen):
    first, _, labels = places(80_000, 32, chosen(), part=0)
    means = np.array([first[labels == label].mean(0) for label in range(8)])
    assert np.abs(means - first.mean(0)).max() < 0.06  # deviation of a mean of 10,000: 0.014
    counts = np.bincount(labels)
    assert np.abs(counts - 10_000).max() < 500  # deviation 94


def test_patches_reach_every_edge_of_the_image_and_nothing_beyond(chosen):
    first, second, _ = places(20_000, 32, chosen(), part=0)
    both = np.concatenate([first, second])
    assert both.min() == 0
    assert both.max() == 32 - 8


def test_the_same_source_and_seed_are_the_same_examples(chosen, tmp_path):
    def opened(**changes):
        return open_data(chosen(**changes), folder=tmp_path, device="cpu")

    one, two = opened(), opened()
    assert one.fingerprint == two.fingerprint
    assert torch.equal(one.train.images, two.train.images)
    others = [opened(cut_seed=1), opened(gap=3), opened(patch_side=6), opened(jitter=0)]
    assert len({one.fingerprint, *(o.fingerprint for o in others)}) == 5
    assert one.facts.classes == one.train.classes == 8
    assert (one.facts.channels, one.facts.size) == (6, 8)


def test_test_pairs_come_from_test_images_by_draws_of_their_own(chosen, tmp_path):
    source = synthetic.read(tmp_path)
    data = open_data(chosen(), folder=tmp_path, device="cpu")
    pairs, labels = cut(source.test_images, chosen(), part=1)
    assert torch.equal(data.test.images, pairs)
    assert torch.equal(data.test.labels, labels)
    _, other = cut(source.test_images, chosen(), part=0)
    assert not torch.equal(labels, other)


def test_a_plan_knows_the_shape_of_its_patches():
    data = {"dataset": "context_patches", "source": "cifar10", "patch_side": 10, "gap": 0}
    plan = Plan.model_validate(
        {"name": "patches", "model": {"patch": 5, "architecture": "vit"}, "data": data}
    )
    assert (plan.facts.classes, plan.facts.channels, plan.image_size) == (8, 6, 10)
    assert plan.facts.train_images == 50_000


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "say what to cut the patches from; there are: cifar10"),
        ({"source": "cifar"}, "there is no image dataset 'cifar'; did you mean 'cifar10'"),
        ({"source": "circles"}, "there is no image dataset 'circles'"),
        ({"source": "context_patches"}, "there is no image dataset 'context_patches'"),
        ({"source": "digits"}, "take 30 pixels each way, and images of digits have 8"),
        ({"source": "cifar10", "patch_side": 9}, "images of cifar10 have 32; 8 is the most"),
        ({"source": "imagefolder"}, "say where the images are"),
        ({"source": "imagefolder", "folder": "."}, "before they are cut"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_gets_one_sentence(data, sentence):
    table = {"name": "patches", "data": {"dataset": "context_patches", **data}}
    with pytest.raises(ValueError, match="1 validation error") as caught:
        Plan.model_validate(table)
    assert sentence in str(caught.value)


def test_a_source_without_patches_is_refused():
    with pytest.raises(ValueError, match="only context_patches has a source"):
        Plan.model_validate({"name": "patches", "data": {"source": "cifar10"}})
