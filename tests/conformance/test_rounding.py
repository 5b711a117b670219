"""The one rule on rounding, both ways: what it admits has good gradients, and what it refuses has not."""

import copy
from functools import cache

import pytest
import timm
import torch

from revconsole import arithmetic
from revconsole.errors import NotInvertible
from revconsole.reversible import (
    Additive,
    Bdia,
    Coefficients,
    Leapfrog,
    Midpoint,
    MidpointA,
    Momentum,
    rewire,
)

pytestmark = pytest.mark.slow

FLOATS = Bdia(grid_bits=None)
TYPES = {
    "float64": (torch.float64, None),
    "float32": (torch.float32, None),
    "bf16 autocast": (torch.float32, torch.bfloat16),
    "fp16 autocast": (torch.float32, torch.float16),
    "bf16": (torch.bfloat16, None),
}
GOOD = {"float64": 5e-3, "float32": 5e-3}
"""Of the whole gradient, what is admitted is off by no more, and in half types by a tenth: their own rounding is 2 %."""
BAD = {"float64": 2e-4, "float32": 2e-4}
"""What is refused is off by more, and in half types by a fiftieth."""
ADMITTED = [
    (Additive(fuse="mean"), 48, "float32"),
    (Additive(fuse="mean"), 24, "bf16 autocast"),
    (Additive(fuse="mean"), 24, "fp16 autocast"),
    (Additive(fuse="mean"), 24, "bf16"),
    (Momentum(), 24, "float32"),
    (Momentum(), 12, "bf16 autocast"),
    (Momentum(), 12, "fp16 autocast"),
    (Momentum(), 8, "bf16"),
    (Momentum(gamma=0.5), 12, "float32"),
    (Momentum(gamma=0.5), 24, "float64"),
    (Midpoint(), 24, "float32"),
    (Midpoint(), 12, "bf16 autocast"),
    (Leapfrog(), 24, "float32"),
    (MidpointA(), 24, "float32"),
    (MidpointA(), 12, "bf16 autocast"),
    (FLOATS, 12, "float32"),
    (FLOATS, 4, "bf16 autocast"),
    (FLOATS, 24, "float64"),
    (Coefficients(progress=0.8), 24, "float32"),
    (Bdia(), 24, "float32"),
    (Bdia(), 24, "bf16 autocast"),
    (Bdia(), 12, "fp16 autocast"),
]
REFUSED = [
    (Momentum(gamma=0.5), 32, "float32"),
    (Momentum(), 24, "bf16"),
    (FLOATS, 16, "float32"),
    (FLOATS, 12, "bf16 autocast"),
    (FLOATS, 12, "fp16 autocast"),
    (FLOATS, 8, "bf16"),
    (Leapfrog(), 12, "bf16"),
    (MidpointA(), 24, "bf16 autocast"),
    (Coefficients(progress=0.8), 12, "bf16 autocast"),
]


def name(case):
    return case if isinstance(case, str) else str(getattr(case, "name", case))


@cache
def wired(kind, most):
    """A ViT of width 64, rougher than a fresh one, of as many blocks as any case has, wired once for a kind of scheme."""
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=64, num_heads=4, depth=most, num_classes=5
    )  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return rewire(model, kind, "stored").train()


def gradients(scheme, depth, types, backward):
    """In one vector of float64."""
    dtype, autocast = TYPES[types]
    kind, most = (scheme, 48) if isinstance(scheme, Additive) else (Bdia(), 32)
    whole = wired(kind, most)
    every_block = whole.blocks
    whole.blocks = every_block[:depth]
    try:
        model = copy.deepcopy(whole).to(dtype)
    finally:
        whole.blocks = every_block
    model.blocks.scheme, model.blocks.backward = scheme, backward
    torch.manual_seed(2)
    images, labels = torch.randn(4, 3, 16, 16), torch.arange(4)
    torch.manual_seed(1)
    with torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None):
        loss = torch.nn.functional.cross_entropy(model(images.to(dtype)).double(), labels)
    (1024 * loss).backward()
    return torch.cat([p.grad.double().flatten() for p in model.parameters()])


def error(scheme, depth, types):
    stored = gradients(scheme, depth, types, "stored")
    return ((gradients(scheme, depth, types, "reversible") - stored).norm() / stored.norm()).item()


@pytest.mark.parametrize(("wiring", "depth", "types"), ADMITTED, ids=name)
def test_what_is_admitted_is_good(wiring, depth, types):
    assert error(wiring, depth, types) <= GOOD.get(types, 0.1)


@pytest.mark.parametrize(("wiring", "depth", "types"), REFUSED, ids=name)
def test_what_is_refused_is_bad(wiring, depth, types, monkeypatch):
    with pytest.raises(NotInvertible, match=f"undoing {depth} blocks .* set grid_bits=9"):
        error(wiring, depth, types)
    monkeypatch.setattr(arithmetic, "MARGIN", 1e-9)
    assert error(wiring, depth, types) >= BAD.get(types, 0.02)


def test_what_is_known_of_floats_is_said_when_the_model_is_rewired(vit):
    with pytest.raises(
        NotInvertible, match=r"32 blocks of the scheme momentum in float32 .*100\.00% .*0\.05%"
    ):
        rewire(vit(depth=32), Momentum(gamma=0.5))
    rewire(vit(depth=12), FLOATS)


def test_conditions_are_judged_anew_at_every_forward(vit, images):
    model = rewire(vit(depth=12), FLOATS).train()
    model(images)
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(NotInvertible, match=r"in bf16 .*, compute in float32"),
    ):
        model(images)
    model.double()(images.double())
    with pytest.raises(NotInvertible, match="with weights in float32 under autocast"):
        model.bfloat16()(images.bfloat16())
    with torch.no_grad():
        model.eval()(images.bfloat16())


def test_blocks_between_that_are_kept_start_the_growth_anew(vit, images):
    model = rewire(vit(depth=24), FLOATS, "stored").train()
    model.blocks.backward = (["reversible"] * 11 + ["checkpointed"]) * 2
    model(images)
    with pytest.raises(NotInvertible, match="undoing 13 blocks"):
        model.blocks.backward = ["reversible"] * 13 + ["stored"] * 11


def test_products_of_matrices_in_fewer_bits_count_as_what_branches_compute_in(vit, images):
    model = rewire(vit(depth=12), FLOATS).train()
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with pytest.raises(NotInvertible, match="in bf16"):
            model(images)
    finally:
        torch.set_float32_matmul_precision(before)
    model(images)


def test_a_grid_is_wider_in_float64_and_says_where_it_ends(vit, images):
    model = rewire(vit(depth=4).double(), Bdia()).train()
    with torch.no_grad():
        model.pos_embed.fill_(1e6)
    model(images.double()).sum().backward()
    with pytest.raises(Exception, match="use fewer grid_bits"):
        model.float()(images)


def test_where_nothing_is_undone_there_is_nothing_to_lose():
    """Not even by a scheme that has no inverse."""
    for backward in ("stored", "checkpointed"):
        model = timm.create_model("test_vit", img_size=32, num_classes=5)
        wired = rewire(model, "residual", backward).train()
        wired(torch.randn(2, 3, 32, 32)).sum().backward()
        wired.blocks.require_digits(autocast=torch.bfloat16)
