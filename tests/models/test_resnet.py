"""Residual networks: the reported size, both stems, and identity blocks that a scheme can wire."""

import pytest
import torch

from revconsole.models import resnet
from revconsole.records.sections.model import Resnet
from revconsole.reversible import Bdia, Momentum, survey


def build(*, channels=3, classes=10, **settings):
    return resnet.build(Resnet(**settings), size=32, channels=channels, classes=classes)


def test_resnet_18_has_the_parameters_that_were_reported(weights):
    with torch.device("meta"):
        assert weights(build(classes=100)) == 11_227_812


@pytest.mark.parametrize(("layers", "convolutions"), [(18, 17), (34, 33), (50, 49)])
def test_it_has_as_many_layers_as_its_name_says(layers, convolutions):
    """Convolutions on the long way, and the head."""
    with torch.device("meta"):
        model = build(layers=layers)
    found = [
        n
        for n, m in model.named_modules()
        if isinstance(m, torch.nn.Conv2d) and "downsample" not in n
    ]

    assert len(found) == convolutions


def test_the_stem_for_small_images_keeps_their_side():
    sides = {}
    for stem in ("imagenet", "cifar"):
        model = build(stem=stem, channels=6)
        model.layer1.register_forward_hook(
            lambda _m, given, _o, stem=stem: sides.__setitem__(stem, given[0].shape[-1])
        )
        assert model(torch.zeros(2, 6, 32, 32)).shape == (2, 10)

    assert sides == {"imagenet": 8, "cifar": 32}


def test_identity_blocks_are_wired_and_convolution_blocks_left():
    with torch.device("meta"):
        found = survey(build(layers=34, stem="cifar"))

    assert found.fit == {"layer1": 3, "layer2": 3, "layer3": 5, "layer4": 2}


def test_its_stages_reverse(wires):
    torch.manual_seed(0)

    wires(build(layers=34, stem="cifar"), torch.randn(2, 3, 8, 8), (Bdia(), Momentum()))
