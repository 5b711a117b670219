"""The gradients of `reversible` and `checkpointed` are those of ordinary autograd."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call

from revconsole.errors import NotInvertible
from revconsole.reversible import Additive, ReversibleSequence, set_draws
from tests.conformance.conftest import SCHEMES

FLOAT64_GRADIENT = 1e-10  # reconstruction in float64, amplified over a few blocks
SAME_NUMBERS = 1e-4  # same activations bit for bit; bf16 gradients summed in another order
BF16_FLIPS = 2e-2  # a source off by one float32 rounding flips some bf16 roundings of 4e-3
RANDOM = {"proj_drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.3}


def test_reversible_gradients_are_those_of_stored(invertible, pair, train, images, worst_error):
    for depth in (1, 2, 5):
        models = pair(invertible, depth=5, **RANDOM)
        for model in models:
            model.blocks = model.blocks[:depth]
        stored, reversible = (train(model, images.double()) for model in models)
        assert torch.equal(stored.output, reversible.output)
        assert worst_error(stored.gradients, reversible.gradients) < FLOAT64_GRADIENT


def test_checkpointed_gradients_are_those_of_stored(each, wire, train, images):
    stored, checkpointed = (
        train(wire(each, backward, **RANDOM).train(), images)
        for backward in ("stored", "checkpointed")
    )
    assert torch.equal(stored.output, checkpointed.output)
    for name, gradient in stored.gradients.items():
        assert torch.equal(gradient, checkpointed.gradients[name]), name


def test_under_autocast_gradients_are_those_of_stored_under_the_same_autocast(
    representative, pair, train, images, worst_error, witness
):
    stored, reversible = pair(representative, dtype=torch.float32, **RANDOM)
    seen = witness(reversible)
    expected = train(stored, images, autocast="bf16")
    given = train(reversible, images, autocast="bf16")
    tolerance = SAME_NUMBERS if representative.grid else BF16_FLIPS
    assert torch.equal(expected.output, given.output)
    assert worst_error(expected.gradients, given.gradients) < tolerance
    assert all(kinds == [torch.bfloat16] * 2 for kinds in seen.dtypes.values())


def test_a_weight_used_inside_and_after_the_sequence_gets_both_gradients_under_autocast(
    representative, pair, images, worst_error
):
    """A cast made without a graph in the forward must not be found again in autocast's cache."""
    gradients = []
    for model in pair(representative, dtype=torch.float32):
        weight = model.blocks[0].mlp.fc1.weight
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = model.forward_features(images)[..., :24]
            torch.nn.functional.linear(features, weight).float().square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert worst_error(*gradients) < BF16_FLIPS


IN_FLOATS = {
    repr(each): each
    for scheme in SCHEMES.values()
    for each in [replace(scheme, grid_bits=None) if scheme.grid else scheme]
    if each.error_growth(2) < float("inf")
}
"""Rounding onto a grid has no derivative, so each arithmetic once."""


@pytest.mark.parametrize("in_floats", IN_FLOATS.values(), ids=IN_FLOATS)
def test_gradcheck(in_floats, batch_norm_block):
    """Against finite differences, for input and weights."""
    torch.manual_seed(0)
    blocks = [batch_norm_block(2) for _ in range(3)]
    model = ReversibleSequence(*blocks, scheme=in_floats).double().train()
    set_draws(model, lambda blocks, samples, _: torch.ones(blocks, samples).tril(0) * 2 - 1)
    names, weights = zip(*model.named_parameters(), strict=True)

    def output(x, *weights):
        return functional_call(model, dict(zip(names, weights, strict=True)), x)

    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    copies = [w.detach().clone().requires_grad_() for w in weights]
    assert torch.autograd.gradcheck(output, (x, *copies), fast_mode=True)


def test_two_forwards_may_wait_for_their_backwards(
    representative, again, pair, images, worst_error
):
    """Nothing of a pass is kept on the modules."""
    models = pair(representative, again=again, **RANDOM)
    for order in ("first-second", "second-first", "together"):
        gradients = []
        for model in models:
            model.zero_grad()
            torch.manual_seed(5)
            losses = {
                "first": model(images.double()).square().sum(),
                "second": model(images.double().flip(0)).pow(3).sum(),
            }
            losses["together"] = losses["first"] + losses["second"]
            for name in order.split("-"):
                losses[name].backward()
            gradients.append({name: p.grad for name, p in model.named_parameters()})
        assert worst_error(*gradients) < FLOAT64_GRADIENT, order


def test_a_graph_that_is_retained_gives_the_same_gradients_again(
    representative, again, pair, images
):
    _, model = pair(representative, again=again, **RANDOM)
    loss = model(images.double()).square().sum()
    weights = list(model.parameters())
    once = torch.autograd.grad(loss, weights, retain_graph=True)
    twice = torch.autograd.grad(loss, weights)
    assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def test_autograd_grad_of_some_weights_leaves_grad_alone(representative, pair, images):
    expected, given = (
        torch.autograd.grad(
            model(images.double()).square().sum(),
            [model.blocks[2].mlp.fc1.weight, model.patch_embed.proj.weight],
        )
        for model in pair(representative)
        if torch.manual_seed(3)
    )
    for left, right in zip(expected, given, strict=True):
        assert (left - right).abs().max() < FLOAT64_GRADIENT * left.abs().max()


def test_differentiating_twice_raises(representative, pair, images):
    _, model = pair(representative)
    x = images.double().requires_grad_()
    loss = model(x).square().sum()
    with pytest.raises(NotInvertible, match=r"differentiated again .*'checkpointed' or 'stored'"):
        torch.autograd.grad(loss, x, create_graph=True)


FROZEN = {
    "stem": ("patch_embed", "pos_embed", "cls_token"),
    "first-and-last-block": ("blocks.0.", "blocks.3."),
    "stem-and-lower-blocks": ("patch_embed", "pos_embed", "cls_token", "blocks.0.", "blocks.1."),
    "stem-and-first-attention": (
        "patch_embed",
        "pos_embed",
        "cls_token",
        "blocks.0.attn",
        "blocks.0.norm1",
    ),
    "all-blocks": ("blocks.",),
}


def test_what_is_frozen_gets_no_gradient_and_the_rest_the_right_one(
    representative, pair, images, worst_error
):
    models = pair(representative, **RANDOM)
    for frozen, prefixes in FROZEN.items():
        gradients = []
        for model in models:
            model.zero_grad()
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(not name.startswith(prefixes))
            torch.manual_seed(4)
            model(images.double()).square().sum().backward()
            gradients.append({name: p.grad for name, p in model.named_parameters()})
        without = {name for name, gradient in gradients[1].items() if gradient is None}
        assert without == {name for name in gradients[1] if name.startswith(prefixes)}, frozen
        assert worst_error(*gradients) < FLOAT64_GRADIENT, frozen


def test_shared_parameters_collect_the_gradients_of_all_their_places(
    representative, pair, train, images, worst_error
):
    """Between blocks, and twice within one."""
    results = []
    for model in pair(representative):
        model.blocks[2].mlp.fc1.weight = model.blocks[0].mlp.fc1.weight
        model.blocks[1].norm2.weight = model.blocks[1].norm1.weight
        results.append(train(model, images.double()).gradients)
    assert worst_error(*results) < FLOAT64_GRADIENT


def test_one_block_may_stand_in_several_places(representative, batch_norm_block, worst_error):
    torch.manual_seed(0)
    block, x = batch_norm_block(4).double(), torch.randn(3, 5, 4, dtype=torch.float64)
    gradients = []
    for backward in ("stored", "reversible"):
        model = ReversibleSequence(block, block, block, scheme=representative, backward=backward)
        torch.manual_seed(1)
        model(x).square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in block.named_parameters()})
        block.zero_grad()
    assert worst_error(*gradients) < FLOAT64_GRADIENT


def test_hooks_on_parameters_run_once(representative, again, pair, train, images, worst_error):
    results = []
    for model in pair(representative, again=again):
        weight, calls = model.blocks[1].attn.qkv.weight, []
        weight.register_hook(lambda g, calls=calls: calls.append(1) or g / 2)
        results.append(train(model, images.double()).gradients)
        assert calls == [1]
    assert worst_error(*results) < FLOAT64_GRADIENT


def test_the_weights_of_a_functional_call_are_those_of_its_backward(
    representative, again, pair, images, worst_error
):
    """The backward comes when the module has its own weights back."""
    gradients = []
    for model in pair(representative, again=again):
        weights = {n: (1.1 * p.detach()).requires_grad_() for n, p in model.named_parameters()}
        torch.manual_seed(3)
        functional_call(model, weights, images.double()).square().sum().backward()
        assert all(p.grad is None for p in model.parameters())
        gradients.append({name: weight.grad for name, weight in weights.items()})
    assert worst_error(*gradients) < FLOAT64_GRADIENT


def test_weights_changed_between_forward_and_backward_are_noticed(
    representative, again, pair, images
):
    _, model = pair(representative, again=again)
    loss = model(images.double()).sum()
    with torch.no_grad():
        model.blocks[1].mlp.fc2.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_loss_of_one_stream_only(pair, images, worst_error):
    """The other stream then has no gradient at all, which is not the same as zeros."""

    gradients = []
    for model in pair(Additive()):
        model.norm, model.head = nn.Identity(), nn.Identity()
        features = model(images.double()).unflatten(-1, (2, -1))
        features[..., 0, :].square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert worst_error(*gradients) < FLOAT64_GRADIENT
