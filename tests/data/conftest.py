"""What the tests of data share: settings as a profile gives them, and a small dataset in memory."""

import pytest
import torch

from revconsole.data._images import Images
from revconsole.records.sections import Data


@pytest.fixture
def settings():
    """A function: what differs from the defaults to settings, also to such as a profile could not hold."""
    return lambda **changes: Data.model_construct(**{"crop_padding": 1, **changes})


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
