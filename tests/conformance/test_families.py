"""Rewiring by structure: one small member of every family of timm, in double precision.

Each is found without being known by name, keeps its state_dict, evaluates as before under bdia, and
has the same gradients with `reversible` as with `stored`. `both` says whether its blocks fall into
attention and MLP, so that `additive` and `hamiltonian` take them too.
"""

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import timm
import torch
from timm.models import (
    convmixer,
    efficientnet,
    focalnet,
    gcvit,
    hiera,
    maxxvit,
    metaformer,
    mlp_mixer,
    regnet,
)
from timm.models._efficientnet_builder import decode_arch_def
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import (
    Additive,
    Bdia,
    Momentum,
    ReversibleSequence,
    rewire,
)
from revconsole.reversible.rewire import surveys
from revconsole.reversible.schemes.hamiltonian import Hamiltonian

pytestmark = pytest.mark.slow

SAME = 1e-12  # float64, sums of some thousand numbers in another order
GRADIENTS = 1e-10  # float64, errors doubled per block by bdia over a few blocks
PLAIN = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "num_heads": 2, "depth": 3}
WINDOWS = {"img_size": 32, "window_size": 4, "embed_dim": 8, "depths": (2, 2), "num_heads": (2, 2)}
MIXER = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "num_blocks": 3, "num_classes": 3}
PYRAMID = {"depths": (3, 1, 1, 1), "embed_dims": (8, 8, 16, 16), "num_heads": (1, 1, 2, 2)}
HYBRID = maxxvit.MaxxVitTransformerCfg(dim_head=8, window_size=(4, 4), grid_size=(4, 4))
INVERTED = [["ir_r3_k3_s2_e2_c8_se0.25"], ["ir_r2_k3_s2_e2_c16_noskip"], ["er_r3_k3_s1_e2_c16"]]


@dataclass(frozen=True, kw_only=True)
class Member:
    """How to build it, what `survey` is to find in it, and what of that falls in two."""

    build: Callable[[], nn.Module]
    fit: dict[str, int]
    both: dict[str, int] = field(default_factory=dict)
    size: int = 32


def named(name, **options):
    return lambda: timm.create_model(name, num_classes=3, **options)


def isotropic(name, **options):
    return Member(
        build=named(name, **{**PLAIN, **options}), fit={"blocks": 3}, both={"blocks": 3}, size=16
    )


def mixer(kind, *, both):
    found = {"blocks": 3}
    build = lambda: mlp_mixer.MlpMixer(block_layer=kind, **MIXER)  # noqa: E731  as in the table
    return Member(build=build, fit=found, both=found if both else {}, size=16)


def hybrid(kind, **options):
    cfg = maxxvit.MaxxVitCfg(
        embed_dim=(16, 32), depths=(3, 3), block_type=kind, stem_width=8, transformer_cfg=HYBRID
    )
    return lambda: maxxvit.MaxxVit(cfg, img_size=(64, 64), num_classes=3, **options)


def stages(count, depth, *, each="stages.{}.blocks"):
    return {each.format(stage): depth for stage in range(count)}


LAYERS = stages(2, 2, each="layers.{}.blocks")
TWO = stages(2, 2)
FAMILIES = {
    "vit": isotropic("vit_tiny_patch16_224", drop_path_rate=0.2, init_values=0.1),
    "deit": isotropic("deit_tiny_distilled_patch16_224"),
    "deit3": isotropic("deit3_small_patch16_224"),
    "beit": isotropic("beit_base_patch16_224", drop_path_rate=0.2),
    "beit, shared bias": isotropic(
        "beit_base_patch16_224", use_shared_rel_pos_bias=True, use_rel_pos_bias=False
    ),
    "eva02": isotropic("eva02_tiny_patch14_224"),
    "relative positions": isotropic("vit_relpos_small_patch16_224"),
    "cait": isotropic("cait_xxs24_224"),
    "convit": Member(
        build=named("convit_tiny", **{**PLAIN, "depth": 4}, local_up_to_layer=2),
        fit={"blocks": 4},
        both={"blocks": 4},
        size=16,
    ),
    "xcit": Member(
        build=named("xcit_nano_12_p16_224", img_size=32, embed_dim=16, num_heads=2, depth=3),
        fit={"blocks": 3, "cls_attn_blocks": 2},
        both={"blocks": 3},
    ),
    "swin": Member(
        build=named("swin_tiny_patch4_window7_224", **WINDOWS, drop_path_rate=0.2),
        fit=LAYERS,
        both=LAYERS,
    ),
    "swinv2": Member(build=named("swinv2_tiny_window8_256", **WINDOWS), fit=LAYERS, both=LAYERS),
    "pvt": Member(
        build=named("pvt_v2_b0", **PYRAMID),
        fit={"stages.0.blocks": 3},
        both={"stages.0.blocks": 3},
        size=64,
    ),
    "twins": Member(
        build=named("twins_svt_small", **PYRAMID),
        fit={"blocks.0": 2},
        both={"blocks.0": 2},
        size=64,
    ),
    "convnext": Member(
        build=named("convnext_atto", depths=(2, 2, 2, 2), dims=(8, 8, 16, 16)), fit=stages(4, 2)
    ),
    "convnextv2": Member(
        build=named("convnextv2_atto", depths=(2, 2, 2, 2), dims=(8, 8, 16, 16)), fit=stages(4, 2)
    ),
    "mlp_mixer": mixer(mlp_mixer.MixerBlock, both=True),
    "resmlp": Member(
        build=lambda: mlp_mixer.MlpMixer(
            **MIXER, block_layer=mlp_mixer.ResBlock, norm_layer=mlp_mixer.Affine, mlp_ratio=4
        ),
        fit={"blocks": 3},
        both={"blocks": 3},
        size=16,
    ),
    "convmixer": Member(
        build=lambda: convmixer.ConvMixer(16, 3, kernel_size=3, patch_size=4, num_classes=3),
        fit={"blocks": 3},
    ),
    "poolformer": Member(
        build=lambda: metaformer.MetaFormer(
            depths=(2, 2), dims=(8, 16), token_mixers=metaformer.Pooling, res_scale_init_values=None,
            num_classes=3,
        ),
        fit=TWO,
        both=TWO,
    ),
    "caformer": Member(
        build=lambda: metaformer.MetaFormer(
            depths=(2, 2), dims=(8, 16), token_mixers=metaformer.SepConv, layer_scale_init_values=None,
            res_scale_init_values=(None, 1.0), num_classes=3,
        ),
        fit=TWO,
        both={"stages.0.blocks": 2},
    ),
    "focalnet": Member(
        build=lambda: focalnet.FocalNet(
            embed_dim=8, depths=(2, 2), focal_levels=(2, 2), focal_windows=(3, 3), num_classes=3
        ),
        fit=LAYERS,
        both=LAYERS,
    ),
    "gcvit": Member(
        build=lambda: gcvit.GlobalContextVit(
            img_size=64, depths=(2, 2), embed_dim=8, num_heads=(1, 1), num_classes=3,
            window_ratio=(16, 16),
        ),
        fit=TWO,
        both=TWO,
        size=64,
    ),
    "hiera": Member(
        build=lambda: hiera.Hiera(
            img_size=(64, 64), embed_dim=8, num_heads=1, stages=(2, 3), q_pool=1,
            mask_unit_size=(8, 8), num_classes=3,
        ),
        fit={"blocks": 4},
        both={"blocks": 4},
        size=64,
    ),
    "maxvit": Member(build=hybrid(("M", "M")), fit=TWO, size=64),
    "coatnet": Member(
        build=hybrid(("C", "T")), fit=TWO, both={"stages.1.blocks": 2}, size=64
    ),
    "resnet": Member(
        build=named("resnet18", layers=(3, 3, 1, 1), channels=(8, 8, 8, 8)),
        fit={"layer1": 2, "layer2": 2},
    ),
    "resnetv2": Member(
        build=named("resnetv2_50", layers=(3, 3), channels=(16, 32)),
        fit=TWO,
        size=64,
    ),
    "regnet": Member(
        build=lambda: regnet.RegNet(
            regnet.RegNetCfg(depth=9, w0=8, wa=4.0, wm=1.7, group_size=4, se_ratio=0.25),
            num_classes=3,
        ),
        fit={"s3": 2, "s4": 2},
        size=64,
    ),
    "efficientnet": Member(
        build=lambda: efficientnet.EfficientNet(
            decode_arch_def(INVERTED), num_features=16, stem_size=8, num_classes=3,
            drop_path_rate=0.2,
        ),
        fit={"blocks.0": 2, "blocks.2": 3},
        size=64,
    ),
    "levit": Member(
        build=named(
            "levit_128s", img_size=64, embed_dim=(16, 32), num_heads=(2, 2), depth=(2, 2), key_dim=8
        ),
        fit=TWO,
        both=TWO,
        size=64,
    ),
}  # fmt: skip


@pytest.fixture(params=list(FAMILIES), scope="module")
def family(request):
    """A family's member, the model in double precision, and a copy that is wired for `bdia`."""
    member = FAMILIES[request.param]
    model = built(member)
    return SimpleNamespace(
        member=member,
        model=model,
        wired=rewire(copy.deepcopy(model), "bdia", "stored"),
        x=pictures(member),
    )


def built(member):
    """The model in double precision, with vectors (biases, scales, norms) away from 0 and 1."""
    torch.manual_seed(0)
    model = member.build().double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def set_on(wired, scheme, backward="stored"):
    """A copy of a wired model with another scheme and backward, as anybody may set them."""
    changed = copy.deepcopy(wired)
    for sequence in changed.modules():
        if isinstance(sequence, ReversibleSequence):
            sequence.scheme, sequence.backward = scheme, backward
    return changed


def fits(model):
    """What `bdia` takes of it, and what `hamiltonian`, which needs two branches."""
    return tuple(found.fit for found in surveys(model, [Bdia(), Hamiltonian()]))


def pictures(member):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, member.size, member.size, dtype=torch.float64, generator=generator)


def only(output):
    return sum(output) if isinstance(output, tuple) else output


def test_it_is_found_by_structure_and_keeps_its_state_and_its_outputs(family):
    member, original = family.member, copy.deepcopy(family.model)
    assert fits(original) == (member.fit, member.both)
    assert all(module.training for module in original.modules())

    original.eval()
    wired = copy.deepcopy(family.wired).eval()
    for path in member.fit:
        assert isinstance(wired.get_submodule(path), ReversibleSequence)
    assert list(wired.state_dict()) == list(original.state_dict())
    fresh = built(member)
    fresh.load_state_dict(wired.state_dict(), strict=True)
    wired.load_state_dict(original.state_dict(), strict=True)
    with torch.no_grad():
        expected, given = only(original(family.x)), only(wired(family.x))
    assert (given - expected).abs().max() <= SAME * expected.abs().max()


def test_the_branches_add_up_to_what_the_blocks_computed(family):
    """Momentum without momentum calls the branches and never the blocks."""
    model, added = copy.deepcopy(family.model).eval(), set_on(family.wired, Momentum(gamma=0.0))
    with torch.no_grad():
        expected, given = only(model(family.x)), only(added.eval()(family.x))
    assert (given - expected).abs().max() <= SAME * expected.abs().max()


def wirings(family):
    """One that calls the blocks whole, and one that calls what is inside."""
    yield family.wired, Bdia()
    if not family.member.both:
        yield family.wired, Momentum()
    elif family.member.both == family.member.fit:
        yield family.wired, Additive(fuse="mean")
    else:  # two streams through some of its stacks alone
        additive = Additive(fuse="mean")
        yield rewire(copy.deepcopy(family.model), additive, "stored"), additive


def test_reversible_gradients_are_those_of_stored(family, train):
    for wired, scheme in wirings(family):
        reversible, stored = (
            train(_Sum(set_on(wired, scheme, backward).train()), family.x)
            for backward in ("reversible", "stored")
        )
        assert (reversible.output - stored.output).abs().max() <= SAME
        assert _worst(stored.gradients, reversible.gradients) < GRADIENTS


class _Sum(nn.Module):
    """One output of a model with two heads."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return only(self.model(x))


def _worst(expected, given):
    """The largest difference of two sets of gradients, relative to the tensor's or 10⁻³ of the largest.

    A bias before a norm has a gradient of rounding alone, so no tensor is its only measure.
    """
    assert expected.keys() == given.keys()
    largest = max(g.abs().max() for g in expected.values() if g is not None)
    errors = []
    for name, left in expected.items():
        right = given[name]
        assert (left is None) == (right is None), f"{name}: one gradient is missing"
        if left is not None:
            scale = left.abs().max() + 1e-3 * largest
            errors.append(((left - right).abs().max() / scale).item())
    return max(errors)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vgg11", "nothing in it that keeps its shape adds to its input"),
        ("repvgg_a0", "is not residual: nothing is added to its input"),
        ("densenet121", "nothing in it that keeps its shape adds to its input"),
        ("tnt_s_legacy_patch16_224", "leaves more behind than its output"),
    ],
)
def test_what_has_no_residual_stack_is_refused_with_the_reason(name, reason):
    with torch.device("meta"):
        model = timm.create_model(name)
    with pytest.raises(NotInvertible, match=reason):
        rewire(model, "bdia")
    assert not any(isinstance(module, ReversibleSequence) for module in model.modules())


KINDS = (
    "vit",
    "beit",
    "cait",
    "swin",
    "convnext",
    "mlp_mixer",
    "hiera",
    "resnet",
    "efficientnet",
    "levit",
)
"""Class tokens, biases, windows, convolutions, stages and norms of each kind; numbers play no part in what is found."""


@pytest.mark.parametrize("name", FAMILIES if "REVCONSOLE_FAULTS" in os.environ else KINDS)
def test_the_structure_of_a_model_without_memory_is_the_same(name):
    member = FAMILIES[name]
    with torch.device("meta"):
        assert fits(member.build()) == (member.fit, member.both)
