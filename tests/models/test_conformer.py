"""Conformer: both branches see the image and each other, and both decide."""

import torch

from revconsole.models import conformer
from revconsole.models.conformer import Down, Up
from revconsole.records.sections.model import Conformer


def build(*, size=16, channels=3, classes=5, **settings):
    torch.manual_seed(0)
    small = {"dim": 12, "channels": 8, "depth": 3}
    return conformer.build(
        Conformer(**small | settings), size=size, channels=channels, classes=classes
    )


def test_it_sees_images_of_any_size_and_patch():
    for size, patch in ((8, 2), (28, 4), (32, 8)):
        model = build(size=size, channels=1, patch=patch)
        assert model(torch.zeros(2, 1, size, size)).shape == (2, 5)


def test_the_logits_are_the_mean_of_both_heads():
    model, images = build().eval(), torch.randn(2, 3, 16, 16)
    both = model(images)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        of_features = model(images)

    assert (both - of_features).abs().max() > 1e-4
    features = {}
    model.blocks[-1].register_forward_hook(lambda _m, _g, out: features.update(x=out[0]))
    model(images)
    torch.testing.assert_close(of_features, model.head_features(features["x"].mean(dim=(2, 3))) / 2)


def test_each_branch_hears_of_the_other():
    """What one block is given in either branch changes what it makes of both."""
    block = build().eval().blocks[0]
    features, tokens = torch.randn(1, 8, 8, 8), torch.randn(1, 17, 12)
    here = block(features, tokens)

    for changed in (block(features + 1, tokens), block(features, tokens.roll(1, -1))):
        assert all((a - b).abs().max() > 1e-4 for a, b in zip(here, changed, strict=True))


def test_a_patch_and_its_pixels_stay_in_their_place():
    """Down averages the pixels of a patch; up spreads a token over them; the class token has no place."""
    down, up = Down(4, 12, 2).eval(), Up(12, 4, 2, side=4).eval()
    features = torch.zeros(1, 4, 8, 8)
    features[..., 2:4, 4:6] = 1.0
    quiet = down(torch.zeros_like(features), torch.zeros(1, 17, 12))
    moved = (down(features, torch.zeros(1, 17, 12)) - quiet).abs().sum(-1)[0]
    assert moved.nonzero().flatten().tolist() == [1 + 4 * 1 + 2]

    tokens = torch.zeros(1, 17, 12)
    tokens[0, 0], tokens[0, 7] = 5.0, 1.0
    spread = (up(tokens) - up(torch.zeros_like(tokens))).abs().sum(1)[0]
    assert set(map(tuple, spread.nonzero().tolist())) <= {(2, 4), (2, 5), (3, 4), (3, 5)}
    assert spread.sum() > 0


def test_every_weight_learns():
    model = build(drop_path=0.1)
    model(torch.randn(4, 3, 16, 16)).square().sum().backward()

    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in silent if not name.endswith("conv1.bias")] == []
