"""Counting what autograd holds on to."""

import torch
from torch import nn

from revconsole.reversible import kept_for_backward


def test_each_storage_counts_once_and_whole():
    x = torch.randn(10, 10, requires_grad=True)
    assert kept_for_backward(lambda: x[:2] * x[2:4]) == 400
    assert kept_for_backward(lambda: x[:2] * x[2:4], exclude=[x]) == 0


def test_parameters_and_what_no_gradient_needs_do_not_count():
    layer, x = nn.Linear(5, 7), torch.randn(3, 5)
    assert kept_for_backward(lambda: layer(x), layer.parameters()) == x.nbytes
    with torch.no_grad():
        assert kept_for_backward(lambda: layer(x)) == 0


def test_activations_between_layers_count():
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(3, 4)
    assert kept_for_backward(lambda: model(x), [*model.parameters(), x]) == 3 * 8 * 4
