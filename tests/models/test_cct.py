"""Compact convolutional transformer: the published sizes, and blocks that every scheme wires."""

from itertools import pairwise

import pytest
import torch

from revconsole.models import cct
from revconsole.records.sections.model import Cct

SEVEN = {"convolutions": 1, "depth": 7, "dim": 256, "heads": 4, "mlp_ratio": 2.0}


def build(*, size=32, channels=3, classes=10, **settings):
    return cct.build(Cct(**settings), size=size, channels=channels, classes=classes)


def by_hand(settings, tokens, classes):
    """Parameters from the shapes: convolutions and attention have no biases for the projections in."""
    D, K = settings.dim, settings.kernel
    widths = [3, *[64] * (settings.convolutions - 1), D]
    stem = sum(a * b * K * K for a, b in pairwise(widths))
    hidden = int(D * settings.mlp_ratio)
    block = 4 * D + 3 * D * D + D * D + D + 2 * D * hidden + hidden + D
    return stem + tokens * D + settings.depth * block + 2 * D + D + 1 + D * classes + classes


@pytest.mark.parametrize(("settings", "side", "published"), [({}, 8, 0.284), (SEVEN, 16, 3.76)])
def test_it_has_the_published_number_of_parameters(settings, side, published, weights):
    """0.284 million for CCT-2/3x2, 3.76 for CCT-7/3x1, on CIFAR-10."""
    found = weights(build(**settings))

    assert found == by_hand(Cct(**settings), side * side, 10)
    assert float(f"{found / 1e6:.3g}") == published


@pytest.mark.parametrize("position", ["learned", "sinusoidal", "none"])
def test_it_sees_images_of_any_size(position):
    for size in (8, 28):
        model = build(size=size, channels=1, position=position)
        assert model(torch.zeros(2, 1, size, size)).shape == (2, 10)


def test_every_scheme_wires_its_blocks(wires):
    torch.manual_seed(0)
    model = build(size=8, channels=1, classes=3, dim=8, depth=3, convolutions=1, drop_path=0.2)

    wires(model, torch.randn(2, 1, 8, 8))
