"""Every scheme once more, in numpy and from the papers' equations, against the engine.

Nothing in the upper half of this file uses ours. A block is a pair of weights (A, M) with branches
tanh(x A) and tanh(x M); h(x) = a + tanh((x + a) M) with a = tanh(x A).
"""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from revconsole.reversible import Additive, Bdia, Momentum, Residual, ReversibleSequence, set_draws

SAME_TERMS = 1e-13  # float64, the same terms added in another order
BATCH, TOKENS, WIDTH, DEPTH = 4, 3, 6, 7


def h(x, block):
    attention, mlp = block
    a = np.tanh(x @ attention)
    return a + np.tanh((x + a) @ mlp)


def residual_network(x, blocks):
    for block in blocks:
        x = x + h(x, block)
    return x


def revvit(x, blocks, fuse):
    """Mangalam et al. 2022: Y1 = X1 + F(X2), Y2 = X2 + G(Y1), both started by the embedding."""
    x1, x2 = x, x
    for attention, mlp in blocks:
        y1 = x1 + np.tanh(x2 @ attention)
        y2 = x2 + np.tanh(y1 @ mlp)
        x1, x2 = y1, y2
    return np.concatenate([x1, x2], axis=-1) if fuse == "concat" else 0.5 * (x1 + x2)


def momentum_network(x, blocks, gamma, start):
    """Sander et al. 2021: v = γ v + (1 − γ) f(x), x = x + v, with v₀ = 0 or f₀(x₀)."""
    v = np.zeros_like(x) if start == "zero" else h(x, blocks[0])
    for block in blocks:
        v = gamma * v + (1 - gamma) * h(x, block)
        x = x + v
    return x


def bdia(x, blocks, gammas):
    """Zhang et al. 2024: x₊ = γ x₋ + (1 − γ) x + (1 + γ) h(x), after x₁ = x₀ + h(x₀)."""
    states = [x, x + h(x, blocks[0])]
    for block, gamma in zip(blocks[1:], gammas[1:], strict=True):
        g = gamma[:, None, None]
        states.append(g * states[-2] + (1 - g) * states[-1] + (1 + g) * h(states[-1], block))
    return states[-1]


def exact_bdia(x, blocks, gammas, bits):
    """The same on the grid δ = 2⁻ˡ with the parity bit s of x₋; returns all states and all s."""
    delta = 2.0**-bits

    def quantised(y):
        return delta * np.round(y / delta)

    x0 = quantised(x)
    states, parities = [x0, x0 + quantised(h(x0, blocks[0]))], []
    for block, gamma in zip(blocks[1:], gammas[1:], strict=True):
        older, x = states[-2:]
        g = gamma[:, None, None]
        s = np.mod(np.round(older / delta), 2)
        states.append(
            quantised(g * (older + s * delta)) + quantised((1 - g) * x + (1 + g) * h(x, block))
        )
        parities.append(s)
    return states, parities


class Block(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.attention, self.mlp = (nn.Parameter(torch.tensor(w)) for w in weights)

    def branches(self):
        return (lambda x: (x @ self.attention).tanh(), lambda x: (x @ self.mlp).tanh())

    def forward(self, x):
        for branch in self.branches():
            x = x + branch(x)
        return x


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((BATCH, TOKENS, WIDTH))


@pytest.fixture
def blocks():
    rng = np.random.default_rng(1)
    return [0.6 * rng.standard_normal((2, WIDTH, WIDTH)) for _ in range(DEPTH)]


@pytest.fixture
def signs():
    return np.random.default_rng(2).choice([-1.0, 1.0], size=(DEPTH, BATCH))


def ours(scheme, blocks, signs=None, backward="stored"):
    named = OrderedDict((str(i), Block(weights)) for i, weights in enumerate(blocks))
    model = ReversibleSequence(named, scheme=scheme, backward=backward).train()
    if signs is not None:
        set_draws(model, lambda *_: torch.tensor(signs))
    return model


def error(model, x, expected):
    return np.abs(model(torch.tensor(x)).detach().numpy() - expected).max()


def test_residual(x, blocks):
    assert error(ours(Residual(), blocks), x, residual_network(x, blocks)) < SAME_TERMS


@pytest.mark.parametrize("fuse", ["concat", "mean"])
def test_additive(x, blocks, fuse):
    assert error(ours(Additive(fuse=fuse), blocks), x, revvit(x, blocks, fuse)) < SAME_TERMS


@pytest.mark.parametrize("start", ["zero", "first"])
@pytest.mark.parametrize("gamma", [0.9, 0.5, 0.0])
def test_momentum(x, blocks, gamma, start):
    model = ours(Momentum(gamma=gamma, start=start), blocks)
    assert error(model, x, momentum_network(x, blocks, gamma, start)) < SAME_TERMS


@pytest.mark.parametrize("gamma", [0.5, 0.25, 0.6])
def test_bdia(x, blocks, signs, gamma):
    expected = bdia(x, blocks, gamma * signs)
    assert error(ours(Bdia(gamma=gamma), blocks, signs), x, expected) < SAME_TERMS


def test_bdia_in_evaluation_is_the_residual_network(x, blocks):
    assert error(ours(Bdia(), blocks).eval(), x, residual_network(x, blocks)) < SAME_TERMS


@pytest.mark.parametrize("bits", [5, 9, 14])
def test_exact_bdia_bit_for_bit(x, blocks, signs, bits):
    states, _ = exact_bdia(x, blocks, 0.5 * signs, bits)
    output = ours(Bdia(grid_bits=bits), blocks, signs)(torch.tensor(x))
    assert np.array_equal(output.detach().numpy(), states[-1])


def test_exact_bdia_keeps_the_parity_bits_of_the_paper_for_all_blocks_but_first_and_last(
    x, blocks, signs
):
    _, parities = exact_bdia(x, blocks, 0.5 * signs, 9)
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        ours(Bdia(grid_bits=9), blocks, signs, "reversible")(torch.tensor(x))
    bits = [
        np.unpackbits(t.numpy(), bitorder="little")[: x.size]
        for t in kept
        if t.dtype == torch.uint8
    ]
    assert len(bits) == DEPTH - 2
    for given, expected in zip(bits, parities[:-1], strict=True):
        assert np.array_equal(given, expected.reshape(-1))
    assert 0.4 < np.mean(bits) < 0.6


def test_exact_bdia_reads_in_the_backward_the_states_of_the_paper(x, blocks, signs):
    """Each block's attention sees x₀ … x_{K−1} in the forward and x_{K−1} … x₀ again after it."""
    states, _ = exact_bdia(x, blocks, 0.5 * signs, 9)
    model, seen = ours(Bdia(grid_bits=9), blocks, signs, "reversible"), []
    for block in model:
        attention, mlp = block.branches()
        block.branches = lambda a=attention, m=mlp: (
            lambda x: seen.append(x.detach().numpy().copy()) or a(x),
            m,
        )
    model(torch.tensor(x, requires_grad=True)).sum().backward()
    for given, expected in zip(seen, states[:-1] + states[-2::-1], strict=True):
        assert np.array_equal(given, expected)


@pytest.mark.parametrize("gamma", [0.9, 0.5])
def test_bdia_at_a_constant_minus_g_is_momentum_at_g_started_with_the_first_residual(
    x, blocks, gamma
):
    """Outputs and gradients; in the reversible backward of both."""
    results = []
    for scheme in (Bdia(gamma=gamma), Momentum(gamma=gamma, start="first")):
        model = ours(scheme, blocks, -np.ones((DEPTH, BATCH)), "reversible")
        output = model(torch.tensor(x))
        weights = list(model.parameters())
        results.append([output, *torch.autograd.grad(output.square().sum(), weights)])
    for left, right in zip(*results, strict=True):
        assert (left - right).abs().max() < 1e-10 * left.abs().max()


@pytest.mark.parametrize("scheme", [Bdia(gamma=0.0), Momentum(gamma=0.0)], ids=lambda s: s.name)
def test_at_gamma_zero_every_scheme_is_the_residual_network(x, blocks, signs, scheme):
    assert error(ours(scheme, blocks, signs), x, residual_network(x, blocks)) < SAME_TERMS
