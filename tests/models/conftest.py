"""Wiring an architecture: what every model of ours has to stand, in double precision."""

import copy

import pytest
import torch

from revconsole.reversible import Additive, Bdia, Hamiltonian, Momentum, rewire, sequences

GRADIENTS = 1e-10  # float64, errors doubled per block by bdia over a few blocks
SAME = 1e-12  # float64, sums of some thousand numbers in another order
EVERY = (Bdia(), Momentum(), Additive(fuse="mean"), Hamiltonian())


def count(model):
    return sum(p.numel() for p in model.parameters())


def gradients(model, images):
    """The output, and what its square pulls every weight and the images towards, from one seed."""
    x = images.clone().requires_grad_()
    torch.manual_seed(2)
    output = model(x)
    output.square().sum().backward()
    return output.detach(), {"images": x.grad} | {n: p.grad for n, p in model.named_parameters()}


def worst(expected, given):
    """The largest difference of a gradient, relative to its own size or 10⁻³ of the largest of all."""
    largest = max(g.abs().max() for g in expected.values() if g is not None)
    errors = []
    for name, left in expected.items():
        right = given[name]
        assert (left is None) == (right is None), f"{name}: one gradient is missing"
        if left is not None:
            errors.append(((left - right).abs().max() / (left.abs().max() + 1e-3 * largest)).item())
    return max(errors)


@pytest.fixture
def wires():
    """`wires(model, images)`: each scheme reverses with the gradients of stored activations.

    bdia leaves the network as it is in evaluation, and names of weights do not change.
    """

    def check(model, images, schemes=EVERY):
        model, images = model.double(), images.double()
        with torch.no_grad():
            plain = copy.deepcopy(model).eval()(images)
        for scheme in schemes:
            reversible = rewire(copy.deepcopy(model), scheme, example=images[:1]).train()
            fresh, stored = copy.deepcopy(reversible).eval(), copy.deepcopy(reversible)
            for sequence in sequences(stored):
                sequence.backward = "stored"
            assert reversible.state_dict().keys() == model.state_dict().keys()
            (output, wanted), (same, given) = (
                gradients(stored, images),
                gradients(reversible, images),
            )
            assert (output - same).abs().max() <= SAME * output.abs().max().clamp_min(1)
            assert worst(wanted, given) < GRADIENTS, scheme
            if isinstance(scheme, Bdia):
                with torch.no_grad():
                    assert (fresh(images) - plain).abs().max() <= SAME * plain.abs().max()

    return check


@pytest.fixture
def weights():
    return count
