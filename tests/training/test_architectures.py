"""Every architecture on the data of a run: built with and without memory, counted, and able to learn."""

import warnings
from pathlib import Path

import pytest
import torch

from revconsole.records.sections import KINDS
from revconsole.training.checks.cost import cost
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
    """fvcore follows a trace of the real network, by formulas of its own; ours runs one without numbers."""
    plan = planned(model)

    counted = cost(plan)

    assert (
        counted["multiply_adds_per_image"]
        == by_fvcore(build_model(plan), torch.zeros(1, 1, 8, 8))
        > 0
    )
    assert "multiply_adds_note" not in counted


LEFT_OUT = (
    "aten::batch_norm", "aten::group_norm", "aten::layer_norm", "aten::instance_norm", "aten::upsample_nearest2d",
    "aten::upsample_bilinear2d", "aten::adaptive_avg_pool2d", "aten::grid_sampler",
)  # fmt: skip
"""What fvcore counts besides products, by rules of its own."""


def by_fvcore(model, image):
    """Multiply-adds of one forward pass in evaluation."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit goes out of use
            return _counted(model.eval(), image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _counted(model, image):
    from fvcore.nn import FlopCountAnalysis  # it compiles with torch.jit as it is imported

    counted = FlopCountAnalysis(model, image)
    counted.set_op_handle("aten::scaled_dot_product_attention", _attention)
    counted.set_op_handle("aten::baddbmm", _batched_product)
    for name in LEFT_OUT:
        counted.set_op_handle(name, lambda *_: 0)
    counted.unsupported_ops_warnings(enabled=False)
    counted.uncalled_modules_warnings(enabled=False)
    counted.tracer_warnings("none")
    return int(counted.total())


def _attention(given, _):
    """Queries by keys, and their weights by values."""
    (*outside, N, K), (*_, M, _), (*_, V) = (value.type().sizes() for value in given[:3])
    pairs = N * M
    for size in outside:
        pairs *= size
    return int(pairs * (K + V))


def _batched_product(given, _):
    (B, N, K), (_, _, M) = (value.type().sizes() for value in given[1:3])
    return int(B * N * K * M)
