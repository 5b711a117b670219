"""What the graph of a computation says about its skip, and when two graphs are of the same sum."""

import pytest
import torch
from torch import nn

from revconsole.reversible.skips import same_computation, skip_between


def marked():
    x = torch.ones(2, 4, requires_grad=True).clone()
    return x, x.grad_fn


WEIGHT = nn.Linear(4, 4)
OTHER = nn.Linear(4, 4)
VECTOR = nn.Parameter(torch.ones(4))


@pytest.mark.parametrize(
    ("compute", "ends", "inside", "sums"),
    [
        (lambda x: x + WEIGHT(x), True, True, 1),
        (lambda x: (x + WEIGHT(x)) + OTHER(x), True, True, 2),
        (lambda x: (3 * x.t()).t() - WEIGHT(x), True, True, 1),
        (lambda x: torch.cat([x[:, :1] + WEIGHT(x)[:, :1], x[:, 1:]], 1).relu(), True, True, 1),
        (lambda x: (x + WEIGHT(x)) * OTHER(x).sigmoid(), False, True, 0),
        (lambda x: OTHER(x + WEIGHT(x)), False, True, 0),
        (lambda x: x * WEIGHT(x), False, False, 0),
        (lambda x: WEIGHT(x) + OTHER(x), False, False, 0),
        (lambda x: x + x, False, False, 0),
    ],
    ids=["one", "two", "scaled", "pieces", "gated", "goes-on", "gate", "no-skip", "twice"],
)
def test_a_skip_is_a_way_past_everything_that_computes(compute, ends, inside, sums):
    x, mark = marked()
    skip = skip_between(compute(x), mark)
    assert (skip.ends, skip.inside, skip.sums) == (ends, inside, sums)
    assert mark in skip.path or not ends


def test_computations_are_compared_past_brackets_and_layout_but_not_past_order():
    x, mark = marked()

    def plain(x):
        x = x + WEIGHT(x)
        return x + OTHER(x)

    def bracketed(x):
        h = WEIGHT(x)
        return x + (h.t().t() + OTHER(x + h))

    def anew(x):
        return x + WEIGHT(x) + OTHER(x + WEIGHT(x))

    def parallel(x):
        return x + WEIGHT(x) + OTHER(x)

    def swapped(x):
        x = x + OTHER(x)
        return x + WEIGHT(x)

    def twice(x):
        return plain(x) + WEIGHT(x)

    same = [
        f
        for f in (bracketed, anew, parallel, swapped, twice)
        if same_computation(plain(x), f(x), mark)
    ]
    assert same == [bracketed, anew]


def _hand_written_norm(x):
    deviation = (x.var(-1, keepdim=True) + 1e-5).sqrt()
    return (x - x.mean(-1, keepdim=True)) / deviation * VECTOR + VECTOR


@pytest.mark.parametrize(
    "compute",
    [
        _hand_written_norm,
        lambda x: x - x.mean(0),
        lambda x: x + VECTOR * x.softmax(-1),
        lambda x: x * WEIGHT(x).sigmoid(),
        lambda x: VECTOR[:, None].t() * (x - x.amax(-1, keepdim=True)),
    ],
    ids=["norm", "centred", "without matrices", "squeeze and excite", "broad"],
)
def test_a_norm_or_a_gate_is_no_skip(compute):
    x, mark = marked()
    skip = skip_between(compute(x), mark)
    assert not skip.ends
    assert not skip.inside
