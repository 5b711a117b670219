"""The module: its face, its draws, and what it refuses."""

import copy
import gc
import weakref

import pytest
import timm
import torch
from timm.models import vision_transformer
from torch import nn

from revconsole.errors import NotInvertible, RevconsoleError, UnknownName
from revconsole.reversible import (
    Additive,
    Bdia,
    Momentum,
    ReversibleSequence,
    make_scheme,
    rewire,
    set_draws,
)
from revconsole.reversible.tape import Tape


class Block(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def branches(self):
        return (lambda x: self.first(x).tanh(), lambda x: self.second(x).tanh())

    def forward(self, x):
        for branch in self.branches():
            x = x + branch(x)
        return x


def blocks(count):
    torch.manual_seed(0)
    return [Block() for _ in range(count)]


def test_a_slice_is_a_sequence_of_the_same_wiring():
    whole = ReversibleSequence(*blocks(5), scheme=Momentum(), backward="checkpointed").eval()
    source = torch.zeros
    set_draws(whole, source)
    part = whole[1:4]
    assert isinstance(part, ReversibleSequence)
    assert (part.scheme, part.backward, part.draws) == (whole.scheme, "checkpointed", source)
    assert list(part) == list(whole)[1:4]
    assert not part.training
    assert whole[2] is part[1]

    whole.backward = ("stored", "checkpointed", "stored", "checkpointed", "checkpointed")
    assert whole[1:4].backward == whole.backward[1:4]
    assert whole[::-1].backward == whole.backward[::-1]


def test_bdia_evaluates_by_its_equation_at_an_evaluation_gamma():
    sequence = ReversibleSequence(*blocks(4), scheme=Bdia(grid_bits=None, evaluation_gamma=-0.3))
    sequence.double().eval()
    first, *later = [block.double() for block in blocks(4)]
    x = torch.randn(3, 4, dtype=torch.float64)

    before, now = x, first(x)
    for block in later:
        before, now = now, -0.3 * before + 1.3 * now + 0.7 * (block(now) - now)

    torch.testing.assert_close(sequence(x), now, atol=1e-12, rtol=0)


def test_exact_bdia_evaluated_at_its_gamma_does_what_training_does_where_all_signs_are_plus():
    scheme = Bdia(grid_bits=9, evaluation_gamma=0.5)
    sequence = ReversibleSequence(*blocks(5), scheme=scheme)
    set_draws(sequence, lambda count, samples, _: torch.ones(count, samples))
    x = torch.randn(3, 4)
    assert torch.equal(sequence.train()(x), sequence.eval()(x))


def test_an_unknown_backward_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'reversible'"):
        ReversibleSequence(*blocks(2), scheme=Bdia(), backward="reversibel")


def test_a_sequence_that_grew_too_deep_is_refused_when_it_runs():
    sequence = ReversibleSequence(*blocks(12), scheme=Bdia(grid_bits=None))
    sequence.append(Block())
    with pytest.raises(NotInvertible, match="13 blocks"):
        sequence(torch.randn(2, 4))


def test_a_sequence_that_grew_needs_a_backward_for_each_block_or_one_word_for_all():
    sequence = ReversibleSequence(
        *blocks(2), scheme=Momentum(), backward=["stored", "checkpointed"]
    )
    sequence.append(Block())
    with pytest.raises(RevconsoleError, match="there are 3 blocks, and 2 backwards"):
        sequence(torch.randn(2, 4))
    sequence.backward = "stored"
    sequence(torch.randn(2, 4))


def test_draws_come_from_the_source_and_are_asked_for_in_training_only():
    asked = []

    def source(count, samples, device):
        asked.append((count, samples, device.type))
        return -torch.ones(count, samples)

    sequence = ReversibleSequence(*blocks(3), scheme=Bdia())
    set_draws(nn.Sequential(sequence), source)
    x = torch.randn(2, 5, 4)
    once, again = sequence.train()(x), sequence(x)
    evaluated = sequence.eval()(x)
    assert asked == [(3, 2, "cpu")] * 2
    assert torch.equal(once, again)
    assert not torch.equal(once, evaluated)


def test_a_source_of_the_wrong_shape_is_refused():
    sequence = ReversibleSequence(*blocks(3), scheme=Bdia())
    set_draws(sequence, lambda count, samples, _: torch.ones(samples, count))
    with pytest.raises(RevconsoleError, match=r"\(2, 3\).*need \(3, 2\)"):
        sequence(torch.randn(2, 5, 4))


def test_each_sample_depends_on_its_own_draw_only():
    sequence = ReversibleSequence(*blocks(4), scheme=Bdia())
    x, outputs = torch.randn(2, 4).repeat(2, 1)[:3], []
    for signs in ([1, 1, 1], [1, -1, 1]):
        set_draws(sequence, lambda count, _, __, s=signs: torch.tensor([s] * count))
        outputs.append(sequence(x))
    same = (outputs[0] == outputs[1]).all(dim=1)
    assert same.tolist() == [True, False, True]


def test_default_draws_follow_the_seed_of_torch():
    sequence = ReversibleSequence(*blocks(4), scheme=Bdia())
    x, outputs = torch.randn(6, 4), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outputs.append(sequence(x))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_an_exact_scheme_keeps_float32_streams_under_autocast():
    sequence = ReversibleSequence(*blocks(4), scheme=Bdia(grid_bits=9))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert sequence(torch.randn(2, 4).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("scheme", [Momentum(), Momentum(start="first"), Additive()], ids=str)
def test_float_schemes_keep_float32_streams_under_autocast(scheme):
    model = ReversibleSequence(*[Block(4) for _ in range(3)], scheme=scheme).train()
    kept = []
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t),
    ):
        model(torch.randn(2, 3, 4))
    streams = [t for t in kept if t.shape == (2, 3, 4)]
    assert len(streams) == 2
    assert {t.dtype for t in streams} == {torch.float32}


def test_an_exact_scheme_in_a_half_precision_model_is_refused():
    sequence = ReversibleSequence(*blocks(4), scheme=Bdia(grid_bits=9)).bfloat16()
    with pytest.raises(RevconsoleError, match=r"use torch\.autocast"):
        sequence(torch.randn(2, 4).bfloat16())


def test_what_was_trained_on_a_grid_is_evaluated_in_half_precision_without_it():
    trained = ReversibleSequence(*blocks(4), scheme=Bdia())
    halved, x = copy.deepcopy(trained).bfloat16().eval(), torch.randn(2, 4)
    plain = nn.Sequential(*copy.deepcopy(halved)).eval()
    assert torch.equal(halved(x.bfloat16()), plain(x.bfloat16()))


@pytest.mark.parametrize("backward", ["stored", "checkpointed", "reversible"])
def test_an_overflow_of_the_grid_is_caught_in_every_backward(backward):
    sequence = ReversibleSequence(*blocks(4), scheme=Bdia(grid_bits=9), backward=backward)
    with torch.no_grad():
        sequence[2].second.weight.fill_(1e5)
        sequence[2].branches = lambda: (sequence[2].first, sequence[2].second)
    with pytest.raises(RevconsoleError, match="after block 2 reaches"):
        sequence(torch.randn(2, 4, requires_grad=True))


def test_float_streams_keep_the_dtype_of_the_input():
    sequence = ReversibleSequence(*blocks(4), scheme=Additive(fuse="mean")).bfloat16()
    assert sequence(torch.randn(2, 4).bfloat16()).dtype == torch.bfloat16


def test_additive_needs_two_branches():
    block = Block()
    block.branches = lambda: (block.first,)
    with pytest.raises(NotInvertible, match=r"block 0 .* has 1"):
        ReversibleSequence(block, block, scheme=Additive())(torch.randn(2, 4))


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(
    "scheme", [Bdia(), Momentum(), Additive(fuse="mean")], ids=lambda s: s.name
)
def test_walking_over_the_blocks_never_computes_another_network(scheme, mode):
    """timm does so for attention masks, intermediate features and its own checkpointing."""
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=2, embed_dim=24, num_heads=2, depth=3
    )
    model, images = rewire(model, scheme), torch.randn(2, 3, 8, 8)
    getattr(model, mode)()

    def masked():
        return model(images, attn_mask=torch.zeros(17, 17))

    def intermediate():
        return model.forward_intermediates(images, output_fmt="NLC")

    def checkpointed():
        model.set_grad_checkpointing()
        return model(images)

    for walk in (masked, intermediate, checkpointed):
        if isinstance(scheme, Bdia) and mode == "eval":
            walk()
        else:
            with pytest.raises(RevconsoleError, match="call the whole sequence"):
                walk()


def test_in_evaluation_forward_hooks_of_blocks_run():
    sequence, seen = ReversibleSequence(*blocks(3), scheme=Bdia()).eval(), []
    sequence[1].register_forward_hook(lambda *_: seen.append(1))
    sequence(torch.randn(2, 4))
    assert seen == [1]


def test_a_recurrent_layer_is_refused():
    """It holds its weights twice, and the gradients would silently go to the wrong ones."""
    block = Block()
    block.memory = nn.GRU(4, 4)
    with pytest.raises(NotInvertible, match=r"GRU.*backward='checkpointed'"):
        ReversibleSequence(block, block, scheme=Bdia())(torch.randn(2, 4))
    advised = ReversibleSequence(block, block, scheme=Bdia(), backward="checkpointed")
    advised(torch.randn(2, 4)).sum().backward()
    assert block.first.weight.grad is not None


@pytest.mark.parametrize("backward", ["checkpointed", "reversible"])
def test_hooks_on_saved_tensors_decide_where_streams_are_kept(backward):
    """So that `save_on_cpu` frees the device."""
    sequence, ours = ReversibleSequence(*blocks(3), scheme=Momentum(), backward=backward), []

    def pack(tensor):
        if not isinstance(tensor, nn.Parameter):
            ours.append(weakref.ref(tensor))
        return tensor.clone()

    x = torch.randn(2, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = sequence(x)
    left = [tensor for each in ours if (tensor := each()) is not None]
    assert len(ours) >= 2
    assert all(tensor is x or tensor is output for tensor in left)


def test_the_tape_lets_go_of_the_streams_when_the_way_back_ends():
    of_others = {id(each): each for each in gc.get_objects() if type(each) is Tape}
    sequence = ReversibleSequence(*blocks(3), scheme=Bdia())
    x = torch.randn(2, 4, requires_grad=True)
    output = sequence(x)
    torch.autograd.grad(output.sum(), x, retain_graph=True)
    ours = [each for each in gc.get_objects() if type(each) is Tape and id(each) not in of_others]
    assert len(ours) == 1
    assert ours[0].streams == ()


@pytest.mark.parametrize("scheme", ["additive", "hamiltonian"])
def test_blocks_that_nobody_has_tried_are_taken_apart_under_autocast_as_without(scheme):
    made = []
    for autocast in (False, True):
        torch.manual_seed(0)
        plain = (vision_transformer.Block(32, 4) for _ in range(2))
        stack = ReversibleSequence(*plain, scheme=make_scheme(scheme, {})).train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            made.append(stack(torch.ones(2, 5, 32).cumsum(1).sin()))

    assert torch.isfinite(made[1]).all()
    assert (made[0] - made[1]).abs().max() < 0.1  # bf16 has three digits
