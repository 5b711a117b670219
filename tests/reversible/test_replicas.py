"""Replicas of torch.nn.DataParallel: right, or refused before anything is changed."""

import importlib

import pytest
import torch
from torch import nn

from revconsole.errors import RevconsoleError
from revconsole.reversible import Bdia, Momentum, rewire, set_draws

torchs = importlib.import_module(
    "torch.nn.parallel.replicate"
)  # the package has a function of that name
WIDTH = 6
X = torch.linspace(-1, 1, 2 * 3 * WIDTH, dtype=torch.float64).reshape(2, 3, WIDTH)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x + self.linear(self.norm(x)).tanh() * self.scale


class Net(nn.Module):
    def __init__(self, *, repeated=False):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = Block() if repeated else nn.ModuleList(Block() for _ in range(3))
        self.double()

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Repeating(Net):
    def __init__(self):
        super().__init__(repeated=True)

    def forward(self, x):
        for _ in range(3):
            x = self.blocks(x)
        return x


@pytest.fixture
def replica(monkeypatch):
    """`replica(model)`: what DataParallel makes of it for one of several devices, here for the CPU."""

    def copies(tensors, devices, detach=False):
        return [[t.detach() if detach else t.view_as(t) for t in tensors] for _ in devices]

    monkeypatch.setattr(torchs, "_broadcast_coalesced_reshape", copies)
    monkeypatch.setattr(torchs, "_get_device_index", lambda device, _: device)
    return lambda model: torchs.replicate(model, [0, 1], not torch.is_grad_enabled())[1]


def test_replicas_of_a_stored_stack_give_the_weights_the_gradient_of_the_model(replica):
    model = rewire(Net(), Bdia(), "stored", example=X).train()
    set_draws(model, lambda blocks, samples, device: torch.ones(blocks, samples, device=device))
    found = []
    for made in (lambda: model, lambda: replica(model)):
        model.zero_grad()
        made()(X).square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("backward", ["reversible", "checkpointed"])
def test_replicas_whose_blocks_would_be_evaluated_again_are_refused(replica, backward):
    model = rewire(Net(), Momentum(), backward, example=X).train()
    with pytest.raises(RevconsoleError, match=f"DataParallel .* backward '{backward}'"):
        replica(model)
    with torch.no_grad():
        assert torch.equal(replica(model)(X), model(X))


def test_a_block_that_is_called_several_times_is_refused_and_left_as_it_is(replica):
    model = rewire(Repeating(), Momentum(), "stored", example=X)
    linear = model.blocks.linear
    with pytest.raises(RevconsoleError, match="Block that is wired to be called 3 times"):
        replica(model)
    assert model.blocks.linear is linear
