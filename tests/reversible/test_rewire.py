"""Rewiring of models: what fits, what is left alone and why, and what stays as it was."""

import copy
import re

import pytest
import timm
import torch
from timm.models.vision_transformer import ParallelScalingBlock
from torch import nn
from torch.nn import functional as F

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import Additive, Bdia, ReversibleSequence, rewire, survey
from revconsole.reversible.branches import branches
from revconsole.reversible.looped import LoopedSequence
from revconsole.reversible.rewire import unheard

SMALL = {"img_size": 8, "patch_size": 2, "embed_dim": 24, "num_heads": 2, "depth": 3}
IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


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
    ("block_fn", "count"),
    [("ParallelScalingBlock", 1), ("ResPostBlock", 2), ("ParallelThingsBlock", 2)],
)
def test_every_kind_of_block_is_taken_apart_as_far_as_it_goes(block_fn, count):
    model, images = vit(block_fn=getattr(timm.models.vision_transformer, block_fn)), IMAGES
    expected = model.eval()(images)
    assert survey(model).fit == {"blocks": 3}
    assert [len(branches(block)) for block in model.blocks] == [count] * 3
    assert torch.equal(rewire(model, "bdia")(images), expected)


def test_the_branches_are_in_the_order_of_the_block_whatever_their_parts_are_called():
    class Swapped(timm.models.vision_transformer.Block):
        def forward(self, x):
            x = x + self.mlp(self.norm2(x))
            return x + self.attn(self.norm1(x))

    model = vit(block_fn=Swapped)
    assert survey(model, "additive").fit == {"blocks": 3}
    assert all(module.training for module in model.modules())
    block, x = model.blocks[0].eval(), torch.randn(2, 17, 24)
    first, second = branches(block)
    assert torch.equal(first(x), block.mlp(block.norm2(x)))
    assert torch.equal(second(x), block.attn(block.norm1(x)))
    with torch.device("meta"):  # where there are no numbers to tell, too
        assert survey(vit(block_fn=Swapped), "additive").fit == {"blocks": 3}


def test_a_block_nobody_surveyed_is_tried_on_a_few_tokens():
    block, other = vit().blocks[0], vit(block_fn=ParallelScalingBlock).blocks[0]
    assert len(branches(block)) == 2
    assert len(branches(other)) == 1
    assert len(branches(nn.Linear(3, 3))) == 1


def test_a_model_without_residual_stacks_says_what_was_tried():
    with torch.device("meta"):  # other models without are in conformance/test_families
        model = timm.create_model("repvgg_a0")
    with pytest.raises(
        NotInvertible,
        match=r"stages\.0, stages\.1, stages\.2: block 1 \(RepVggBlock\) is not residual",
    ):
        rewire(model, "bdia")
    with pytest.raises(NotInvertible, match="nothing in it"):
        rewire(nn.Linear(2, 2))


def test_a_model_that_does_not_run_on_an_image_asks_for_an_example():
    class Twofold(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = vit()

        def forward(self, pair):
            return self.net(pair[:, 0]) + self.net(pair[:, 1])

    with pytest.raises(NotInvertible, match="give an input as `example`"):
        rewire(Twofold())

    class Other(Twofold):
        def forward(self, pair):
            return self.net(pair[:, 1])

    assert survey(Other(), example=torch.randn(2, 2, 3, 8, 8)).fit == {"net.blocks": 3}
    assert survey(Twofold(), example=torch.randn(2, 2, 3, 8, 8)).fit == {"net.blocks": 3}


def test_stacks_inside_other_models_are_found_and_what_is_left_alone_is_logged(caplog):
    class Twin(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = vit(), timm.create_model("resnet18")

    model = Twin()
    found = survey(model)
    assert found.fit == {"left.blocks": 3, "right.layer1": 2}
    assert set(found.unwired) == {f"right.layer{i}.1" for i in (2, 3, 4)}
    rewire(model)
    assert isinstance(model.left.blocks, ReversibleSequence)
    assert "left right.layer4.1 as it was: BasicBlock is alone in its row" in caplog.text
    caplog.clear()
    with unheard():
        rewire(Twin())
    assert not caplog.text


class Mixed(nn.Module):
    """Eight tokens through blocks that change their input in place, and blocks that do not."""

    def __init__(self, *blocks):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x)


class Adding(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.linear, self.how = nn.Linear(4, 4), how

    def forward(self, x):
        return self.how(x, self.linear(x))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda x, h: x.add_(h), "changes its input in place"),
        (lambda x, h: x * h, "is not residual"),
        (lambda _, h: h + h, "is not residual"),
        (lambda x, h: (x + h).double(), r"turns 2×4 into 2×4 in torch\.float64"),
        (lambda x, h: (x + h, x), "leaves more behind than its output"),
        (lambda x, h: (x + h, {"h": h}), "returns a tuple and not one tensor"),
        (lambda x, h: (x + h).detach(), "computes without gradients"),
    ],
    ids=["in-place", "gate", "no-skip", "dtype", "tuple", "structure", "detached"],
)
def test_a_block_that_does_something_else_is_left_with_the_reason(how, reason):
    model = Mixed(Adding(lambda x, h: x + h), Adding(lambda x, h: x - h), Adding(how))
    found = survey(model, example=torch.randn(2, 4))
    assert found.fit == {"blocks": 2}
    assert re.search(reason, found.unwired["blocks.2"])


@pytest.mark.parametrize(
    "how",
    [
        lambda x, h: x + h,
        lambda x, h: (h + x).relu(),
        lambda x, h: 0.5 * x + h,
        lambda x, h: (x.t() + h.t()).t().contiguous(),
        lambda x, h: F.layer_norm(x + h, (4,)),
    ],
    ids=["sum", "activation-after", "scaled", "layout", "post-norm"],
)
def test_what_reaches_the_output_with_something_added_is_residual(how):
    model = Mixed(Adding(how), Adding(how)).double()
    x = torch.randn(2, 4, dtype=torch.float64)
    expected = model.eval()(x)
    assert survey(model, example=x).fit == {"blocks": 2}
    assert torch.equal(rewire(model, "bdia", example=x)(x), expected)


def test_where_blocks_are_made_of_blocks_the_longer_run_wins():
    def block():
        return Adding(lambda x, h: x + h)

    x = torch.randn(2, 4)
    stages = Mixed(nn.Sequential(block(), block()), nn.Sequential(block(), block()))
    assert survey(stages, example=x).fit == {"blocks.0": 2, "blocks.1": 2}
    halves = Mixed(*(nn.Sequential(block(), nn.Linear(4, 4)) for _ in range(3)))
    assert survey(halves, example=x).fit == {"blocks": 3}


class Looping(nn.Module):
    """A model that walks over its blocks itself, in one of several ways."""

    def __init__(self, walk):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Scaled() for _ in range(4))
        self.walk = walk

    def forward(self, x):
        return self.walk(self.blocks, x)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x, by=1.0):
        return x + by * self.linear(x).tanh()


def all_alike(blocks, x):
    for block in blocks:
        x = block(x, 0.5)
    return x


def broken_in_two(blocks, x):
    for index, block in enumerate(blocks):
        x = block(x if index != 2 else x.sin(), by=0.5)
    return x


def each_another(blocks, x):
    for block, by in zip(blocks, (0.5, 0.5, 0.25, 0.25), strict=True):
        x = block(x, by)
    return x


@pytest.mark.parametrize("walk", [all_alike, broken_in_two, each_another])
def test_a_model_that_walks_over_its_blocks_computes_the_same(walk):
    model, x = Looping(walk).double(), torch.randn(2, 4, dtype=torch.float64)
    wired = rewire(copy.deepcopy(model), Bdia(gamma=0.0), "stored", example=x)
    assert isinstance(wired.blocks, LoopedSequence)
    assert len(wired.blocks.runs) == (1 if walk is all_alike else 2)
    assert torch.equal(wired.eval()(x), model(x))
    assert torch.equal(wired.train()(x), model(x))


@pytest.mark.parametrize("attribute", ["name", "first", "names", "block", "rest", "call"])
def test_a_model_that_walks_asks_and_sets_attributes_of_its_blocks_by_any_name(attribute):
    def tapped(blocks, x):
        for block in blocks:
            setattr(block, attribute, getattr(block, attribute))
            x = block(x)
            if getattr(block, attribute) == "tapped":
                x = x.sin()
        return x

    model, x = Looping(tapped).double(), torch.randn(2, 4, dtype=torch.float64)
    for number, block in enumerate(model.blocks):
        setattr(block, attribute, "tapped" if number == 1 else "plain")
    wired = rewire(copy.deepcopy(model), Bdia(gamma=0.0), "stored", example=x)
    assert len(wired.blocks.runs) == 2
    assert torch.equal(wired.train()(x), model(x))


def test_a_model_that_walks_by_index_is_refused():
    def by_index(blocks, x):
        for index in range(4):
            x = blocks[index](x)
        return x

    found = survey(Looping(by_index), example=torch.randn(2, 4))
    assert not found.fit
    assert "takes its blocks by index" in found.unwired["blocks.0"]


def test_a_walk_that_changes_its_ways_after_rewiring_is_caught():
    x = torch.randn(2, 4)
    model = rewire(Looping(all_alike), "momentum", example=x).train()
    told = {
        broken_in_two: r"output of block 1 is used \(sin\) by something else than the next block",
        each_another: "wired in one run with those before it",
    }
    for walk, sentence in told.items():
        model.walk = walk
        with pytest.raises(RevconsoleError, match=sentence):
            model(x)


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


def test_a_head_made_anew_after_additive_is_noticed():
    model = rewire(vit(), "additive")
    model.reset_classifier(7)
    with pytest.raises(RevconsoleError, match=r"head takes 24 numbers.* 48: .*before rewire"):
        model(IMAGES)
    fresh = vit()
    fresh.reset_classifier(7)
    assert rewire(fresh, "additive")(IMAGES).shape == (2, 7)
    without = rewire(vit(), "additive")
    without.reset_classifier(0)
    assert without(IMAGES).shape == (2, 48)


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
        rewire(model, Bdia(grid_bits=None))
    assert type(model.blocks) is nn.Sequential
    assert not any(block._forward_pre_hooks for block in model.blocks)


def test_modes_and_frozen_parameters_survive():
    model = vit().eval()
    model.blocks[1].requires_grad_(requires_grad=False)
    rewire(model, "momentum")
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad for p in model.blocks[1].parameters())


def test_blocks_whose_weights_are_frozen_are_taken_apart_like_others():
    model = vit()
    model.blocks.requires_grad_(False)
    assert survey(model, "additive").fit == {"blocks": 3}
    assert not any(weight.requires_grad for weight in model.blocks.parameters())


@pytest.mark.parametrize("scheme", ["bdia", "additive"])
def test_a_survey_draws_nothing(scheme):
    """Or the weights of a model would depend on whether somebody looked at it before."""
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=5)
    before = torch.get_rng_state()
    survey(model, scheme)
    assert torch.equal(before, torch.get_rng_state())
