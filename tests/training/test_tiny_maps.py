"""Tiny maps: a run whose gradient torch would compute wrongly is refused, and no other."""

import pytest
import torch
from torch import nn

from revconsole.errors import ProfileError
from revconsole.training.learning.preparing import prepare
from revconsole.training.setup.tiny_maps import _note


def with_model(small, architecture, precision):
    plan = small(train={"precision": precision})
    model = {"architecture": architecture}
    return type(plan).model_validate(plan.model_dump() | {"model": model})


def test_a_network_that_halves_a_map_of_one_pixel_is_refused_in_bf16_alone(small, tmp_path):
    with pytest.raises(ProfileError, match=r"train\.precision.*whose map is 1 × 1; use float32"):
        prepare(with_model(small, "resnet", "bf16"), data=tmp_path)
    for architecture, precision in (("resnet", "float32"), ("cnn", "bf16"), ("vit", "bf16")):
        prepare(with_model(small, architecture, precision), data=tmp_path)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "wrong"),
    [(1, 3, 2, True), (2, 3, 3, True), (1, 5, 1, True), (2, 7, 1, True), (1, 3, 1, False), (2, 3, 2, False), (1, 1, 2, False), (3, 7, 2, False)],
)  # fmt: skip
def test_a_map_counts_as_tiny_where_taps_lie_beyond_it_for_every_output(
    side, kernel, stride, wrong
):
    found = []
    layer = nn.Conv2d(2, 2, kernel, stride=stride, padding=kernel // 2)

    _note(found, "stem", layer, (torch.zeros(1, 2, 9, side),))

    assert found == ([f"stem, whose map is 9 × {side}"] if wrong else [])


def test_a_map_that_is_not_tiny_has_the_gradient_of_float32():
    """The claim about torch, where it holds everywhere; where it does not, it leaves what the memory held."""
    torch.manual_seed(0)
    images = torch.randn(4, 16, 2, 2)
    layer = nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        maps = layer(images)
    wanted = torch.randn_like(maps)
    maps.backward(wanted)
    rounded, layer.weight.grad = layer.weight.grad, None
    layer(images).backward(wanted.float())

    assert torch.allclose(rounded, layer.weight.grad, atol=0.02 * layer.weight.grad.abs().max())
