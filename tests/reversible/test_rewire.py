"""Rewiring of models: what fits, what is left alone and why, and what stays as it was."""

import pytest
import timm
import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Additive, Bdia, ReversibleSequence, rewire, survey

SMALL = {"img_size": 8, "patch_size": 2, "embed_dim": 24, "num_heads": 2, "depth": 3}


def vit(**options):
    torch.manual_seed(0)
    name = options.pop("name", "vit_tiny_patch16_224")
    return timm.create_model(name, **{**SMALL, "num_classes": 5, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"name": "vit_small_patch14_dinov2"},
        {"name": "vit_small_patch14_reg4_dinov2"},
        {"name": "deit3_small_patch16_224"},
        {"qk_norm": True, "global_pool": "avg", "class_token": False},
        {"drop_path_rate": 0.2, "init_values": 0.1},
    ],
    ids=["dinov2", "registers", "deit3", "qk-norm-avg", "layer-scale"],
)
def test_variants_of_the_vision_transformer_fit(options):
    model, images = vit(**options).eval(), torch.randn(2, 3, 8, 8)
    expected, keys = model(images), list(model.state_dict())
    assert survey(model).fit == {"blocks": 3}
    assert rewire(model, "bdia") is model
    assert isinstance(model.blocks, ReversibleSequence)
    assert list(model.state_dict()) == keys
    assert torch.equal(model(images), expected)


@pytest.mark.parametrize(
    "block_fn", ["ParallelScalingBlock", "ResPostBlock", "ParallelThingsBlock"]
)
def test_blocks_that_compute_something_else_are_left_alone(block_fn):
    block = getattr(timm.models.vision_transformer, block_fn)
    model = vit(block_fn=block)
    with pytest.raises(NotInvertible, match=f"blocks: a {block_fn} is no pre-norm"):
        rewire(model, "bdia")
    assert type(model.blocks) is nn.Sequential


def test_a_block_with_the_right_parts_and_another_forward_is_found_out():
    class Swapped(timm.models.vision_transformer.Block):
        def forward(self, x):
            x = x + self.mlp(self.norm2(x))
            return x + self.attn(self.norm1(x))

    model = vit(block_fn=Swapped)
    assert "computes something else" in survey(model).left["blocks"]
    assert all(module.training for module in model.modules())


def test_a_model_without_residual_stacks_says_what_was_tried():
    with pytest.raises(NotInvertible, match="layer1: a BasicBlock is no pre-norm"):
        rewire(timm.create_model("resnet18"), "bdia")
    with pytest.raises(NotInvertible, match=r"no nn\.Sequential of like blocks"):
        rewire(nn.Linear(2, 2))


def test_stacks_inside_other_models_are_found_and_those_left_alone_are_logged(caplog):
    class Twin(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = vit(), timm.create_model("resnet18")

    model = Twin()
    found = survey(model)
    assert found.fit == {"left.blocks": 3}
    assert set(found.left) == {f"right.layer{i}" for i in (1, 2, 3, 4)}
    rewire(model)
    assert isinstance(model.left.blocks, ReversibleSequence)
    assert "left right.layer4 as it was: a BasicBlock is no pre-norm" in caplog.text


@pytest.mark.parametrize("pool", [{"global_pool": "token"}, {"global_pool": "avg"}])
def test_additive_widens_the_final_norm_and_the_head(pool):
    model = rewire(vit(**pool), "additive").eval()
    norm = model.norm if isinstance(model.norm, nn.LayerNorm) else model.fc_norm
    assert norm.normalized_shape == (48,)
    assert torch.equal(norm.weight, torch.ones(48))
    assert model.head.weight.shape == (5, 48)
    assert 0.015 < model.head.weight.std() < 0.025
    assert not model.head.bias.any()
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 5)


def test_additive_mean_leaves_the_head_alone():
    model = vit()
    norm, head = model.norm, model.head
    rewire(model, Additive(fuse="mean"))
    assert model.norm is norm
    assert model.head is head


def test_additive_concat_refuses_an_attention_pool():
    with pytest.raises(NotInvertible, match="fuse='mean'"):
        rewire(vit(global_pool="map"), "additive")


def test_rewiring_again_replaces_the_wiring():
    model, images = vit(), torch.randn(2, 3, 8, 8)
    rewire(model, "bdia")
    rewire(model, "residual", "stored").train()
    assert torch.equal(model(images), vit().train()(images))
    rewire(model, Bdia(grid_bits=9))
    assert model.blocks.scheme == Bdia(grid_bits=9)


def test_rewiring_again_to_another_width_of_head_is_refused():
    model = rewire(vit(), "additive")
    rewire(model, "additive", "stored")
    assert model.head.in_features == 48
    with pytest.raises(NotInvertible, match="rewire a fresh model"):
        rewire(model, "bdia")


def test_a_refused_rewiring_leaves_the_model_unchanged():
    model = vit(depth=13)
    with pytest.raises(NotInvertible):
        rewire(model, Bdia())
    assert type(model.blocks) is nn.Sequential
    assert not any(block._forward_pre_hooks for block in model.blocks)


def test_modes_and_frozen_parameters_survive():
    model = vit().eval()
    model.blocks[1].requires_grad_(requires_grad=False)
    rewire(model, "momentum")
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad for p in model.blocks[1].parameters())
