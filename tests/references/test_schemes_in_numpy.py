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

from revconsole.reversible import (
    SCHEMES,
    Additive,
    Bdia,
    Coefficients,
    Hamiltonian,
    Leapfrog,
    Midpoint,
    MidpointA,
    Momentum,
    Residual,
    ReversibleSequence,
    set_draws,
)

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


def midpoint(x, blocks, step):
    """Chang et al. 2018: x₊ = x₋ + 2 s h(x), after x₁ = x₀ + s h(x₀)."""
    states = [x, x + step * h(x, blocks[0])]
    for block in blocks[1:]:
        states.append(states[-2] + 2 * step * h(states[-1], block))
    return states[-1]


def leapfrog(x, blocks, step):
    """Chang et al. 2018: x₊ = 2x − x₋ + s² h(x), from rest; here by position and velocity."""
    velocity = np.zeros_like(x)
    for block in blocks:
        velocity = velocity + step**2 * h(x, block)
        x = x + velocity
    return x


def hamiltonian(x, blocks, step):
    """Gal et al. 2025, eqs. 2.8 and 2.9: q += s A(p), p += s M(q); p is read out."""
    p, q = x, x
    for attention, mlp in blocks:
        q = q + step * np.tanh(p @ attention)
        p = p + step * np.tanh(q @ mlp)
    return p


def midpoint_a(x, blocks, weights, step):
    """Gal et al. 2025, eq. 3.6: x₊ = a x₋ + (1 − a) x + s h(x), after x₁ = x₀ + s h(x₀)."""
    states = [x, x + step * h(x, blocks[0])]
    for block, a in zip(blocks[1:], weights[1:], strict=True):
        states.append(a * states[-2] + (1 - a) * states[-1] + step * h(states[-1], block))
    return states[-1]


def dr2net(x, blocks, alpha, beta):
    """Zhao et al. 2024 on two streams: x' = α x + F(x) + y, y' = β x, from y = (1 − α) x."""
    y = (1 - alpha) * x
    for block in blocks:
        x, y = alpha * x + h(x, block) + y, beta * x
    return x


def exact_momentum(x, blocks, numerator, denominator, bits):
    """Maclaurin et al. 2015 in Python's whole numbers, which never overflow: a store per number."""
    unit = 2.0**bits

    def whole(y):
        return np.round(y * unit).astype(np.int64)

    push = 1 - numerator / denominator
    position = whole(x)
    velocity = whole(push * h(position / unit, blocks[0]))
    position = position + velocity
    store = np.zeros(x.shape, dtype=object)
    for block in blocks[1:]:
        store = store * denominator + velocity % denominator
        velocity = velocity // denominator * numerator + (store % numerator).astype(np.int64)
        store = store // numerator
        velocity = velocity + whole(push * h(position / unit, block))
        position = position + velocity
    return position / unit, velocity / unit, store


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


def test_every_scheme_is_computed_a_second_time_in_this_file():
    assert [name for name in SCHEMES if f"test_{name}" not in globals()] == []


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
    assert error(ours(Bdia(gamma=gamma, grid_bits=None), blocks, signs), x, expected) < SAME_TERMS


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


SEEN = []
"""Of nobody's: what a block holds is after a backward as the forward left it."""


def noted(x):
    SEEN.append(x.detach().numpy().copy())
    return x


def test_exact_bdia_reads_in_the_backward_the_states_of_the_paper(x, blocks, signs):
    """Each block's attention sees x₀ … x_{K−1} in the forward and x_{K−1} … x₀ again after it."""
    states, _ = exact_bdia(x, blocks, 0.5 * signs, 9)
    model = ours(Bdia(grid_bits=9), blocks, signs, "reversible")
    for block in model:
        attention, mlp = block.branches()
        block.branches = lambda a=attention, m=mlp: (lambda x: a(noted(x)), m)
    SEEN.clear()
    model(torch.tensor(x, requires_grad=True)).sum().backward()
    for given, expected in zip(SEEN, states[:-1] + states[-2::-1], strict=True):
        assert np.array_equal(given, expected)


@pytest.mark.parametrize("step", [1.0, 0.5])
def test_midpoint(x, blocks, step):
    assert error(ours(Midpoint(step=step), blocks), x, midpoint(x, blocks, step)) < SAME_TERMS


@pytest.mark.parametrize("step", [1.0, 0.5])
def test_leapfrog(x, blocks, step):
    assert error(ours(Leapfrog(step=step), blocks), x, leapfrog(x, blocks, step)) < SAME_TERMS


@pytest.mark.parametrize("step", [1.0, 0.5])
def test_hamiltonian(x, blocks, step):
    assert error(ours(Hamiltonian(step=step), blocks), x, hamiltonian(x, blocks, step)) < SAME_TERMS


def test_midpoint_a(x, blocks):
    scheme = MidpointA(step=0.7, draw=3)
    weights = [float(scheme.weight(index)) for index in range(DEPTH)]
    assert all(0.5 <= abs(a) <= 1.5 for a in weights)
    assert {a > 0 for a in weights} == {True, False}
    assert len(set(weights)) > DEPTH // 2
    assert error(ours(scheme, blocks), x, midpoint_a(x, blocks, weights, 0.7)) < SAME_TERMS


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.1), (0.3, 0.7), (0.0, 1.0), (1.0, 0.0)])
def test_coefficients(x, blocks, alpha, beta):
    scheme = Coefficients(alpha=alpha, beta=beta, end_alpha=None, end_beta=None)
    assert error(ours(scheme, blocks), x, dr2net(x, blocks, alpha, beta)) < SAME_TERMS


def test_coefficients_move_in_a_straight_line_between_their_ends(x, blocks):
    scheme = Coefficients(alpha=1.0, beta=0.2, end_alpha=0.0, end_beta=1.0)
    for progress, weights in ((0.0, (1.0, 0.2)), (0.25, (0.75, 0.4)), (1.0, (0.0, 1.0))):
        moved = scheme.at(progress)
        assert moved.weights == pytest.approx(weights)
        assert error(ours(moved, blocks), x, dr2net(x, blocks, *weights)) < SAME_TERMS
    assert scheme.at(7.0) == scheme.at(1.0)


def test_midpoint_is_bdia_at_a_constant_one(x, blocks):
    """Outputs and gradients; in the reversible backward of both."""
    agree(Bdia(gamma=1.0, grid_bits=None), Midpoint(), x, blocks, signs=np.ones((DEPTH, BATCH)))


def test_leapfrog_by_two_states_is_leapfrog_by_position_and_velocity(x, blocks):
    assert np.abs(leapfrog(x, blocks, 1.0) - leapfrog_by_two_states(x, blocks)).max() < SAME_TERMS
    assert error(ours(Leapfrog(), blocks), x, leapfrog_by_two_states(x, blocks)) < SAME_TERMS


def leapfrog_by_two_states(x, blocks):
    before, now = x, x
    for block in blocks:
        before, now = now, 2 * now - before + h(now, block)
    return now


@pytest.mark.parametrize(("gamma", "ratio"), [(0.9, (9, 10)), (0.5, (1, 2)), (0.75, (3, 4))])
@pytest.mark.parametrize("depth", [DEPTH, 40])
def test_exact_momentum_bit_for_bit_with_its_store(x, gamma, ratio, depth):
    rng = np.random.default_rng(4)
    deep = [0.6 * rng.standard_normal((2, WIDTH, WIDTH)) for _ in range(depth)]
    position, velocity, store = exact_momentum(x, deep, *ratio, 9)
    assert (velocity < 0).any()
    model = ours(Momentum(gamma=gamma, grid_bits=9), deep, None, "reversible")
    kept = []
    with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        output = model(torch.tensor(x))
    assert np.array_equal(output.detach().numpy(), position)
    floats = [t for t in kept if t.shape == output.shape and t.dtype == torch.float64]
    before, given, stored = (t.detach().numpy() for t in floats[-3:])
    assert np.array_equal(given, velocity)
    assert np.array_equal(before + given, position)
    parked = [t for t in kept if t.dtype == torch.uint8]
    if not parked:
        assert np.array_equal(stored, store.astype(float))
    assert len(parked) == (1 if gamma == 0.5 and depth == 40 else 0)


@pytest.mark.parametrize("gamma", [0.9, 0.5])
def test_bdia_at_a_constant_minus_g_is_momentum_at_g_started_with_the_first_residual(
    x, blocks, gamma
):
    """Outputs and gradients; in the reversible backward of both."""
    left, right = Bdia(gamma=gamma, grid_bits=None), Momentum(gamma=gamma, start="first")
    agree(left, right, x, blocks, signs=-np.ones((DEPTH, BATCH)))


def agree(one, other, x, blocks, signs):
    results = []
    for scheme in (one, other):
        model = ours(scheme, blocks, signs, "reversible")
        output = model(torch.tensor(x))
        weights = list(model.parameters())
        results.append([output, *torch.autograd.grad(output.square().sum(), weights)])
    for left, right in zip(*results, strict=True):
        assert (left - right).abs().max() < 1e-10 * left.abs().max()


@pytest.mark.parametrize(
    "scheme", [Bdia(gamma=0.0), Momentum(gamma=0.0), Coefficients()], ids=lambda s: s.name
)
def test_at_gamma_zero_every_scheme_is_the_residual_network(x, blocks, signs, scheme):
    assert error(ours(scheme, blocks, signs), x, residual_network(x, blocks)) < SAME_TERMS
