"""Augmentation: every kind does what its name says, image by image, from draws keyed by position."""

import numpy as np
import pytest
import torch

from revconsole.data import batches, dominant, evaluation_batches, open_data
from revconsole.data._opening import OpenedSplit, Preparation
from revconsole.data._standardise import Standardisation
from revconsole.errors import ProfileError
from revconsole.records.sections import Data
from revconsole.records.settings.data_rules import refuse_nonsense
from revconsole.records.settings.plan import Plan

EVERY_KIND = {
    "crop": 9,
    "random_resized_crop": 0.3,
    "flip": True,
    "rotation": 30.0,
    "colour_jitter": 0.4,
    "blur": 1.0,
    "rand_augment": 9,
    "erasing": 0.9,
    "mixup": 0.4,
    "cutmix": 1.0,
    "repeats": 3,
}
PIECES = {"crop", "random_resized_crop"}
EVERYTHING = {
    "augment": "crop",
    "crop_padding": 2,
    **{kind: value for kind, value in EVERY_KIND.items() if kind not in PIECES},
}
ONE_ROUNDING = 1e-5


@pytest.fixture
def split():
    """A function: sixty smooth 3×12×12 images of sixty classes, as they are, with an augmentation."""

    def made(channels=3, **changes):
        generator = torch.Generator().manual_seed(0)
        coarse = torch.rand(60, channels, 4, 4, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, size=12, mode="bilinear")
        return OpenedSplit(
            images=(20 + 200 * smooth).to(torch.uint8),
            labels=torch.arange(60),
            classes=60,
            preparation=Preparation(
                standardisation=Standardisation(
                    shift=torch.full((1, 1, 1), 10.0), scale=torch.ones(1, 1, 1)
                ),
                augmentation=Data(**changes),
            ),
        )

    return made


def first(split, *, batch=20, seed=1, epoch=0):
    _, images, labels = next(batches(split, batch=batch, seed=seed, epoch=epoch))
    return images, labels


def same(left, right):
    return all(
        a[0] == b[0] and torch.equal(a[1], b[1]) and torch.equal(a[2], b[2])
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("kind", [*EVERY_KIND, "everything"])
def test_a_batch_is_the_same_whatever_was_drawn_before_it(split, kind):
    data = split(**(EVERYTHING if kind == "everything" else {kind: EVERY_KIND[kind]}))
    torch.manual_seed(1)
    whole = list(batches(data, batch=16, seed=2, epoch=1))
    torch.manual_seed(99)
    torch.rand(7)
    assert same(whole[2:], list(batches(data, batch=16, seed=2, epoch=1, first=2)))
    assert not torch.equal(whole[0][1], first(data, batch=16, seed=3, epoch=1)[0])


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_each_kind_is_off_by_default_and_changes_the_batch_when_on(split, kind):
    plain, _ = first(split())
    changed, _ = first(split(**{kind: EVERY_KIND[kind]}))
    assert not torch.equal(plain, changed)
    assert changed.isfinite().all()
    assert changed.shape == ((20, 3, 9, 9) if kind == "crop" else plain.shape)


def test_the_global_generator_is_left_alone_and_not_listened_to(split):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(batches(split(**EVERYTHING), batch=16, seed=2, epoch=1))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    "kind",
    ["random_resized_crop", "rotation", "colour_jitter", "blur", "rand_augment", "erasing"],
)
def test_each_image_of_a_batch_gets_its_own_draws(split, kind):
    data = split(**{kind: EVERY_KIND[kind]})
    data.images[:] = data.images[:1].clone()
    images, _ = first(data, batch=40)
    assert len({image.numpy().tobytes() for image in images}) > 20


@pytest.fixture
def ramps(split):
    """A function: sixty images of 12 pixels whose channels say row and column times 20, with an augmentation."""

    def made(**changes):
        data = split(channels=2, **changes)
        data.images[:, 0] = 20 * torch.arange(12, dtype=torch.uint8).view(1, -1, 1)
        data.images[:, 1] = 20 * torch.arange(12, dtype=torch.uint8).view(1, 1, -1)
        return data

    return made


def spans(images):
    """Rows and columns of the original that each image shows, (B, 2), where they were scaled up."""
    levels = (images + 10) / 20
    return 1 + levels.amax((2, 3)) - levels.amin((2, 3))


def test_pieces_have_the_areas_and_shapes_that_are_asked_for(ramps):
    """A whole number of pixels each way, so a little off."""
    data = ramps(random_resized_crop=0.25, crop_most=0.5, crop_ratio=2.0)
    seen = torch.cat([spans(first(data, batch=60, epoch=epoch)[0]) for epoch in range(10)])
    share, ratio = seen.prod(1) / 144, seen[:, 1] / seen[:, 0]
    assert 0.2 < share.min() < 0.3
    assert 0.45 < share.max() < 0.55
    assert 0.3 < ratio.min() < 0.6
    assert 1.6 < ratio.max() < 3
    assert ratio.log().mean().abs() < 0.1  # deviation of a mean of 600: 0.02


def test_pieces_of_the_whole_area_and_a_square_are_the_images(split):
    """Asking for more than fits, again and again, gives the whole image, too."""
    plain, _ = first(split())
    for ratio in (1.0, 16.0):
        whole, _ = first(split(random_resized_crop=1.0, crop_ratio=ratio))
        assert torch.equal(whole, plain)


def test_pieces_come_from_everywhere(ramps):
    data = ramps(random_resized_crop=0.1, crop_most=0.2)
    images = torch.cat([first(data, batch=60, epoch=epoch)[0] for epoch in range(10)])
    middles = ((images + 10) / 20).mean((2, 3))  # row and column, 5.5 at the centre
    assert (middles.mean(0) - 5.5).abs().max() < 0.3  # deviation 0.1
    assert middles.amin(0).max() < 2.6
    assert middles.amax(0).min() > 8.4


def test_crops_are_pieces_as_they_are_and_reach_every_place(ramps):
    images = torch.cat([first(ramps(crop=9), batch=60, epoch=epoch)[0] for epoch in range(3)])
    corners = ((images + 10) / 20)[:, :, 0, 0]
    assert set(map(tuple, corners.tolist())) == {(r, c) for r in range(4) for c in range(4)}
    steps = images.diff(dim=2)[:, 0], images.diff(dim=3)[:, 1]
    assert all((step == 20).all() for step in steps)


def test_crops_of_padded_images_reach_into_the_padding(ramps):
    data = ramps(augment="crop", crop=9, crop_padding=2)
    images, _ = first(data, batch=60)
    assert images.shape == (60, 2, 9, 9)
    rows = ((images + 10) / 20)[:, 0, :, 4].amax(1)
    assert rows.min() < 8.5
    assert (images[:, 0, :2] == -10).all(2).all(1).any()


def test_flip_mirrors_half_of_the_images_and_leaves_the_others(split):
    data = split(flip=True)
    images, labels = first(data, batch=60)
    before = data.images[labels].float() - 10
    kept = (images == before).flatten(1).all(1)
    mirrored = (images == before.flip(-1)).flatten(1).all(1)
    assert (kept ^ mirrored).all()
    assert 15 < kept.sum() < 45  # 30 expected, deviation 4


def test_rotation_turns_by_no_more_than_its_degrees(split):
    """A bright dot off the centre comes to lie on an arc; the corners come from outside and are black."""
    data = split(rotation=20.0)
    data.images.zero_()
    data.images[:, :, 1, 5:7] = 255  # straight above the centre at (5.5, 5.5)
    images, _ = first(data, batch=60)
    weights = (images + 10)[:, 0]
    places = torch.arange(12.0)
    down = (weights.sum(2) * places).sum(1) / weights.sum((1, 2)) - 5.5
    right = (weights.sum(1) * places).sum(1) / weights.sum((1, 2)) - 5.5
    degrees = torch.rad2deg(torch.atan2(right, -down))
    assert degrees.abs().max() < 22  # two for bilinear sampling
    assert degrees.min() < -8
    assert degrees.max() > 8


def test_blur_keeps_brightness_and_takes_contrast(split):
    data = split(blur=2.0)
    images, labels = first(data, batch=60)
    before = data.images[labels].float() - 10
    assert (images.mean((2, 3)) - before.mean((2, 3))).abs().max() < 12
    assert (images.std((1, 2, 3)) < before.std((1, 2, 3)) + 0.5).all()
    assert images.std((1, 2, 3)).mean() < 0.95 * before.std((1, 2, 3)).mean()


def test_erasing_leaves_one_rectangle_of_zeros_in_about_that_share_of_the_images(split):
    data = split(erasing=0.5)
    images, labels = first(data, batch=60)
    before = data.images[labels].float() - 10
    changed = (images != before).any(1)  # (B, S, S)
    assert 15 < changed.flatten(1).any(1).sum() < 45
    assert (images[(images != before)] == 0).all()
    for each in changed:
        rows, columns = each.any(1).nonzero(), each.any(0).nonzero()
        if len(rows):
            box = each[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert box.float().mean() > 0.95  # a pixel that was zero before counts as kept


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_labels_are_the_shares_of_which_the_image_is_made(split, kind):
    data = split(**{kind: 1.0})
    plain, classes = first(split())
    images, shares = first(data)
    assert shares.shape == (20, 60)
    assert torch.allclose(shares.sum(1), torch.ones(20))
    own = shares[torch.arange(20), classes]
    other = shares[torch.arange(20), classes.roll(1)]
    assert torch.allclose(own + other, torch.ones(20))
    if kind == "mixup":
        expected = own.view(-1, 1, 1, 1) * plain + other.view(-1, 1, 1, 1) * plain.roll(1, 0)
        assert (images - expected).abs().max() < ONE_ROUNDING * 255
    else:
        pasted = (images == plain.roll(1, 0)).all(1)
        kept = (images == plain).all(1)
        assert (pasted | kept).all()
        share = kept.float().mean((1, 2))
        assert (share - own).abs().max() < 0.05  # a pixel may be equal in both by chance


def test_the_dominant_label_is_the_class_with_the_larger_share(split):
    images, shares = first(split(mixup=0.2))
    assert dominant(shares).tolist() == [int(np.argmax(row)) for row in shares.numpy()]
    classes = torch.tensor([3, 1])
    assert torch.equal(dominant(classes), classes)
    assert dominant(shares).dtype == torch.int64
    assert len(images) == len(dominant(shares))


def test_mixup_beside_cutmix_gives_a_batch_one_or_the_other(split):
    data, plain = split(mixup=1.0, cutmix=1.0), split()
    pasted = 0
    for epoch in range(20):
        images, _ = first(data, epoch=epoch)
        before, _ = first(plain, epoch=epoch)
        pasted += bool(((images == before) | (images == before.roll(1, 0))).all())
    assert 3 < pasted < 17


def test_repeats_show_each_image_so_often_in_its_batch_and_never_beside_itself(split):
    data = split(repeats=3)
    seen = torch.cat([labels for _, _, labels in batches(data, batch=15, seed=0, epoch=0)])
    assert len(seen) == 60
    for labels in seen.split(15):
        counts = torch.bincount(labels)
        assert set(counts[counts > 0].tolist()) == {3}
        assert (labels != labels.roll(1)).all()
    assert len(seen.unique()) == 20


def test_repeated_images_are_each_augmented_anew(split):
    images, labels = first(split(repeats=2, rotation=90.0), batch=10)
    twins = labels == labels[0]
    assert twins.sum() == 2
    one, two = images[twins]
    assert not torch.equal(one, two)


def test_grey_images_can_be_augmented_in_every_way(split):
    images, shares = first(split(channels=1, **EVERYTHING))
    assert images.shape == (20, 1, 12, 12)
    assert images.isfinite().all()
    assert shares.shape == (20, 60)


def test_validation_and_test_images_are_not_augmented(settings, tmp_path):
    data = open_data(settings(**EVERYTHING | {"crop_padding": 1}), folder=tmp_path, device="cpu")
    assert data.train.preparation.augmentation is not None
    assert data.validation.preparation.augmentation is data.test.preparation.augmentation is None


def test_colours_of_images_with_other_channels_are_refused(settings):
    from revconsole.data.digits import FACTS

    six = type(FACTS)(
        **{f: getattr(FACTS, f) for f in FACTS.__slots__} | {"channels": 6, "size": 32}
    )
    refuse_nonsense(settings(rotation=10.0, blur=1.0), six)
    with pytest.raises(ProfileError, match=r"data\.rand_augment: is for grey or colour images"):
        refuse_nonsense(settings(rand_augment=3), six)


def test_what_was_trained_on_as_crops_is_judged_by_its_middle(settings, tmp_path):
    """8 pixels, of which 5: torchvision rounds the border of 1.5 to 2."""
    from torchvision.transforms.v2.functional import center_crop

    whole = open_data(settings(standardise="none"), folder=tmp_path, device="cpu")
    data = open_data(settings(standardise="none", crop=5), folder=tmp_path, device="cpu")
    for split in (data.validation, data.test):
        _, images, _ = next(evaluation_batches(split, batch=30))
        assert torch.equal(images, center_crop(split.images[:30], [5, 5]) / 255)
    assert data.fingerprint == whole.fingerprint


@pytest.mark.parametrize("how", ["per-channel", "per-pixel", "zca"])
def test_crops_are_standardised_by_what_the_middles_are(settings, tmp_path, how):
    data = open_data(settings(standardise=how, crop=6), folder=tmp_path, device="cpu")
    middles = data.train.images[..., 1:7, 1:7]
    images = data.train.preparation.standardisation(middles)
    assert images.mean().abs() < 0.02
    assert first(data.train)[0].shape == (20, 1, 6, 6)


def test_a_plan_trains_and_judges_crops_of_one_size(tmp_path):
    from revconsole.training.learning.preparing import prepare

    data = {"dataset": "digits", "train_limit": 60, "crop": 6, "flip": True}
    model = {"architecture": "vit", "patch": 3, "dim": 8, "depth": 1, "heads": 1}
    plan = Plan.model_validate(
        {"name": "crops", "data": data, "model": model, "train": {"batch": 20, "device": "cpu"}}
    )
    setting = prepare(plan, data=tmp_path)
    assert plan.image_size == 6
    for images, _ in (
        next(setting.training_batches(1)),
        next(setting.evaluation_batches(setting.data.test)),
    ):
        assert images.shape == (20, 1, 6, 6)
        assert setting.model(images).shape == (20, 10)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"crop": 9}, "images of digits have 8 pixels a side, and no piece of 9; 8 is the most"),
        ({"crop": 6, "image_size": 12}, "leave out image_size or crop"),
        ({"random_resized_crop": 0.2, "augment": "crop-flip"}, "data.flip = true mirrors"),
        ({"random_resized_crop": 0.6, "crop_most": 0.5}, "leave nothing between"),
    ],
)
def test_crops_that_cannot_be_cut_get_one_sentence(data, sentence):
    model = {"architecture": "vit", "patch": 1}
    with pytest.raises(ValueError, match="1 validation error") as caught:
        Plan.model_validate(
            {"name": "crops", "data": {"dataset": "digits", **data}, "model": model}
        )
    assert sentence in str(caught.value)


def test_points_are_not_cut(settings):
    from revconsole.records.datasets import catalogue

    with pytest.raises(ProfileError, match="has points, not pictures"):
        refuse_nonsense(
            settings(dataset="circles", random_resized_crop=0.5), catalogue.dataset("circles")
        )
