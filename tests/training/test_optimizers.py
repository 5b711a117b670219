"""Optimisers: which parameters they move, by how much, and what they refuse."""

import pytest
import torch
from torch import nn

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.sections.optimizer import AdamW, Sgd, TimmOptimizer
from revconsole.training.setup import optimizers


def moved(optimizer, model):
    """By how far each parameter moves on a gradient of ones."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {n: (p.detach() - before[n]).abs().max().item() for n, p in model.named_parameters()}


def test_layer_decay_slows_every_layer_below_the_head_by_its_factor(realise):
    model = realise(scheme={"name": "additive"}, backward="reversible").model
    optimizer = optimizers.build(AdamW(layer_decay=0.5, weight_decay=0.0), model)
    optimizers.set_rate(optimizer, 0.001)

    steps = moved(optimizer, model)

    # Three blocks between the embedding and the head.
    for name, share in {
        "head.bias": 1.0,
        "blocks.2.attn.qkv.weight": 0.5,
        "blocks.1.mlp.fc1.weight": 0.25,
        "blocks.0.norm1.bias": 0.125,
        "patch_embed.proj.weight": 0.0625,
        "cls_token": 0.0625,
    }.items():
        assert steps[name] == pytest.approx(0.001 * share, rel=1e-3), name


def test_a_model_that_names_no_layers_cannot_have_layer_decay():
    with pytest.raises(ProfileError, match="Linear does not say which layer"):
        optimizers.build(AdamW(layer_decay=0.5), nn.Linear(2, 2))


def test_nesterov_looks_ahead_along_the_momentum():
    model = nn.Linear(1, 1, bias=False)
    optimizer = optimizers.build(Sgd(learning_rate=0.1, momentum=0.5, nesterov=True), model)

    # v1 = 1, step 1 + 0.5 v1; v2 = 0.5 v1 + 1, step 1 + 0.5 v2
    assert moved(optimizer, model)["weight"] == pytest.approx(0.15)
    assert moved(optimizer, model)["weight"] == pytest.approx(0.175)


def test_timm_has_more_optimisers_and_their_groups_are_ours(realise):
    model = realise().model
    optimizer = optimizers.build(TimmOptimizer(algorithm="lamb", weight_decay=0.1), model)

    assert type(optimizer).__name__ == "Lamb"
    decays = {
        id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]
    }
    assert decays[id(model.blocks[0].attn.qkv.weight)] == 0.1
    assert {decays[id(p)] for p in (model.pos_embed, model.norm.weight, model.head.bias)} == {0.0}
    assert all(step > 0 for step in moved(optimizer, model).values())


def test_an_unknown_optimiser_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'lamb'"):
        optimizers.build(TimmOptimizer(algorithm="lambb"), nn.Linear(2, 2))
