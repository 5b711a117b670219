"""Blocks taken apart at their sums: by the graph, whatever their parts are called and do."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from revconsole.errors import RevconsoleError
from revconsole.reversible.branches import branches, note
from revconsole.reversible.leaving import Leaving
from revconsole.reversible.splits import fitting

D = 6
X = torch.randn(2, 5, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
C = torch.randn(2, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def mlp():
    return nn.Sequential(nn.Linear(D, 2 * D), nn.GELU(), nn.Linear(2 * D, D))


class Parts(nn.Module):
    """Parts with names of no library, some of them used in both branches."""

    def __init__(self):
        super().__init__()
        self.calm, self.quiet = nn.LayerNorm(D), nn.LayerNorm(D)
        self.look, self.think = nn.Linear(D, D), mlp()
        self.drop = nn.Dropout(0.3)
        self.weight = nn.Parameter(torch.randn(D))


class Plain(Parts):
    def forward(self, x):
        x = x + self.drop(self.weight * self.look(self.calm(x)).tanh())
        return self.drop(self.think(self.quiet(x))) + x

    def first(self, x):
        return self.weight * self.look(self.calm(x)).tanh()

    def second(self, x):
        return self.think(self.quiet(x))


class OneNorm(Plain):
    """The same norm before both branches."""

    def forward(self, x):
        x = x + self.look(self.calm(x)).tanh() * self.weight
        x += self.think(self.calm(x))
        return x

    def second(self, x):
        return self.think(self.calm(x))


class Adding(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.drop = nn.Linear(2 * D, D), nn.Dropout(0.1)

    def forward(self, h, stream):
        return self.drop(self.linear(h)) + stream


class SumsInside(Plain):
    """As in older Hugging Face models: a part of the block takes the stream and adds to it."""

    def __init__(self):
        super().__init__()
        self.widen, self.output = nn.Linear(D, 2 * D), Adding()

    def forward(self, x):
        h, weights = self.look(self.calm(x)).tanh() * self.weight, None
        x = h + x
        outputs = (self.output(F.gelu(self.widen(self.quiet(x))), x),)
        return (*outputs, weights)

    def second(self, x):
        return self.output.linear(F.gelu(self.widen(self.quiet(x))))


class Inline(Plain):
    """Attention written out in the block, with sizes, pieces and a window of the stream's layout."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D)

    def mix(self, x):
        B, N, width = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        queries, keys = (each.reshape(B, N, 2, width // 2).transpose(1, 2) for each in (q, k))
        v = v.reshape(B, N, 2, -1).transpose(1, 2)
        return F.scaled_dot_product_attention(queries, keys, v).transpose(1, 2).flatten(2)

    def forward(self, x):
        shortcut = x
        x = self.mix(self.calm(x))
        x = shortcut.unsqueeze(1) + x.unsqueeze(1)
        x = x.transpose(1, 2)
        return (x + self.think(self.quiet(x))).squeeze(2)

    def first(self, x):
        return self.mix(self.calm(x))


class Positions(Plain):
    """The attention adds positions to what it is given, as DETR's does."""

    def forward(self, x):
        queries = x + self.weight.expand_as(x)
        x = x + self.look(self.calm(queries))
        return x + self.think(self.quiet(x))

    def first(self, x):
        return self.look(self.calm(x + self.weight))


class Bare(Parts):
    """Nothing but modules, each called once, and sums."""

    def __init__(self):
        super().__init__()
        self.bend, self.last = nn.Tanh(), nn.Dropout(0.3)

    def forward(self, x):
        x = x + self.drop(self.bend(self.look(self.calm(x))))
        return self.last(self.think(self.quiet(x))) + x

    def first(self, x):
        return self.look(self.calm(x)).tanh()

    def second(self, x):
        return self.think(self.quiet(x))


@pytest.fixture(params=[Plain, OneNorm, SumsInside, Inline, Positions, Bare])
def block(request):
    torch.manual_seed(0)
    return request.param().double()


def test_each_branch_is_what_one_sum_adds(block):
    split = fitting(block.eval(), (X,), {})
    note(block, split)
    first, second = branches(block)
    assert torch.equal(first(X), block.first(X))
    assert torch.equal(second(X), block.second(X))
    other = X[:1].repeat(3, 2, 1)  # another batch, another number of tokens
    assert torch.equal(second(other), block.second(other))


def test_a_branch_computes_and_calls_nothing_of_the_other(block):
    note(block, fitting(block.eval(), (X,), {}))
    called = []
    for name, module in block.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda *_, name=name: called.append(name))
    first, second = branches(block)
    first(X)
    of_first = called.copy()
    called.clear()
    second(X)
    assert of_first
    assert called
    assert not set(of_first) & set(called)


def test_dropout_draws_in_a_branch_what_it_drew_in_the_block(block):
    note(block, fitting(block.eval(), (X,), {}))
    first, second = branches(block.train())
    torch.manual_seed(3)
    returned = block(X)
    whole = returned[0] if isinstance(returned, tuple) else returned
    torch.manual_seed(3)
    x = X + first(X)
    torch.testing.assert_close(x + second(x), whole, rtol=1e-12, atol=1e-12)


def test_a_split_survives_a_copy_and_a_pickle(block):
    note(block, fitting(block.eval(), (X,), {}))
    for again in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        for one, other in zip(branches(block), branches(again), strict=True):
            assert torch.equal(one(X), other(X))


def test_nothing_is_left_on_the_parts_not_even_by_a_branch_that_fails(block):
    note(block, fitting(block.eval(), (X,), {}))
    before = [vars(module).keys() for module in block.modules()]
    for branch in branches(block):
        with pytest.raises(RuntimeError):
            branch(X[..., :2])
    assert [vars(module).keys() for module in block.modules()] == before


class Conditioned(Parts):
    """As in DiT: one layer makes shifts and gates for both branches of what is given besides."""

    def __init__(self):
        super().__init__()
        self.ada = nn.Linear(D, 4 * D)

    def forward(self, x, c):
        shift, gate, other, last = self.ada(c).unsqueeze(1).chunk(4, dim=-1)
        x = x + gate * self.look(self.calm(x) + shift)
        return x + last * self.think(self.quiet(x) + other)


@pytest.fixture
def without_collector():
    gc.disable()
    yield
    gc.enable()


def test_a_branch_holds_its_stream_and_graph_no_longer_than_they_are_used(block, without_collector):
    """A graph that waits for the collector of cycles would be there beside the next blocks'."""
    split = fitting(block.eval(), (X,), {})
    for branch in split.branches(block):
        x = X.clone().requires_grad_().clone()
        stream = weakref.ref(x)
        branch(x)
        del x
        assert stream() is None


def test_what_does_not_come_from_the_stream_serves_both_branches():
    block = Conditioned().double().eval()
    note(block, fitting(block, (X, C), {}))
    first, second = branches(block)
    x = X + first(X, C)
    torch.testing.assert_close(x + second(x, C), block(X, C), rtol=1e-13, atol=1e-13)
    gradient = torch.autograd.grad(second(X, C).sum(), block.ada.weight)[0]
    assert gradient[:D].eq(0).all()
    assert gradient[3 * D :].ne(0).any()


class Scaled(Parts):
    def forward(self, x):
        x = 0.5 * x + self.look(self.calm(x))
        return x + self.think(self.quiet(x))


class Shared(Parts):
    """The second branch takes what the first made."""

    def forward(self, x):
        h = self.look(self.calm(x))
        x = x + h
        return x + self.think(self.quiet(x)) * h


class Asking(Parts):
    def forward(self, x):
        h = self.look(self.calm(x))
        x = x + (h if h.abs().max() > 0 else 2 * h)
        return x + self.think(self.quiet(x))


class Single(Parts):
    def forward(self, x):
        return x + self.look(self.calm(x)) + self.weight


@pytest.mark.parametrize("kind", [Scaled, Shared, Asking, Single])
def test_what_is_more_than_branches_one_after_the_other_stays_whole(kind):
    block = kind().double().eval()
    assert fitting(block, (X,), {}) is None
    assert fitting(copy.deepcopy(block).to("meta"), (X.to("meta"),), {}) is None


def test_a_block_that_goes_another_way_in_training_is_refused_and_not_computed_wrongly():
    class Noisy(Plain):
        def forward(self, x):
            if self.training:
                x = x + torch.randn_like(x)
            return super().forward(x)

    class Twice(Plain):
        def forward(self, x):
            x = x + self.look(self.calm(x))
            return x + self.think(self.quiet(self.drop(self.think(x)) if self.training else x))

    for kind in (Noisy, Twice):
        block = kind().double().eval()
        note(block, fitting(block, (X,), {}))
        first, second = branches(block.train())
        with pytest.raises(RevconsoleError, match="goes another way through its forward"):
            first(X), second(X)


def test_a_block_that_only_calls_and_adds_is_followed_without_its_functions(monkeypatch):
    block = Bare().double().eval()
    note(block, fitting(block, (X,), {}))
    monkeypatch.setattr(Leaving, "over", None)  # no walk is made
    first, second = branches(block)
    assert torch.equal(first(X), block.first(X))
    assert torch.equal(second(X), block.second(X))


class Warming(Bare):
    """Goes another way once something has been set."""

    def __init__(self, way):
        super().__init__()
        self.way, self.on = way, False

    def forward(self, x):
        return self.way(self, x) if self.on else super().forward(x)


WAYS = {
    "before": lambda self, x: Bare.forward(self, x + self.weight),
    "between": lambda self, x: Bare.forward(self, x) + self.weight,
    "scaled": lambda self, x: self.think(self.quiet(x + self.drop(self.look(x)))) * 0.5 + x,
    "longer": lambda self, x: self.last(self.think(self.quiet(y := Bare.forward(self, x)))) + y,
    "shorter": lambda self, x: x + self.drop(self.bend(self.look(self.calm(x)))),
    "turned": lambda self, x: self.drop(self.look(y := x + self.last(self.think(x)))) + y,
    "normed": lambda self, x: self.quiet(Bare.forward(self, x)),
    "asking": lambda self, x: Bare.forward(self, x) if (x + self.drop(x)).sum() > 0 else x,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_block_that_goes_another_way_later_is_refused_and_not_computed_wrongly(way):
    block = Warming(WAYS[way]).double().eval()
    note(block, fitting(block, (X,), {}))
    parts = branches(block)
    block.on = True
    for branch in parts:
        with pytest.raises(RevconsoleError, match="goes another way through its forward"):
            branch(X)
    assert all("_compiled_call_impl" not in vars(module) for module in block.modules())


def test_a_block_with_another_way_in_training_is_walked_through_there():
    class Scaling(Bare):
        def forward(self, x):
            x = x + self.drop(self.bend(self.look(self.calm(x)))) * (0.5 if self.training else 1)
            return x + self.think(self.quiet(x))

    block = Scaling().double().eval()
    block.drop.p = 0.0
    split = fitting(block, (X,), {})
    first, second = split.branches(block.train())
    torch.testing.assert_close(X + first(X) + second(X + first(X)), block(X), rtol=1e-12, atol=0)
