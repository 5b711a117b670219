"""A budget of bytes decides what blocks keep for the backward; gradients do not notice."""

from itertools import groupby, pairwise

import pytest
import timm
import torch
from torch import nn

from revconsole.reversible import (
    Additive,
    Bdia,
    Choice,
    Momentum,
    ReversibleSequence,
    keep_within,
    kept_for_backward,
    rewire,
)

DEPTH = 6
FLOAT64_GRADIENT = 1e-10  # reconstruction in float64, amplified over a few blocks
AGAIN = {"reversible": 1.0, "checkpointed": 0.7, "stored": 0.0}  # evaluations of a block
SOME_FORWARDS = 8  # two for the kind of block, one at the start, the rest to find the end
ORDER = ("reversible", "checkpointed", "stored")


def wired(scheme=None, backward="reversible", depth=DEPTH, dropout=0.0):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=2, embed_dim=24, num_heads=2, depth=depth,
        num_classes=5, proj_drop_rate=dropout,
    )  # fmt: skip
    return rewire(model.double(), scheme or Additive(fuse="mean"), backward).train()


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 8, dtype=torch.float64)


def measured(model, images):
    return kept_for_backward(lambda: model(images), [*model.parameters(), *model.buffers(), images])


def gradients(model, images):
    torch.manual_seed(2)
    model(images).square().sum().backward()
    return [p.grad for p in model.parameters()]


def chosen(model, images, budget):
    """The choice for a model in which every block is reversed so far."""
    model.blocks.backward = "reversible"
    return keep_within(model, lambda: model(images), budget, exclude=[images])


def marks(images, **options):
    """Bytes of a model in which every block is reversed, checkpointed, stored."""
    return [measured(wired(backward=word, **options), images) for word in ORDER]


def stretches(model):
    return [word for word, _ in groupby(model.blocks.backwards)]


def test_more_memory_never_computes_more_again_and_never_exceeds_the_budget(images):
    model = wired()
    least, _, most = marks(images)
    again, stored = [], []
    for share in range(13):
        budget = least + share * (most - least) // 12
        choice = chosen(model, images, budget)
        assert choice.kept == measured(model, images) <= budget
        words = model.blocks.backward
        assert (words.count("stored"), words.count("checkpointed")) == (
            choice.stored,
            choice.checkpointed,
        )
        again.append(sum(AGAIN[word] for word in words))
        stored.append(choice.stored)
    assert again == sorted(again, reverse=True)
    assert stored == sorted(stored)
    assert (again[0], again[-1]) == (DEPTH, 0)
    assert set(stored) == set(range(DEPTH + 1))


@pytest.mark.parametrize(
    "scheme", [Additive(fuse="mean"), Bdia(), Momentum()], ids=lambda s: s.name
)
def test_the_memory_of_checkpointing_buys_checkpointing_and_half_of_it_a_part(scheme, images):
    model = wired(scheme)
    least, checkpointed, _ = marks(images, scheme=scheme)
    assert least < checkpointed
    choice = chosen(model, images, checkpointed)
    assert set(model.blocks.backward) == {"checkpointed"}
    assert choice.kept == checkpointed
    chosen(model, images, (least + checkpointed) // 2)
    assert stretches(model) == ["reversible", "checkpointed"]


def test_what_is_left_after_checkpointing_lets_the_last_blocks_keep_their_activations(images):
    model = wired()
    _, checkpointed, most = marks(images)
    choice = chosen(model, images, (checkpointed + most) // 2)
    assert stretches(model) == ["checkpointed", "stored"]
    assert 0 < choice.stored < DEPTH
    assert choice.stored + choice.checkpointed == DEPTH


def test_one_byte_less_than_a_block_needs_is_not_enough(images):
    model = wired()
    least, _, most = marks(images)
    choice = chosen(model, images, (least + most) // 2)
    less = chosen(model, images, choice.kept - 1)
    assert less.stored == choice.stored - 1


def test_a_few_forward_passes_choose_among_many_blocks_and_leave_no_room_for_another(images):
    depth, calls = 16, []
    model = wired(depth=depth)
    least, _, most = marks(images, depth=depth)

    def forward():
        calls.append(1)
        model(images)

    for share in (0.03, 0.3, 0.9):
        model.blocks.backward = "reversible"
        calls.clear()
        budget = int(least + share * (most - least))
        choice = keep_within(model, forward, budget, exclude=[images])
        assert len(calls) <= SOME_FORWARDS
        assert 0 <= budget - choice.kept < (most - least) / depth


class Bottleneck(nn.Module):
    """A block over (B, C, H, W) whose stream is a large part of what it stores."""

    def __init__(self, channels, inner):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def branches(self):
        return (self.path,)

    def forward(self, x):
        return x + self.path(x)


def test_where_the_stream_is_most_of_what_a_block_stores_none_is_checkpointed():
    torch.manual_seed(0)
    model = ReversibleSequence(*[Bottleneck(16, 4) for _ in range(6)], scheme=Momentum()).train()
    x = torch.randn(2, 16, 8, 8, requires_grad=True)
    least = measured(model, x)
    model.backward = "stored"
    most = measured(model, x)
    for share in (0.2, 0.4, 0.6, 0.8):
        model.backward = "reversible"
        budget = int(least + share * (most - least))
        choice = keep_within(model, lambda: model(x), budget, exclude=[x])
        assert choice.kept == measured(model, x) <= budget
        assert choice.stored > 0
        assert set(model.backward) == {"reversible", "stored"}


def test_of_two_kinds_of_blocks_the_cheaper_keep_their_activations_first():
    torch.manual_seed(0)
    narrow, wide = (
        ReversibleSequence(*[Bottleneck(16, inner) for _ in range(3)], scheme=Momentum())
        for inner in (4, 32)
    )
    model, x = nn.Sequential(narrow, wide).train(), torch.randn(2, 16, 8, 8, requires_grad=True)
    narrow.backward, wide.backward = "stored", "checkpointed"
    budget = measured(model, x)
    narrow.backward = wide.backward = "reversible"
    keep_within(model, lambda: model(x), budget, exclude=[x])
    assert set(narrow.backward) == {"stored"}
    assert set(wide.backward) == {"checkpointed"}


MIXTURES = ("srrrrr", "rrrrrs", "rsrsrr", "rrsssr", "ssrrss", "crrrrr", "rrrrrc", "rcrccr", "rrccss", "cscrrs")  # fmt: skip


@pytest.mark.parametrize("scheme", [Additive(fuse="mean"), Bdia(grid_bits=9)], ids=lambda s: s.name)
@pytest.mark.parametrize("letters", MIXTURES)
def test_any_mixture_of_backwards_gives_the_same_gradients(letters, scheme, images):
    expected = gradients(wired(scheme, "stored", dropout=0.1), images)
    model = wired(scheme, dropout=0.1)
    model.blocks.backward = tuple(w for letter in letters for w in ORDER if w.startswith(letter))
    for left, right in zip(expected, gradients(model, images), strict=True):
        assert (left - right).abs().max() <= FLOAT64_GRADIENT * left.abs().max()


def test_a_budget_below_the_least_keeps_none_and_says_so(images):
    model, calls = wired(), []
    choice = keep_within(model, lambda: calls.append(model(images)), 1000, exclude=[images])
    assert len(calls) == 1
    assert (choice.stored, choice.checkpointed) == (0, 0)
    assert set(model.blocks.backward) == {"reversible"}
    assert "more than the budget of 0.0 MiB" in str(choice)


@pytest.mark.parametrize(
    ("stored", "checkpointed", "said"),
    [
        (0, 0, "none of 16 blocks keeps its activations: "),
        (4, 0, "4 of 16 blocks keep their activations, the others are computed again: "),
        (3, 13, "3 of 16 blocks keep their activations, 13 are checkpointed, none is reversed: "),
        (1, 1, "1 of 16 blocks keeps its activations, 1 is checkpointed, 14 are reversed: "),
        (0, 9, "none of 16 blocks keeps its activations, 9 are checkpointed, 7 are reversed: "),
        (16, 0, "all 16 blocks keep their activations: "),
    ],
)
def test_a_choice_says_in_one_sentence_what_the_blocks_do(stored, checkpointed, said):
    bytes_ = {"kept": 150 * 2**20, "budget": 160 * 2**20, "least": 18 * 2**20}
    choice = Choice(stored=stored, checkpointed=checkpointed, blocks=16, **bytes_)
    tail = "150.0 MiB of the budget of 160.0 MiB (the least: 18.0 MiB)"
    assert str(choice) == said + tail


def test_choosing_leaves_the_generator_where_it_was(images):
    model = wired(Bdia(), dropout=0.1)
    before = torch.get_rng_state()
    chosen(model, images, 10**9)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_model_and_budget_give_the_same_choice(images):
    least, _, most = marks(images)
    models = [wired(), wired()]
    left, right = (chosen(model, images, (least + most) // 3) for model in models)
    assert left == right
    assert models[0].blocks.backward == models[1].blocks.backward


def test_without_an_inverse_the_other_blocks_stay_checkpointed(images):
    model = wired("residual", "checkpointed")
    least, most = measured(model, images), measured(wired("residual", "stored"), images)
    choices = []
    for share in (0.0, 0.5, 1.0):
        model.blocks.backward = "checkpointed"
        budget = int(least + share * (most - least))
        choices.append(keep_within(model, lambda: model(images), budget, exclude=[images]))
    assert [c.stored + c.checkpointed for c in choices] == [DEPTH] * 3
    assert all(left.stored < right.stored for left, right in pairwise(choices))
