"""Stems: shifted patches against their definition, sides of the convolutional ones, and wiring behind them."""

import pytest
import torch
from torch import nn

from revconsole.models._stems import ShiftedPatches, convolutional_tokens, side_of_tokens, stem
from revconsole.models.vit import build
from revconsole.records.sections.model import Vit

KINDS = ("shifted", "conv", "resnet")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patch", [2, 4, 8])
def test_a_stem_makes_one_token_of_each_patch(kind, patch):
    made = stem(kind, size=(16, 16), channels=3, dim=24, patch=patch)

    tokens = made(torch.randn(2, 3, 16, 16))
    assert tokens.shape == (2, (16 // patch) ** 2, 24)
    assert made.num_patches == tokens.shape[1]


def test_shifted_patches_see_half_a_patch_around_themselves_and_no_further():
    """A patch and its copies from four corners cover the patch grown by half on each side."""
    made = ShiftedPatches(1, 6, 4)
    image = torch.randn(1, 1, 16, 16, requires_grad=True)
    made(image)[0, :, 1, 2].sum().backward()

    seen = torch.zeros(16, 16, dtype=torch.bool)
    seen[2:10, 6:14] = True
    assert torch.equal(image.grad[0, 0] != 0, seen)


def test_shifted_patches_are_normed_rows_of_five_images():
    """Patch by patch: the image, and the image moved by (±2, ±2) with nothing where it came from."""
    torch.manual_seed(0)
    made, image = ShiftedPatches(2, 6, 4), torch.randn(1, 2, 8, 8)
    grown = nn.functional.pad(image, (2, 2, 2, 2))
    moved = [grown[..., y : y + 8, x : x + 8] for x, y in [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)]]
    rows = torch.cat([each[0, :, 4:8, 0:4].reshape(-1) for each in moved])

    wanted = made.proj(made.norm(rows))
    torch.testing.assert_close(made(image)[0, :, 1, 0], wanted)


@pytest.mark.parametrize(("convolutions", "kernel"), [(1, 3), (2, 3), (1, 5), (2, 7)])
def test_the_side_of_convolutional_tokens_is_known_beforehand(convolutions, kernel):
    shape = {"convolutions": convolutions, "kernel": kernel}
    layers = convolutional_tokens(3, 8, **shape)

    for size in (8, 28, 32):
        side = side_of_tokens(size, **shape)
        assert layers(torch.zeros(1, 3, size, size)).shape == (1, 8, side, side)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_behind_a_stem_can_be_wired_by_every_scheme(kind, wires):
    torch.manual_seed(0)
    settings = Vit(patch=4, dim=8, depth=3, heads=2, mlp_ratio=1.0, stem=kind)

    wires(build(settings, size=8, channels=1, classes=3), torch.randn(2, 1, 8, 8))
