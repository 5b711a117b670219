"""Transformer of shifted windows: the reported sizes, one for small images, images it cannot see."""

import pytest
import torch

from revconsole.errors import ProfileError
from revconsole.models import swin
from revconsole.records.sections.model import Swin
from revconsole.reversible import survey


def build(*, size=32, channels=3, classes=10, **settings):
    return swin.build(Swin(**settings), size=size, channels=channels, classes=classes)


@pytest.mark.parametrize(("variant", "reported"), [("tiny", 27_596_254), ("small", 48_914_158)])
def test_tiny_and_small_have_the_parameters_that_were_reported(variant, reported, weights):
    with torch.device("meta"):
        assert weights(build(variant=variant, size=224, classes=100)) == reported


@pytest.mark.parametrize("size", [8, 28, 32])
def test_mini_sees_small_images_in_windows_of_four(size):
    model = build(size=size, channels=1)

    assert model(torch.zeros(2, 1, size, size)).shape == (2, 10)
    assert {block.window_size for stage in model.layers for block in stage.blocks} <= {
        (4, 4), (2, 2), (1, 1),
    }  # fmt: skip


@pytest.mark.parametrize(("variant", "size"), [("mini", 6), ("mini", 27), ("tiny", 28)])
def test_images_it_cannot_see_are_refused(variant, size):
    with pytest.raises(ProfileError, match=rf"data\.image_size: swin {variant} sees images of"):
        build(variant=variant, size=size)


def test_every_stage_can_be_wired():
    with torch.device("meta"):
        found = survey(build(), "hamiltonian")

    assert sum(found.fit.values()) == 12


def test_its_stages_reverse(wires):
    torch.manual_seed(0)
    model = build(size=16, channels=1, classes=3, drop_path=0.1)

    wires(model, torch.randn(2, 1, 16, 16))
