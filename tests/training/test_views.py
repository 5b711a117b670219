"""Two views of an example: one trunk with shared weights sees each, in every architecture and scheme."""

import math
from types import SimpleNamespace

import pytest
import torch

from revconsole.errors import RevconsoleError
from revconsole.models._views import Views, width_of, without_head
from revconsole.records.logs.events import Advised, Measured
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.cost import cost
from revconsole.training.memory.suggestions import suggestions
from revconsole.training.setup.build import build_model, without_memory

PATCHES = {"dataset": "context_patches", "source": "synthetic", "train_limit": 128, "views": 2}
SMALL = [
    {"architecture": "vit", "patch": 4, "dim": 8, "depth": 2, "heads": 2},
    {"architecture": "vit", "patch": 4, "dim": 8, "depth": 2, "heads": 2, "pool": "sequence"},
    {"architecture": "timm", "name": "test_vit", "patch": 4},
    {"architecture": "cct", "dim": 16},
    {"architecture": "uniformer", "dim": 8, "depth": 1, "local_depth": 1},
    {"architecture": "resnet", "stem": "cifar"},
    {"architecture": "cnn", "batch_norm": True},
]
ROUNDING = 1e-6  # float32, a few roundings of numbers about one


SMALLEST = {"source": "digits", "patch_side": 2, "gap": 0, "jitter": 0}
"""Digits are quickly read, and leave room for two pixels."""


@pytest.fixture
def paired(small):
    """A function: the small plan on pairs of patches, each a view."""
    return lambda **changes: small(
        **{"data": PATCHES | SMALLEST, "model": {"patch": 1, "depth": 2}, **changes}
    )


def of(model, **changes):
    """A plan of a model alone."""
    return Plan.model_validate(
        {"name": "views", "model": model, "data": PATCHES | changes, "train": {"device": "cpu"}}
    )


@pytest.mark.parametrize("model", SMALL, ids=lambda m: m["architecture"])
def test_both_views_go_through_the_same_weights(model):
    """Whoever swaps the patches, and the halves of the head with them, gets the same logits."""
    made = build_model(of(model)).eval()
    images = torch.randn(4, 6, 8, 8)
    assert isinstance(made, Views)
    with torch.no_grad():
        logits = made(images)
        first, second = made.head.weight.chunk(2, dim=1)
        made.head.weight.copy_(torch.cat([second.clone(), first.clone()], dim=1))
        swapped = made(images.roll(3, dims=1))
        alone = made(torch.cat([images[:, :3], torch.zeros(4, 3, 8, 8)], dim=1))
    assert logits.shape == (4, 8)
    assert (logits - swapped).abs().max() < ROUNDING
    assert not torch.equal(alone, swapped)


@pytest.mark.parametrize("model", SMALL, ids=lambda m: m["architecture"])
def test_weights_count_once_and_operations_twice(model):
    """Beside the head, of a network that sees one patch."""
    plan = of(model)
    counted = cost(plan)
    trunk = build_model(plan).trunk
    width = width_of(trunk, torch.zeros(1, 3, 8, 8))
    from revconsole.training.checks.cost import operations

    assert counted["parameters"] == sum(p.numel() for p in trunk.parameters()) + 8 * (2 * width + 1)
    assert counted["multiply_adds_per_image"] == (
        2 * operations(trunk, torch.zeros(1, 3, 8, 8)).multiply_adds + 8 * 2 * width
    )
    assert sum(p.numel() for p in without_memory(plan).parameters()) == counted["parameters"]


def test_each_kind_of_scheme_trains_them_with_the_gradients_of_stored_activations(
    paired, runner, typical_wiring
):
    log = runner(paired(**typical_wiring, train={"epochs": 1, "probe_epochs": 1}))
    probes = [e.values for e in log.of(Measured) if "gradient_error" in e.values]
    assert log.ending.outcome == "completed"
    assert len(probes) == (0 if typical_wiring["scheme"]["name"] == "residual" else 2)
    assert all(values["gradient_error"] < 1e-4 for values in probes)
    alarms = [e.text for e in log.of(Advised) if e.level == "alarm"]
    assert alarms == []


def test_the_signs_of_bdia_do_not_depend_on_micro_batches(paired, runner):
    scheme = {"scheme": {"name": "bdia", "grid_bits": 9}, "backward": "reversible"}
    whole = runner(paired(**scheme, train={"epochs": 1, "audit": False}), "whole").losses
    parts = runner(
        paired(**scheme, train={"epochs": 1, "accumulate": 4, "audit": False}), "parts"
    ).losses
    assert whole.keys() == parts.keys()
    assert all(math.isclose(whole[step], parts[step], rel_tol=1e-4) for step in whole)


def test_a_linear_probe_trains_the_head_over_both_views(paired):
    model = build_model(paired(train={"freeze": "backbone"}))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"head.weight", "head.bias"}


def test_positions_and_tokens_of_the_trunk_are_spared_from_decay(paired):
    spared = build_model(paired()).no_weight_decay()
    assert {"trunk.pos_embed", "trunk.cls_token"} <= spared


def test_what_would_fit_is_counted_for_two_views_too(paired, tmp_path):
    from revconsole.training.learning.preparing import prepare

    setting = prepare(paired(), data=tmp_path)
    present, ways = suggestions(setting)
    assert present > 0
    assert any(way.needed and "checkpointed" in way.settings for way in ways)


@pytest.mark.parametrize(
    ("model", "data", "sentence"),
    [
        ({"architecture": "mlp"}, {}, "mlp has no features that a head could read of both views"),
        ({"architecture": "conformer"}, {}, "conformer has no features"),
        (SMALL[0], {"dataset": "digits", "source": None}, "only context_patches has two views"),
    ],
)
def test_what_has_no_views_gets_one_sentence(model, data, sentence):
    with pytest.raises(ValueError, match="1 validation error") as caught:
        of(model, **data)
    assert sentence in str(caught.value)


def test_a_model_without_a_head_of_its_own_is_refused():
    with pytest.raises(RevconsoleError, match="SimpleNamespace has no linear head"):
        without_head(SimpleNamespace())
    with pytest.raises(RevconsoleError, match="Identity without its head does not give a vector"):
        width_of(torch.nn.Identity(), torch.zeros(1, 3, 8, 8))
