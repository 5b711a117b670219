"""Every architecture on the data of a run: built with and without memory, counted, and able to learn."""

from pathlib import Path

import pytest
import torch

from revconsole.records.sections import KINDS
from revconsole.training.checks.cost import cost
from revconsole.training.questions.modules import modules_of
from revconsole.training.setup.build import build_model, without_memory

MINE = """
from torch import nn

def network(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
"""
SMALL = {
    name: [{}] for name in KINDS["model"][1] if name != "svm"
} | {  # which has no weights to learn
    "vit": [
        {},
        {"stem": "shifted", "attention": "local"},
        {"stem": "conv", "attention": "softmax_free", "pool": "sequence", "position": "none"},
        {"stem": "resnet", "attention": "linear", "layer_scale": 0.1, "final_norm": False},
        {"patch": 1, "token_merging": 4, "mlp_width": 9},
    ],
    "timm": [{"name": "test_vit", "patch": 2}],
    "cct": [{"dim": 16}],
    "conformer": [{"dim": 12, "channels": 8, "depth": 2}],
    "uniformer": [{"dim": 8, "depth": 1, "local_depth": 1}],
    "resnet": [{"stem": "cifar"}],
    "cnn": [{"batch_norm": True, "dropout": 0.1}],
    "mlp": [{"depth": 2}, {"gradients": "by_hand"}],
    "python": [{"function": "ownnet:network"}],
}
EVERY = [
    pytest.param({"architecture": name, **settings}, id=f"{name}{index}")
    for name, variants in SMALL.items()
    for index, settings in enumerate(variants)
]


@pytest.fixture(autouse=True)
def _mine():
    Path("ownnet.py").write_text(MINE)


@pytest.fixture
def planned(small):
    """A plan of a model, with none of the settings of the small vision transformer but for a `vit`."""

    def made(model):
        start = small().model.model_dump() if model["architecture"] == "vit" else {}
        whole = small().model_dump() | {"model": start | model}
        return type(small()).model_validate(whole)

    return made


@pytest.mark.parametrize("model", EVERY)
def test_it_gives_logits_and_every_weight_learns(planned, model):
    built = build_model(planned(model))
    logits = built(torch.randn(6, 1, 8, 8))
    torch.nn.functional.cross_entropy(logits, torch.arange(6)).backward()

    assert logits.shape == (6, 10)
    assert [n for n, p in built.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("model", EVERY)
def test_without_memory_it_is_the_same_network(planned, model):
    plan = planned(model)
    real, empty = build_model(plan), without_memory(plan)

    assert {n: p.shape for n, p in real.state_dict().items()} == {
        n: p.shape for n, p in empty.state_dict().items()
    }


@pytest.mark.parametrize("model", EVERY)
def test_its_multiply_adds_are_those_of_a_second_count(planned, model):
    """fvcore follows a trace of the real network, by formulas of its own; torch's counter runs one without numbers."""
    plan = planned(model)

    counted, modules = cost(plan), modules_of(plan)

    assert counted["multiply_adds_per_image"] == sum(each.multiply_adds for each in modules) > 0
    assert counted["parameters"] == sum(each.parameters for each in modules)
    assert all(each.multiply_adds >= 0 and each.calls > 0 for each in modules if each.outputs)
    assert "multiply_adds_note" not in counted
