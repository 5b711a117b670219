"""A budget of bytes decides what blocks keep for the backward; gradients do not notice.

Peaks are checked by the log of torch's allocator, what is computed by torch's formulas for products.
"""

import copy
import math
import os
from functools import cache
from itertools import accumulate, groupby, pairwise, product

import pytest
import timm
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from revconsole.errors import RevconsoleError
from revconsole.reversible import (
    Additive,
    Bdia,
    BudgetChoice,
    Momentum,
    ReversibleSequence,
    keep_within,
    rewire,
    step_peak,
)
from revconsole.reversible.budget import INSIDE, INSIDE_A_THREAD
from revconsole.reversible.witness import unwatched
from revconsole.training.machine.allocated import QUIET

pytestmark = pytest.mark.slow

DEPTH = 4
FLOAT64_GRADIENT = 1e-10  # reconstruction in float64, amplified over a few blocks
SOME_FORWARDS = 9  # three to foretell, the rest to find the one that fits
WORDS = {"r": "reversible", "a": "anchored", "c": "checkpointed", "s": "stored"}
SCHEMES = [Additive(fuse="mean"), Bdia(), Momentum(grid_bits=9), "residual"]


@cache
def keeping_all(scheme, depth, dropout, dtype):
    """A model that keeps everything, wired once; see `wired`."""
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=1, embed_dim=24, num_heads=2, depth=depth,
        num_classes=5, proj_drop_rate=dropout,
    )  # fmt: skip
    return rewire(model.to(dtype), scheme, "stored").train()


def wired(scheme=None, backward="reversible", depth=DEPTH, dropout=0.0, dtype=torch.float32):
    """A copy of it with another backward: wiring takes many times as long as a step."""
    model = copy.deepcopy(keeping_all(scheme or Additive(fuse="mean"), depth, dropout, dtype))
    torch.manual_seed(0)
    model.blocks.backward = backward
    return model


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 8)


def measured(model, images):
    return step_peak(lambda: model(images))


def allocated(model, images):
    """The peak of a step by the log of every allocation, with gradients in their places."""
    model(images).sum().backward()
    os.environ.setdefault(*QUIET)  # for the tests after this one, whose messages are read
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        model(images).sum().backward()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))


class Products(TorchDispatchMode):
    """Adds up what matrix products, convolutions and attention compute."""

    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.operations += flop_registry[func.overloadpacket](
                *args, **(kwargs or {}), out_val=out
            )
        return out


def operations(model, images):
    """What a step computes, in products."""
    with unwatched(), Products() as counted:
        model(images).sum().backward()
    return counted.operations


def gradients(model, images):
    torch.manual_seed(7)
    model(images).square().sum().backward()
    return [p.grad for p in model.parameters()]


def start(scheme):
    return "checkpointed" if scheme == "residual" else "reversible"


def chosen(model, images, budget, word="reversible"):
    """The choice for a model in which every block is as at first so far."""
    model.blocks.backward = word
    return keep_within(model, lambda: model(images), budget)


def whole(peak):
    """The budget of which this peak leaves what operations may need inside themselves."""
    return math.ceil((peak + INSIDE_A_THREAD * torch.get_num_threads()) / (1 - INSIDE))


def marks(images, scheme=None):
    """Peaks with every block as at first, and with every block stored."""
    return [measured(wired(scheme, word), images) for word in (start(scheme), "stored")]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_peak_is_never_above_the_budget_and_more_memory_never_computes_more(scheme, images):
    model = wired(scheme, start(scheme))
    least, most = marks(images, scheme)
    computed = []
    for share in (0.0, 0.04, 0.1, 0.3, 0.6, 1.0):
        budget = whole(least + share * (most - least))
        choice = chosen(model, images, budget, start(scheme))
        assert choice.peak <= budget
        peak = allocated(model, images)
        assert peak == pytest.approx(choice.peak, abs=INSIDE_A_THREAD * torch.get_num_threads())
        assert peak <= budget
        words = model.blocks.backward
        assert [words.count(word) for word in ("stored", "anchored", "checkpointed")] == [
            choice.stored, choice.anchored, choice.checkpointed,
        ]  # fmt: skip
        computed.append(operations(model, images))
    assert computed == sorted(computed, reverse=True)
    assert choice.stored == DEPTH
    assert computed[-1] < computed[0]


@pytest.mark.parametrize(("scheme", "words"), [(SCHEMES[0], "ras"), ("residual", "cs")], ids=str)
def test_no_other_mixture_that_fits_computes_less(scheme, words, images):
    model = wired(scheme, start(scheme), depth=3)
    mixtures = {}
    for letters in product(words, repeat=3):
        model.blocks.backward = tuple(WORDS[letter] for letter in letters)
        mixtures[letters] = measured(model, images), operations(model, images)
    for peak in sorted({peak for peak, _ in mixtures.values()})[::2]:
        chosen(model, images, whole(peak + 64), start(scheme))  # an anchor takes 4 bytes more
        least = min(cost for each, cost in mixtures.values() if each <= peak)
        assert operations(model, images) <= least


def test_in_the_memory_of_full_checkpointing_no_more_is_computed(images):
    plain = wired("residual", "checkpointed", depth=6)
    model = wired(depth=6)
    chosen(model, images, whole(measured(plain, images)))
    assert operations(model, images) <= operations(plain, images)


def test_an_anchor_costs_one_stream_and_spares_the_last_layer_of_a_block(images):
    model, stream = wired(), images.new_empty(3, 65, 24)
    least = measured(model, images), operations(model, images)
    model.blocks.backward = ("reversible", "anchored", "reversible", "reversible")
    assert measured(model, images) - least[0] == pytest.approx(stream.nbytes, rel=0.01)
    last_layer = 2 * stream.numel() * 4 * 24
    assert least[1] - operations(model, images) == last_layer


@pytest.mark.parametrize("word", WORDS.values())
def test_the_peak_of_a_step_is_what_the_allocator_says(word, images):
    model = wired(backward=word, dropout=0.1)
    assert measured(model, images) == pytest.approx(
        allocated(model, images), rel=0.05
    )  # attention's own


def test_what_was_there_before_is_not_in_the_peak_and_gradients_have_their_own_place():
    layer, x = nn.Linear(64, 1, bias=False), torch.randn(1000, 64)
    out, gradient = 1000 * 4, 64 * 4
    assert out + gradient <= step_peak(lambda: layer(x)) <= 3 * out + gradient
    assert layer.weight.grad is None


def test_a_forward_without_a_gradient_has_no_peak():
    with pytest.raises(RevconsoleError, match="return the loss"):
        step_peak(lambda: torch.zeros(3))


def test_a_few_steps_choose_among_many_blocks_and_leave_no_room_for_another(images):
    depth, calls = 12, []
    model = wired(depth=depth)
    least = measured(model, images)
    model.blocks.backward = "stored"
    most = measured(model, images)

    def forward():
        calls.append(1)
        return model(images)

    for share in (0.03, 0.6):
        model.blocks.backward = "reversible"
        calls.clear()
        budget = int(least + share * (most - least))
        choice = keep_within(model, forward, budget)
        assert len(calls) <= SOME_FORWARDS
        assert 0 <= budget - choice.peak < whole((most - least) / depth)


def test_what_is_kept_later_in_a_row_is_more(images):
    model = wired()
    least, most = marks(images)
    chosen(model, images, (least + most) // 2)
    undone = {"reversible": 0, "anchored": 0, "stored": 1}
    assert [key for key, _ in groupby(undone[w] for w in model.blocks.backward)] == [0, 1]


class Bottleneck(nn.Module):
    """Of a network in stages: its stream is wider than what is inside, and its last layer is cheap."""

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


def test_of_two_kinds_of_blocks_each_gets_what_spares_most():
    torch.manual_seed(0)
    narrow, wide = (
        ReversibleSequence(*[Bottleneck(16, inner) for _ in range(3)], scheme=Momentum())
        for inner in (4, 32)
    )
    model, x = nn.Sequential(narrow, wide).train(), torch.randn(2, 16, 8, 8, requires_grad=True)
    narrow.backward = "stored"
    budget, by_hand = whole(measured(model, x)), operations(model, x)
    narrow.backward, wide.backward = "reversible", "reversible"
    keep_within(model, lambda: model(x), budget)
    assert measured(model, x) <= budget
    assert operations(model, x) <= by_hand


MIXTURES = ("srrr", "rrrs", "rssr", "crrr", "rrrc", "rccs", "arra", "raas", "arcs", "sasa")


@pytest.mark.parametrize("scheme", [Additive(fuse="mean"), Bdia(grid_bits=9)], ids=lambda s: s.name)
def test_any_mixture_of_backwards_gives_the_same_gradients(scheme, images):
    images, options = images.double(), {"dropout": 0.1, "dtype": torch.float64}
    expected = gradients(wired(scheme, "stored", **options), images)
    for letters in MIXTURES:
        model = wired(scheme, tuple(WORDS[letter] for letter in letters), **options)
        for left, right in zip(expected, gradients(model, images), strict=True):
            assert (left - right).abs().max() <= FLOAT64_GRADIENT * left.abs().max(), letters


def test_a_budget_below_the_least_is_said_to_be_too_small(images):
    model = wired()
    least = measured(model, images)
    choice = keep_within(model, lambda: model(images), 1000)
    assert choice.least == choice.peak == measured(model, images) <= least
    assert "KiB at its peak, more than the budget of 1000 bytes" in str(choice)


@pytest.mark.parametrize(
    ("peak", "budget", "said"),
    [
        (2**20 + 1, 2**20, "1,048,577 bytes at its peak, more than the budget of 1,048,576 bytes"),
        (3000, 100, "2.9 KiB at its peak, more than the budget of 100 bytes"),
        (3 * 2**20, 2**20, "3.0 MiB at its peak, more than the budget of 1.0 MiB"),
    ],
)
def test_sizes_that_differ_look_different(peak, budget, said):
    choice = BudgetChoice(
        stored=0, anchored=0, checkpointed=0, blocks=3, peak=peak, budget=budget, least=peak
    )
    assert said in str(choice)


@pytest.mark.parametrize(
    ("stored", "anchored", "checkpointed", "said"),
    [
        (0, 0, 0, "none of 16 blocks keeps its activations: "),
        (4, 0, 0, "4 of 16 blocks keep their activations, the others are computed again: "),
        (
            3,
            0,
            13,
            "3 of 16 blocks keep their activations, 13 are checkpointed, none is reversed: ",
        ),
        (1, 1, 0, "1 of 16 blocks keeps its activations, 1 keeps a stream, 14 are reversed: "),
        (0, 9, 0, "none of 16 blocks keeps its activations, 9 keep a stream, 7 are reversed: "),
        (16, 0, 0, "all 16 blocks keep their activations: "),
    ],
)
def test_a_choice_says_in_one_sentence_what_the_blocks_do(stored, anchored, checkpointed, said):
    bytes_ = {"peak": 150 * 2**20, "budget": 160 * 2**20, "least": 18 * 2**20}
    choice = BudgetChoice(
        stored=stored, anchored=anchored, checkpointed=checkpointed, blocks=16, **bytes_
    )
    tail = "150.0 MiB at the peak of a step, of the budget of 160.0 MiB (the least: 18.0 MiB)"
    assert str(choice) == said + tail


def test_choosing_leaves_the_generator_and_the_gradients_where_they_were(images):
    model = wired(Bdia(), dropout=0.1)
    before = torch.get_rng_state()
    chosen(model, images, 10**9)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(weight.grad is None for weight in model.parameters())


def test_the_same_model_and_budget_give_the_same_choice(images):
    least, most = marks(images)
    models = [wired(), wired()]
    left, right = (chosen(model, images, (least + most) // 3) for model in models)
    assert left == right
    assert models[0].blocks.backward == models[1].blocks.backward


def test_without_an_inverse_the_other_blocks_stay_checkpointed(images):
    model = wired("residual", "checkpointed")
    least, most = marks(images, "residual")
    choices = [
        chosen(model, images, whole(least + share * (most - least)), "checkpointed")
        for share in (0.0, 0.5, 1.0)
    ]
    assert [c.stored + c.checkpointed for c in choices] == [DEPTH] * 3
    assert all(left.stored < right.stored for left, right in pairwise(choices))


def test_an_anchored_block_may_be_walked_over_twice(images):
    model = wired(backward="anchored")
    loss = model(images).square().sum()
    loss.backward(retain_graph=True)
    first = [p.grad.clone() for p in model.parameters()]
    loss.backward()
    assert all(torch.equal(2 * g, p.grad) for g, p in zip(first, model.parameters(), strict=True))
