"""What is odd about data: said of every dataset alike, and nothing of those that are as they should be."""

import dataclasses

import numpy as np
import pytest
import torch

from revconsole.data import doubts, open_data
from revconsole.data._points import as_pixels
from revconsole.errors import DataUnavailable


@pytest.fixture
def opened(settings, tmp_path):
    return lambda **changes: open_data(settings(**changes), folder=tmp_path, device="cpu")


@pytest.fixture
def said(settings, opened):
    """A function: what is said of the synthetic images after a function has changed those of a part, in words."""

    def asked(change=None, part="train", labelled=True, **changes):
        chosen = {"dataset": "synthetic", **changes}
        data = opened(**chosen)
        if change is not None:
            split = getattr(data, part)
            images, labels = split.images.clone(), split.labels.clone()
            made = dataclasses.replace(
                split, **dict(zip(("images", "labels"), change(images, labels), strict=True))
            )
            data = dataclasses.replace(data, **{part: made})
        return [(d.level, d.text) for d in doubts(data, settings(**chosen), labelled=labelled)]

    return asked


@pytest.mark.parametrize("dataset", ["digits", "synthetic", "circles", "moons", "spirals"])
def test_nothing_is_said_of_a_set_that_is_as_it_should_be(said, dataset):
    assert said(dataset=dataset) == []
    assert said(dataset=dataset, train_limit=200, test_limit=100) == []


def test_nothing_is_said_of_patches_some_of_which_are_empty(said):
    assert said(dataset="context_patches", source="digits", patch_side=2, gap=0, jitter=0) == []


def test_images_that_do_not_vary_are_an_alarm_and_nothing_else_is_said(said):
    assert said(lambda images, labels: (torch.full_like(images, 255), labels)) == [
        ("alarm", "the 4,500 training images do not vary: every pixel is 255 of 255, and there is nothing to learn from them")
    ]  # fmt: skip


def test_one_picture_again_and_again_is_an_alarm(said):
    ((level, text),) = said(lambda images, labels: (images[:1].expand_as(images).clone(), labels))
    assert level == "alarm"
    assert "are all the same picture" in text


def test_a_channel_that_never_varies_is_named(said):
    def change(images, labels):
        images[:, 1] = 7
        return images, labels

    assert said(change) == [
        (
            "warning",
            "not all channels of the training images vary: channel 2 is 7 of 255 everywhere",
        )
    ]


def test_a_part_of_the_grey_levels_is_doubtful(said):
    ((level, text),) = said(lambda images, labels: (images // 16, labels))
    assert level == "warning"
    assert "hardly any grey levels, 0 to 15 of 255" in text


def test_one_class_alone_is_an_alarm_unless_labels_play_no_part(said):
    def change(images, labels):
        return images, torch.full_like(labels, 3)

    assert said(change) == [
        (
            "alarm",
            "all training images are of one class, 'pattern 3', and there is nothing to tell apart",
        )
    ]
    assert said(change, labelled=False) == []


@pytest.mark.parametrize(
    ("part", "word"), [("train", "train"), ("validation", "validate"), ("test", "test")]
)
def test_classes_without_an_image_in_a_part_are_named(said, part, word):
    def change(images, labels):
        stays = (labels != 2) & (labels != 5)
        return images[stays], labels[stays]

    ((level, text),) = said(change, part)
    assert level == "warning"
    assert text.startswith(f"'pattern 2', 'pattern 5' have no image to {word} on: ")


def test_the_same_picture_under_two_labels_is_counted(said):
    def change(images, labels):
        one, other = (labels == 1).nonzero().flatten()[:60], (labels == 4).nonzero().flatten()[:60]
        images[other] = images[one]
        return images, labels

    ((level, text),) = said(change)
    assert level == "warning"
    assert text.startswith("120 of 4,500 training images are there under more than one label")
    assert "pattern 1 and pattern 4" in text
    assert said(change, labelled=False) == []


def test_two_classes_with_the_same_pictures_are_an_alarm(said):
    def change(images, labels):
        stays = torch.arange(400)
        images[200:400] = images[:200]
        return images[stays], torch.tensor([0] * 200 + [1] * 200)

    told = dict(said(change))
    assert told["alarm"].startswith(
        "400 of 400 training images are there under more than one label"
    )


@pytest.mark.parametrize(("part", "size"), [("validation", 500), ("test", 1000)])
def test_images_that_are_judged_by_and_trained_on_are_counted(said, opened, part, size):
    first = opened(dataset="synthetic").train

    def change(images, labels):
        images[:30], labels[:30] = first.images[:30], first.labels[:30]
        return images, labels

    ((level, text),) = said(change, part)
    assert level == "warning"
    assert text.startswith(
        f"30 of {size:,} {part} images are training images too, so the {part} says less"
    )


def test_a_few_copies_are_usual(said):
    def change(images, labels):
        images[:5] = images[100:105]
        return images, 9 - labels

    assert said(change) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_points_that_are_no_numbers_are_refused(value):
    points = np.zeros((5, 2))
    points[3, 1] = value
    with pytest.raises(DataUnavailable, match="1 of 5 points are not finite numbers"):
        as_pixels(points)
