"""What the tests of data share: settings as a profile gives them, and a small dataset in memory."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from revconsole.data import synthetic
from revconsole.data._images import Images
from revconsole.records.sections import Data


@pytest.fixture
def settings():
    """A function: what differs from the defaults to settings, also to such as a profile could not hold."""
    return lambda **changes: Data.model_construct(**{"crop_padding": 1, **changes})


drawn = cache(synthetic.read)


@pytest.fixture(autouse=True)
def _drawn_once(request, monkeypatch):
    """The synthetic images are drawn once, a third of a second, and copied; where they are what is tested, each time."""
    if request.path.stem != "test_datasets":
        monkeypatch.setattr(synthetic, "read", copied)


def copied(_folder):
    """The synthetic images, to do with as one likes."""
    whole = drawn(Path())
    parts = ("train_images", "train_labels", "test_images", "test_labels")
    return replace(whole, **{part: getattr(whole, part).clone() for part in parts})


@pytest.fixture
def small_images():
    """Sixty random 3×5×5 images of four classes, and twelve to test on."""
    generator = torch.Generator().manual_seed(1)

    def pixels(count):
        return torch.randint(0, 256, (count, 3, 5, 5), generator=generator).to(torch.uint8)

    return Images(
        train_images=pixels(60),
        train_labels=torch.arange(60) % 4,
        test_images=pixels(12),
        test_labels=torch.arange(12) % 4,
        names=("a", "b", "c", "d"),
    )
