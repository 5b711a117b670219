"""Samples: images cut from the very batches that a run is shown."""

import torch

from revconsole.data import batches, open_data
from revconsole.records.settings.plan import Plan
from revconsole.training.questions.samples import samples

STEP = 1 / 255


def plan_of(batch=32, **data):
    return Plan.model_validate({
        "name": "looked-at", "seed": 3, "train": {"batch": batch}, "data": data,
        "model": {"architecture": "vit", "patch": 1},
    })  # fmt: skip


def pixels(picture):
    return torch.tensor(picture.rows)[..., 0] / 255


def shown(plan, tmp_path, epoch):
    """Every image of an epoch as training has it."""
    opened = open_data(plan.data, folder=tmp_path, device="cpu")
    order = batches(opened.train, batch=plan.train.batch, seed=plan.seed, epoch=epoch)
    return torch.cat([images for _, images, _ in order])


def stretched(image):
    return (image - image.min()) / (image.max() - image.min())


def test_page_by_page_they_are_those_of_training_with_its_augmentation(tmp_path):
    plan = plan_of(rotation=30.0, augment="crop", crop_padding=1, train_limit=100)
    first, second = shown(plan, tmp_path, 0), shown(plan, tmp_path, 1)

    for page, images in ((0, first[:25]), (3, first[75:90]), (4, second[:25])):
        found = samples(plan, data=tmp_path, count=25, side=8, page=page)
        assert len(found.after) == len(images)
        for picture, image in zip(found.after, images, strict=True):
            assert torch.allclose(pixels(picture), stretched(image)[0], atol=STEP)


def test_the_stored_ones_are_the_same_images_unprepared(tmp_path):
    plan = plan_of(train_limit=100, standardise="none")

    found = samples(plan, data=tmp_path, count=10, side=8)

    for before, after in zip(found.before, found.after, strict=True):
        assert before.caption == after.caption
        assert torch.allclose(stretched(pixels(before)), pixels(after), atol=2 * STEP)


def test_a_model_that_takes_larger_images_is_shown_larger_ones(tmp_path):
    plan = plan_of(train_limit=100, image_size=16)

    found = samples(plan, data=tmp_path, count=2, side=32)

    assert (len(found.before[0].rows), len(found.after[0].rows)) == (8, 16)
