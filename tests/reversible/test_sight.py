"""Which pixels a model depends on: worked out by hand for strides, patches and pools, and left alone where all count."""

import pytest
import timm
import torch
from torch import nn

from revconsole.reversible.audit import audit
from revconsole.reversible.audit.sight import left_out, seen


def behind(first: nn.Module, width: int = 8) -> nn.Sequential:
    return nn.Sequential(first, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))


@pytest.mark.parametrize(
    ("first", "size", "lines"),
    [
        (nn.Conv2d(1, 8, 4, stride=4), 10, set(range(8))),
        (nn.Conv2d(1, 8, 4, stride=4), 12, set(range(12))),
        (nn.Conv2d(1, 8, 2, stride=4), 8, {0, 1, 4, 5}),  # gaps within, not at the border
        (nn.Conv2d(1, 8, 3, stride=2, padding=1), 8, set(range(8))),
        (nn.Conv2d(1, 8, 3, stride=2), 8, set(range(7))),
        (nn.Sequential(nn.MaxPool2d(3), nn.Conv2d(1, 8, 1)), 8, set(range(6))),
        (nn.Sequential(nn.AvgPool2d(3, ceil_mode=True), nn.Conv2d(1, 8, 1)), 8, set(range(8))),
    ],
)
def test_rows_and_columns_that_count_are_those_that_a_window_covers(first, size, lines):
    found = seen(behind(first), 1, size, images=32)

    expected = torch.zeros(size, dtype=torch.bool)
    expected[list(lines)] = True
    assert torch.equal(found[0], expected[:, None] & expected)
    assert bool(left_out(found)) == (len(lines) < size)


def test_weights_that_are_zero_at_first_hide_nothing_and_stay_zero():
    """The last norm of each residual branch of a ResNet is zero at first: only its shortcuts would be seen."""
    model = timm.create_model("resnet18", num_classes=3, in_chans=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    assert seen(model, 1, 32).all()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_model_that_no_gradient_reaches_is_not_judged():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.head = nn.Linear(64, 4), nn.Linear(4, 3)

        def forward(self, images):
            with torch.no_grad():
                features = self.stem(images.flatten(1))
            return self.head(features)

    assert seen(Frozen(), 1, 8) is None


def own_pixels(model, size):
    images = torch.randn(8, 1, size, size, generator=torch.Generator().manual_seed(0))
    found = audit(model, images, torch.arange(8) % 3)
    return next(check for check in found if check.name == "uses its input")


def test_the_audit_fails_where_rows_and_columns_do_not_count():
    check = own_pixels(behind(nn.Conv2d(1, 8, 16, stride=16)), 28)

    assert (check.level, check.figure) == ("failed", "32% of its pixels count")
    assert "16 of 28 rows and 16 of 28 columns" in check.advice


def test_the_audit_notes_single_pixels_that_do_not_count():
    """A model may be made so: a corner is cut out of what it is given."""

    class Cornerless(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

        def forward(self, images):
            mask = torch.ones(8, 8)
            mask[0, 0] = 0
            return self.inner(images * mask)

    check = own_pixels(Cornerless(), 8)

    assert (check.level, check.figure) == ("note", "98% of its pixels count")


@pytest.mark.parametrize(
    "made",
    [
        lambda: behind(nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 8, 1), nn.ReLU())),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3)),
        lambda: behind(nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU(), nn.Conv2d(3, 8, 3, padding=1))),
    ],
)
def test_pools_and_rectifiers_hide_nothing(made):
    """Images with a black border, of which a pool takes the same pixel every time."""
    images = torch.zeros(8, 1, 8, 8)
    images[:, :, 2:6, 2:6] = torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)  # a rectifier that is dead for every image does hide pixels
    model = made()

    found = audit(model, images, torch.arange(8) % 3)

    (check,) = [check for check in found if check.name == "uses its input"]
    assert (check.level, check.figure) == ("passed", "100% of its pixels count")
