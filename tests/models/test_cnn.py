"""The homework's network: its table of layers, its sizes, its switches."""

import pytest
import torch
from torch import nn

from revconsole.models import cnn
from revconsole.records.sections.model import Cnn


def build(*, size=32, channels=3, classes=10, **settings):
    return cnn.build(Cnn(**settings), size=size, channels=channels, classes=classes)


def test_it_has_the_weights_that_were_reported_with_biases_and_without(weights):
    model = build()

    assert sum(p.numel() for n, p in model.named_parameters() if n.endswith("weight")) == 1_190_000
    assert weights(model) == 1_191_170


def test_its_layers_are_those_of_the_table():
    shapes = []
    model = build()
    for layer in model:
        layer.register_forward_hook(lambda layer, _, out: shapes.append((layer, out.shape[1:])))
    model(torch.zeros(1, 3, 32, 32))

    assert [tuple(s) for m, s in shapes if isinstance(m, nn.MaxPool2d)] == [
        (32, 16, 16), (64, 8, 8), (64, 4, 4),
    ]  # fmt: skip
    assert [tuple(s) for m, s in shapes if isinstance(m, nn.Linear)] == [(1000,), (10,)]


@pytest.mark.parametrize("size", [28, 32])
def test_cropped_images_leave_the_same_features(size):
    """The last pool rounds 7 up to 4, so one network's weights fit both."""
    model = build(size=size)
    model.load_state_dict(build().state_dict())

    assert model(torch.zeros(2, 3, size, size)).shape == (2, 10)


def test_any_size_and_channels_will_do():
    for size in (8, 27, 30, 33):
        assert build(size=size, channels=1)(torch.zeros(2, 1, size, size)).shape == (2, 10)


def test_dropout_is_before_the_head_and_batch_norm_after_each_convolution():
    model = build(dropout=0.4, batch_norm=True)
    kinds = [type(layer) for layer in model]

    assert [kinds[i - 1] for i, kind in enumerate(kinds) if kind is nn.BatchNorm2d] == [
        nn.Conv2d
    ] * 3
    assert kinds[-2:] == [nn.Dropout, nn.Linear]
    assert model[-2].p == 0.4
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in build())
