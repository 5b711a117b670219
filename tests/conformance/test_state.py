"""Randomness, running statistics, outputs and weights: what surrounds the gradients."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from revconsole.errors import NotInvertible
from revconsole.reversible import (
    BACKWARDS,
    Bdia,
    Momentum,
    Residual,
    ReversibleSequence,
    kept_for_backward,
    rewire,
)

RANDOM = {"proj_drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.3}


def allowed(scheme, backward):
    return backward != "reversible" or scheme.error_growth(2) < float("inf")


def test_all_backwards_give_the_same_outputs_for_the_same_draws(each, wire, images):
    outputs = []
    for backward in BACKWARDS:
        if allowed(each, backward):
            model = wire(each, backward, **RANDOM).train()
            torch.manual_seed(7)
            outputs.append(model(images))
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])


def test_in_evaluation_all_backwards_give_the_same_outputs(each, wire, images):
    outputs = [
        wire(each, backward, **RANDOM).eval()(images)
        for backward in BACKWARDS
        if allowed(each, backward)
    ]
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])


def test_the_backward_leaves_the_generator_where_the_forward_left_it(
    representative, again, pair, images
):
    _, model = pair(representative, again=again, **RANDOM)
    loss = model(images.double()).sum()
    state = torch.get_rng_state()
    loss.backward()
    assert torch.equal(state, torch.get_rng_state())


def test_batch_norm_statistics_update_once(scheme, backward, batch_norm_block):
    torch.manual_seed(0)
    blocks = [batch_norm_block(4) for _ in range(3)]
    if not allowed(scheme, backward):
        with pytest.raises(NotInvertible):
            ReversibleSequence(*blocks, scheme=scheme, backward=backward)
        return
    model = ReversibleSequence(*blocks, scheme=scheme, backward=backward)
    output = model(torch.randn(3, 5, 4, requires_grad=True))
    after_forward = {name: b.clone() for name, b in model.named_buffers()}
    output.sum().backward()
    assert all(torch.equal(b, after_forward[name]) for name, b in model.named_buffers())
    assert after_forward["0.norm.num_batches_tracked"] == 1


def test_a_block_that_changes_what_it_reads_is_refused(representative, again, batch_norm_block):
    block = batch_norm_block(4)
    spectral_norm(block.second)
    model = ReversibleSequence(block, block, scheme=representative, backward=again)
    with pytest.raises(NotInvertible, match="backward='stored'"):
        model(torch.randn(3, 5, 4))


HALVES = {"additive", "hamiltonian"}  # which evaluate attention and MLP apart and set nothing aside


def parked_bytes(scheme, depth, numbers):
    """What couplings set aside: a store in 3 bytes per number, a stream in 4; none at either end."""
    total = 0
    for index in range(depth):
        couplings = () if scheme.name in HALVES else scheme.couplings(OneBranch(), index, None)
        for number, coupling in enumerate(couplings):
            ends = {(0, 0), (depth - 1, len(couplings) - 1)}
            if coupling.parks is not None and (index, number) not in ends:
                total += (3 if coupling.parks == coupling.store else 4) * numbers
    return total


class OneBranch(nn.Module):
    def branches(self):
        return (torch.tanh,)


def test_bytes_kept_do_not_grow_with_depth_but_by_side_bits_and_draws(invertible, wire):
    """The streams, and for each block but the first and the last the packed bits."""
    batch, tokens, width = 5, 17, 24  # 2,040 numbers per stream
    kept = {}
    model = wire(invertible, "reversible", depth=6).train()
    exclude = [*model.parameters(), *model.buffers()]
    for depth in (3, 4, 6):
        x = torch.randn(batch, tokens, width, requires_grad=True)
        kept[depth] = kept_for_backward(lambda: model.blocks[:depth](x), exclude)  # noqa: B023  run at once

    numbers = batch * tokens * width
    for depth, bytes_kept in kept.items():
        expected = invertible.streams * numbers * 4 + parked_bytes(invertible, depth, numbers)
        if invertible.draws:
            expected += depth * batch * 4
        if invertible.grid:
            expected += (depth - 2) * -(-numbers * invertible.grid.lost // 8)
        assert bytes_kept == expected


def test_bytes_kept_by_stored_grow_with_depth(each, wire):
    kept, model = [], wire(each, "stored", depth=6).train()
    for depth in (2, 4, 6):
        x = torch.randn(2, 17, 24, requires_grad=True)
        kept.append(kept_for_backward(lambda: model.blocks[:depth](x), model.parameters()))  # noqa: B023  run at once
    per_block = (kept[2] - kept[1]) / 2
    assert per_block > 10 * x.nbytes


def test_generator_states_are_kept_only_where_something_was_drawn(representative, wire):
    kept = []
    for rate in (0.0, 0.1):
        model = wire(representative, "reversible", proj_drop_rate=rate).train()
        x = torch.randn(2, 17, 24, requires_grad=True)
        kept.append(kept_for_backward(lambda: model.blocks(x), model.parameters()))  # noqa: B023  run at once
    drawing = 2 if representative.name in HALVES else 1
    assert kept[1] - kept[0] == 4 * drawing * torch.get_rng_state().nbytes


def test_residual_is_the_model_it_came_from_bit_for_bit(vit, images, train):
    plain = train(vit(**RANDOM).train(), images)
    for backward in ("stored", "checkpointed"):
        wired = train(rewire(vit(**RANDOM), "residual", backward).train(), images)
        assert torch.equal(plain.output, wired.output)
        for name, gradient in plain.gradients.items():
            assert torch.equal(gradient, wired.gradients[name]), name


@pytest.mark.parametrize("init_values", [None, 0.1], ids=["plain", "layer-scale"])
def test_bdia_evaluates_as_the_model_it_came_from(vit, images, init_values):
    model = vit(init_values=init_values).eval()
    expected = model(images)
    in_floats = rewire(copy.deepcopy(model), Bdia(grid_bits=None)).eval()
    on_grid = rewire(model, Bdia()).eval()
    assert torch.equal(in_floats(images), expected)
    assert torch.equal(on_grid(images), expected)
    assert not torch.equal(on_grid.train()(images), in_floats.train()(images))


@pytest.mark.parametrize("wiring", [Bdia(gamma=0.0), Momentum(gamma=0.0)], ids=["bdia", "momentum"])
def test_gamma_zero_is_the_plain_network(wiring, vit, images):
    plain, wired = vit().double().train(), rewire(vit().double(), wiring, "stored").train()
    error = (plain(images.double()) - wired(images.double())).abs().max()
    assert error < 1e-14  # the same terms, summed in another order


def test_weights_load_strictly_both_ways(wire, each, vit):
    original, wired = vit(seed=1), wire(each, "stored", seed=2)
    ends = {"norm.weight", "norm.bias", "head.weight", "head.bias"}
    assert list(original.state_dict()) == list(wired.state_dict())
    wide = {n for n, t in wired.state_dict().items() if t.shape != original.state_dict()[n].shape}
    assert wide in (set(), ends - {"head.bias"})
    if not wide:
        wired.load_state_dict(original.state_dict(), strict=True)
        vit(seed=3).load_state_dict(wired.state_dict(), strict=True)


def test_copies_and_pickles_compute_the_same_and_share_nothing(representative, wire, images, train):
    model = wire(representative, "reversible", **RANDOM).train()
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]  # made here, hence trusted
    expected = train(model, images)
    for twin in twins:
        assert all(p.grad is None for p in twin.parameters())
        given = train(twin, images)
        assert torch.equal(given.output, expected.output)
        for name, gradient in expected.gradients.items():
            assert torch.equal(gradient, given.gradients[name]), name


def test_the_same_seed_gives_the_same_losses(representative, wire, images):
    curves = []
    for _ in range(2):
        model = wire(representative, "reversible", **RANDOM).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        torch.manual_seed(3)
        losses = []
        for _ in range(4):
            loss = nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 2]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0] == curves[1]
    assert len(set(curves[0])) == 4


def test_residual_declares_that_it_has_no_inverse():
    with pytest.raises(NotInvertible, match="no inverse"):
        Residual().require_inverse(1)
