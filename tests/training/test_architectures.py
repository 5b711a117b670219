"""Every architecture on the data of a run: built with and without memory, counted, and able to learn."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from revconsole.records.sections import KINDS
from revconsole.training.build import build_model, without_memory
from revconsole.training.cost import multiply_adds

MINE = """
from torch import nn

def network(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
"""
SMALL = {
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
    "swin": [{}],
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


def test_none_is_forgotten():
    assert set(SMALL) == set(KINDS["model"][1]) - {"svm"}  # which has no weights to learn


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
def test_its_multiply_adds_are_those_of_torchs_own_counter(planned, model):
    """Two independent countings: fvcore's of a trace, and torch's of what runs."""
    plan, image = planned(model), torch.zeros(1, 1, 8, 8)
    built = build_model(plan).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        built(image)

    assert multiply_adds(built, image) == counter.get_total_flops() / 2 > 0
