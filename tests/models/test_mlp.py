"""Fully connected network: the gradient written by hand is autograd's, and finite differences agree."""

import pytest
import torch

from revconsole.models import mlp
from revconsole.models.mlp import ByHand
from revconsole.records.sections.model import Mlp

SAME = 1e-12  # float64: a few roundings


def build(**settings):
    torch.manual_seed(0)
    return mlp.build(Mlp(**settings), size=4, channels=2, classes=3)


def learned(model, images):
    x = images.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(model(x), torch.tensor([0, 2, 1, 1, 0]))
    loss.backward()
    return loss.detach(), [x.grad, *(p.grad for p in model.parameters())]


@pytest.mark.parametrize("depth", [1, 3])
def test_the_gradient_by_hand_is_that_of_autograd(depth):
    images = torch.randn(5, 2, 4, 4, dtype=torch.float64)
    auto, hand = (
        learned(build(width=7, depth=depth, gradients=kind).double(), images)
        for kind in ("autograd", "by_hand")
    )

    assert torch.equal(auto[0], hand[0])
    for expected, given in zip(auto[1], hand[1], strict=True):
        assert (expected - given).abs().max() <= SAME
        assert expected.abs().max() > 1e-6


def test_the_gradient_by_hand_is_that_of_finite_differences():
    model = build(width=5, depth=2).double()
    weights = [p.detach().requires_grad_() for p in model.parameters()]
    x = torch.randn(3, 32, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(ByHand.apply, (x, *weights))


def test_it_is_linear_tanh_linear():
    model, images = build(width=7), torch.randn(5, 2, 4, 4)
    first, last = model.layers
    by_hand = (images.reshape(5, 32) @ first.weight.T + first.bias).tanh() @ last.weight.T

    torch.testing.assert_close(model(images), by_hand + last.bias)


def test_under_autocast_the_gradient_by_hand_keeps_the_precision_of_the_weights():
    model, images = build(gradients="by_hand"), torch.randn(5, 2, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, (_, *given) = learned(model, images)
    _, (_, *expected) = learned(build(), images)

    assert loss.dtype == torch.float32
    for left, right in zip(given, expected, strict=True):
        torch.testing.assert_close(left, right)
