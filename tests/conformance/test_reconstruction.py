"""The backward restores the streams of the forward, and evaluates every residual once to do so."""

import os

import pytest
import torch

from revconsole.errors import NotInvertible
from revconsole.reversible import Bdia, Coefficients, Momentum, Residual, rewire
from tests.conformance.conftest import SCHEMES

FLOAT64_INVERSE = (
    1e-11  # eps of float64 times the error growth over the depth, with slopes of about 2
)
THREE_DIGITS = 1e-3  # a rounding of float32 grown five hundredfold, and slopes of the blocks on top
FLOAT32_PER_ROUNDING = 20 * 6e-8  # a rounding of float32, and slopes of the blocks on top


def test_every_norm_sees_in_the_backward_what_it_saw_in_the_forward(
    invertible, wire, witness, train, images
):
    rates = {"proj_drop_rate": 0.1, "drop_path_rate": 0.2}
    model = wire(invertible, "reversible", dtype=torch.float64, depth=6, **rates).train()
    seen = witness(model)
    train(model, images.double())
    for before, again in seen.repeats():
        assert (before - again).abs().max() <= FLOAT64_INVERSE * before.abs().max()


RATES = {"proj_drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.2}


@pytest.mark.parametrize("autocast", [None, "bf16"])
def test_exact_schemes_restore_every_bit(exact, autocast, wire, witness, train, images):
    """Under bf16 autocast too, with dropout in attention and MLP and with drop-path."""
    model = wire(exact, "reversible", depth=5, **RATES).train()
    seen = witness(model)
    train(model, images, autocast=autocast)
    assert all(torch.equal(before, again) for before, again in seen.repeats())


EXACT = {name: scheme for name, scheme in SCHEMES.items() if scheme.grid is not None}
DEEP = {
    "additive-mean-grid9",
    "momentum-grid9",
    "bdia-grid9",
}  # streams, stores, side bits and draws
BLOCKS = 48 if "REVCONSOLE_FAULTS" in os.environ else 24


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT if "REVCONSOLE_FAULTS" in os.environ else sorted(DEEP))
def test_exact_schemes_restore_every_bit_of_a_deep_network(name, wire, witness, train, images):
    model = wire(EXACT[name], "reversible", depth=BLOCKS, **RATES).train()
    seen = witness(model)
    train(model, images, autocast="bf16")
    assert all(torch.equal(before, again) for before, again in seen.repeats())


def test_float32_error_grows_as_the_scheme_predicts(invertible, wire, witness, train, images):
    model = wire(invertible, "reversible", depth=8).train()
    seen = witness(model)
    train(model, images)
    before, again = seen.seen["blocks.0.norm1"]
    error = ((before - again).abs().max() / before.abs().max()).item()
    assert error <= FLOAT32_PER_ROUNDING * invertible.error_growth(8)


@pytest.mark.parametrize("progress", [0.0, 0.02, 0.08, 0.15, 0.3, 0.6, 1.0])
def test_coefficients_are_safe_in_float32_wherever_they_are_on_their_way(
    progress, wire, witness, train, images
):
    """24 blocks; dividing by β at each would multiply rounding by up to 20 to the power of 24."""
    model = wire(Coefficients(progress=progress), "reversible", depth=24).train()
    seen = witness(model)
    train(model, images)
    for before, again in seen.repeats():
        assert (before - again).abs().max() <= THREE_DIGITS * before.abs().max()


def test_predicted_growth_is_nothing_on_a_grid_and_geometric_in_floats():
    assert Bdia().error_growth(48) == 0.0
    assert Momentum(gamma=0.5).error_growth(3) == pytest.approx(2 * (1 + 4 + 16) ** 0.5)
    floats = Bdia(grid_bits=None)
    assert floats.error_growth(25) / floats.error_growth(24) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("wiring", "depth", "instead"),
    [
        (Residual(), 2, "backward='checkpointed'"),
        (Momentum(gamma=0.0), 2, "gamma 0.9"),
        (Bdia(gamma=0.0), 2, "gamma 0.5"),
        (Bdia(grid_bits=None), 13, "grid_bits=9"),
        (Momentum(gamma=0.01), 3, "grid_bits=9"),
        (Momentum(gamma=0.5), 32, "grid_bits=9"),
        (Coefficients(end_beta=None), 2, "let end_beta be 0.7"),
    ],
    ids=[
        "residual",
        "momentum-0",
        "bdia-0",
        "bdia-13-blocks",
        "momentum-tiny",
        "momentum-half",
        "start",
    ],
)
def test_what_cannot_be_undone_is_refused_with_an_alternative(wiring, depth, instead, vit):
    with pytest.raises(NotInvertible, match=instead):
        rewire(vit(depth=depth), wiring, "reversible")
    rewire(vit(depth=depth), wiring, "checkpointed")
