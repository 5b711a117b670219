"""What the tests of data share: settings as a profile gives them, and a small dataset in memory."""

from dataclasses import dataclass
from typing import Literal

import pytest
import torch

from revconsole.data._images import Images


@dataclass(frozen=True, kw_only=True)
class Settings:
    dataset: str = "digits"
    validation: float = 0.1
    split_seed: int = 0
    train_limit: int | None = None
    augment: Literal["none", "crop", "crop-flip"] = "none"
    crop_padding: int = 1
    standardise: bool = True


@pytest.fixture
def settings():
    """The class of settings: call it with what differs from the defaults."""
    return Settings


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
