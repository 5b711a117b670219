"""What `plan` says of a model: multiply-adds against a formula by hand and against torch's own counter."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from revconsole.errors import RevconsoleError
from revconsole.training import door
from revconsole.training.build import build_model
from revconsole.training.cost import cost, multiply_adds

KEYS = {"parameters", "trainable_parameters", "flops_per_image", "seconds_to_build"}


def by_hand(model, size, channels, classes):
    """Multiply-adds of a vision transformer with a class token, from the shapes alone."""
    D, P = model.dim, model.patch
    patches = (size // P) ** 2
    N, hidden = patches + 1, int(D * model.mlp_ratio)
    block = N * (3 * D * D) + 2 * N * N * D + N * D * D + 2 * N * D * hidden
    return patches * channels * P * P * D + model.depth * block + D * classes


def by_torch(model, image):
    """torch counts a multiplication and an addition as two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(image)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("changes", [{}, {"patch": 2, "dim": 24, "heads": 3, "depth": 5}])
def test_a_transformer_computes_what_its_shapes_say(small, changes):
    plan = small(model=changes)

    assert cost(plan)["flops_per_image"] == by_hand(plan.model, 8, 1, 10)


def test_torchs_own_counter_agrees(small):
    plan = small(model={"patch": 2})
    image = torch.zeros(1, 1, 8, 8)

    assert cost(plan)["flops_per_image"] == by_torch(build_model(plan), image)


def test_attention_of_more_tokens_than_width_is_not_left_out(small):
    """784 patches of 16 numbers: the attention is most of it, and fvcore alone would not see it."""
    plan = small(
        model={"patch": 1}, data={"dataset": "mnist", "train_limit": 128, "validation": 0.125}
    )
    products = 2 * 785 * 785 * 16 * plan.model.depth

    counted = cost(plan)["flops_per_image"]
    assert counted == by_hand(plan.model, 28, 1, 10)
    assert products > 0.8 * counted


def test_convolutions_are_counted_and_norms_are_not():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())

    assert multiply_adds(layers, torch.zeros(1, 3, 16, 16)) == 16 * 16 * 3 * 8 * 9


def test_torchs_fused_layer_hides_nothing():
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    tokens = torch.zeros(1, 5, 16)

    assert multiply_adds(layer, tokens) == 5 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 5 * 5 * 16


class Untraceable(nn.Module):
    def forward(self, x):
        return x * round(x.shape[0] ** 0.5)


def test_a_model_that_cannot_be_traced_is_one_sentence():
    with pytest.raises(RevconsoleError, match="Untraceable could not be traced to count its"):
        multiply_adds(Untraceable(), torch.zeros(4, 2))


def test_the_mode_of_the_model_is_left_alone():
    model = nn.Sequential(nn.Linear(4, 4)).train()
    multiply_adds(model, torch.zeros(1, 4))

    assert model.training


def test_every_scheme_can_be_counted(small, wiring):
    """A scheme moves the same branches about; only `additive` with two streams has a wider head."""
    plain, wired = cost(small()), cost(small(**wiring))

    wider = 16 * 10 if wiring["scheme"]["name"] == "additive" else 0
    assert wired["flops_per_image"] == plain["flops_per_image"] + wider
    assert wired["parameters"] == door.count_parameters(small(**wiring))
    assert set(wired) == KEYS


def test_fixed_positions_are_no_parameters(small):
    """The learned table of 2 × 2 patches and a class token, 16 wide, is what they spare."""
    learned, fixed = cost(small()), cost(small(model={"position": "sinusoidal"}))

    assert learned["parameters"] - fixed["parameters"] == 5 * 16
    assert fixed["trainable_parameters"] == fixed["parameters"]


def test_frozen_parameters_do_not_learn(small):
    counted = cost(small(train={"freeze": "pos_embed"}))

    assert counted["parameters"] - counted["trainable_parameters"] == 5 * 16
