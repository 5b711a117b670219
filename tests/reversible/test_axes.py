"""γ is drawn for each sample, on whatever axis of the stream the samples lie."""

import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Bdia, rewire, set_draws, survey

WIDTH, TOKENS, BATCH = 4, 5, 3
SAME = 1e-12


class Block(nn.Module):
    """Tokens meet in it, along its `axis`; its weights begin at zero."""

    def __init__(self, axis, *, zero):
        super().__init__()
        self.axis, self.linear = axis, nn.Linear(WIDTH, WIDTH)
        if zero:
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return x + self.linear(x.cumsum(self.axis).tanh())


class Net(nn.Module):
    """Inputs (B, N, D); the stream has its axes in the given order."""

    def __init__(self, order, *, zero=False):
        super().__init__()
        torch.manual_seed(0)
        self.order = order
        self.blocks = nn.Sequential(*(Block(order.index(1), zero=zero) for _ in range(3)))
        self.double()

    def forward(self, x):
        x = self.blocks(x.permute(self.order))
        back = [self.order.index(axis) for axis in range(3)]
        return x.permute(back)


def inputs(batch=BATCH):
    numbers = torch.linspace(-1, 1, batch * TOKENS * WIDTH, dtype=torch.float64)
    return numbers.reshape(batch, TOKENS, WIDTH)


@pytest.mark.parametrize("batch", [1, BATCH, TOKENS])
@pytest.mark.parametrize("zero", [False, True], ids=["drawn", "zero"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["batch first", "tokens first"])
def test_the_axis_of_the_batch_is_found(order, zero, batch):
    model = rewire(Net(order, zero=zero), example=inputs(batch))
    assert model.blocks.batch_axis == order.index(0)


def test_signs_are_of_samples_and_not_of_tokens():
    """A sample gets the output that it gets alone under its own signs."""
    model, seen = rewire(Net((1, 0, 2)), Bdia(gamma=0.5), example=inputs()).train(), []
    signs = torch.tensor([[1, -1, 1], [-1, -1, 1], [1, 1, -1]])

    def drawn(blocks, samples, _):
        seen.append((blocks, samples))
        return signs[:, :samples]

    set_draws(model, drawn)
    together = model(inputs())
    assert seen == [(3, BATCH)]
    for index in range(BATCH):
        set_draws(model, lambda *_, index=index: signs[:, index : index + 1])
        alone = model(inputs()[index : index + 1])
        assert (together[index : index + 1] - alone).abs().max() <= SAME


@pytest.mark.parametrize("scheme", [Bdia(), Bdia(grid_bits=9)], ids=["floats", "grid"])
def test_gradients_are_those_of_stored(scheme):
    gradients = []
    for backward in ("stored", "reversible"):
        model = rewire(Net((1, 0, 2)), scheme, backward, example=inputs()).train()
        torch.manual_seed(1)
        model(inputs()).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for stored, reversible in zip(*gradients, strict=True):
        assert (stored - reversible).abs().max() <= SAME * stored.abs().max()


class TokensIn(Net):
    """Inputs are (N, B, D) already."""

    def forward(self, x):
        return self.blocks(x)


def test_inputs_with_the_tokens_first_are_seen_through():
    x = inputs().transpose(0, 1)
    assert rewire(TokensIn((1, 0, 2)), example=x).blocks.batch_axis == 1


class Fixed(Net):
    """It takes no other size than this one, and hides its batch."""

    def forward(self, x):
        return super().forward(x.reshape(2, TOKENS, WIDTH).repeat(2, 1, 1))


def test_a_batch_that_is_not_found_is_asked_for_by_a_scheme_that_draws():
    x = inputs(2)
    with pytest.raises(NotInvertible, match=r"blocks: does not show on which axis .*`batch_axis`"):
        rewire(Fixed((1, 0, 2)), example=x)
    assert survey(Fixed((1, 0, 2)), "momentum", example=x).fit == {"blocks": 3}
    assert rewire(Fixed((1, 0, 2)), example=x, batch_axis=1).blocks.batch_axis == 1
