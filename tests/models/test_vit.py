"""The vision transformer: timm's own, of the size and kind the settings ask for."""

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from revconsole.models import vit
from revconsole.records.sections.model import Vit

TINY = {"patch": 4, "dim": 8, "depth": 3, "heads": 2, "mlp_ratio": 1.0}


def build(*, size=32, channels=3, classes=10, **settings):
    return vit.build(Vit(**settings), size=size, channels=channels, classes=classes)


def count(model):
    return sum(p.numel() for p in model.parameters())


def closed_form(settings, size, channels, classes):
    """Parameters from the shapes alone."""
    D, P, H = settings.dim, settings.patch, int(settings.dim * settings.mlp_ratio)
    tokens = (size // P) ** 2 + (settings.pool == "cls")
    block = 4 * D + (3 * D * D + 3 * D) + (D * D + D) + (D * H + H) + (H * D + D)
    stem = channels * P * P * D + D + (D if settings.pool == "cls" else 0)
    positions = tokens * D if settings.position == "learned" else 0
    return stem + positions + settings.depth * block + 2 * D + D * classes + classes


@pytest.mark.parametrize(
    ("settings", "size", "channels"),
    [
        (Vit(), 32, 3),
        (Vit(patch=2, dim=48, depth=6, heads=4, mlp_ratio=2.0, pool="mean"), 8, 1),
        (Vit(patch=7, dim=64, depth=1, heads=1, mlp_ratio=0.5, position="sinusoidal"), 28, 1),
        (Vit(patch=4, dim=512, depth=6, heads=8, mlp_ratio=1.0, dropout=0.1), 32, 3),
    ],
)
def test_parameters_follow_the_closed_form(settings, size, channels):
    model = vit.build(settings, size=size, channels=channels, classes=10)

    assert count(model) == closed_form(settings, size, channels, 10)


def test_it_is_timms_model_of_the_same_shape():
    ours = build(size=224, classes=1000, patch=16, dim=192, depth=12, heads=3)
    theirs = timm.create_model("vit_tiny_patch16_224")

    assert {n: p.shape for n, p in ours.state_dict().items()} == {
        n: p.shape for n, p in theirs.state_dict().items()
    }
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.equal(ours.eval()(image), theirs.eval()(image))


def test_it_reads_the_class_token_or_the_mean():
    """With the mean, changing the order of tokens after the blocks changes nothing."""
    token, mean = build(pool="cls"), build(pool="mean")

    assert (token.global_pool, mean.global_pool) == ("token", "avg")
    assert token.cls_token is not None
    assert mean.cls_token is None


def test_dropout_is_where_the_settings_say():
    model = build(dropout=0.3, depth=2)
    active = {n for n, m in model.named_modules() if isinstance(m, torch.nn.Dropout) and m.p == 0.3}

    assert active == {
        "pos_drop", *(f"blocks.{k}.{name}" for k in (0, 1) for name in ("attn.proj_drop", "mlp.drop1", "mlp.drop2"))
    }  # fmt: skip
    assert all(block.attn.attn_drop.p == 0 for block in model.blocks)


def test_drop_path_rises_linearly_from_none():
    model = build(drop_path=0.2, depth=5)
    rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in model.blocks]

    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_sinusoidal_positions_are_fixed_saved_and_tell_rows_from_columns():
    model = build(position="sinusoidal", patch=8, dim=64, heads=4)
    positions = model.pos_embed

    assert isinstance(model, VisionTransformer)
    assert "pos_embed" not in dict(model.named_parameters())
    assert "pos_embed" in model.state_dict()
    assert positions.shape == (1, 17, 64)
    assert positions[0, 0].abs().sum() == 0  # the class token has no place
    grid = positions[0, 1:].reshape(4, 4, 64)
    distances = torch.cdist(grid.reshape(16, 64), grid.reshape(16, 64))
    assert (distances + 9 * torch.eye(16)).min() > 0.5  # every place is told from every other
    torch.testing.assert_close((grid[1, 0] - grid[0, 0]).norm(), (grid[0, 1] - grid[0, 0]).norm())


def test_it_is_built_without_memory_on_the_meta_device():
    with torch.device("meta"):
        model = build(dim=4096, depth=48, heads=32, position="sinusoidal")

    assert {p.device.type for p in model.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("patch", "dim", "heads", "depth", "reported"),
    [
        (8, 512, 2, 8, 17_374_820),
        (4, 512, 4, 8, 18_505_316),
        (8, 256, 2, 4, 3_435_364),
        (4, 256, 2, 8, 7_159_652),
    ],
)
def test_the_four_reported_networks_have_the_parameters_that_were_reported(
    patch, dim, heads, depth, reported
):
    settings = {"patch": patch, "dim": dim, "heads": heads, "depth": depth}
    with torch.device("meta"):
        model = build(size=224, classes=100, mlp_width=1024, final_norm=False, **settings)

    assert count(model) == reported


@pytest.mark.parametrize(("dim", "width"), [(48, 49), (49, 1), (192, 1024), (12, 11)])
def test_the_width_of_the_mlp_is_exactly_what_was_asked_for(dim, width):
    model = build(dim=dim, heads=1, depth=1, mlp_width=width)

    assert model.blocks[0].mlp.fc1.weight.shape == (width, dim)


def test_without_positions_the_patches_have_no_order():
    """Turned about, the same patches give the same logits; the class token is still read."""
    torch.manual_seed(0)
    model = build(position="none", patch=8, depth=2).eval()
    image = torch.randn(1, 3, 32, 32)
    turned = torch.cat([image[..., 8:], image[..., :8]], dim=-1)

    assert model.pos_embed is None
    torch.testing.assert_close(model(turned), model(image), rtol=1e-4, atol=1e-5)
    assert model.cls_token is not None


def test_sequence_pooling_weighs_tokens_by_what_they_say():
    model = build(pool="sequence", depth=1).eval()
    tokens = torch.randn(2, 9, 192)
    scores = tokens @ model.attn_pool.score.weight[0] + model.attn_pool.score.bias
    wanted = torch.stack([
        sum(w * t for w, t in zip(s.softmax(0), each, strict=True))
        for s, each in zip(scores, tokens, strict=True)
    ])  # fmt: skip

    torch.testing.assert_close(model.pool(tokens), wanted)
    assert model.cls_token is None
    assert isinstance(model.norm, torch.nn.LayerNorm)  # before the pool, as the paper has it
    assert isinstance(model.fc_norm, torch.nn.Identity)


@pytest.mark.parametrize("pool", ["cls", "mean", "sequence"])
def test_without_a_final_norm_there_is_none(pool):
    model = build(pool=pool, final_norm=False, depth=1)

    assert not [n for n in model.state_dict() if n.startswith(("norm.", "fc_norm."))]


@pytest.mark.parametrize(
    "choice",
    [
        {"pool": "sequence"},
        {"position": "none"},
        {"layer_scale": 0.1, "final_norm": False},
        {"mlp_width": 11, "pool": "mean", "dropout": 0.3, "drop_path": 0.2},
    ],
)
def test_every_choice_can_be_wired_by_every_scheme(choice, wires):
    torch.manual_seed(0)
    model = build(size=8, channels=1, classes=3, **{**TINY, **choice})

    wires(model, torch.randn(2, 1, 8, 8))
