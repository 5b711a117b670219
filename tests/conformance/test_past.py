"""What a block is beside its weights is, in the second evaluation, what it was in the first; or it is refused."""

import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Bdia, Momentum, ReversibleSequence, rewire
from revconsole.reversible.outside import outside_state, same_outside
from revconsole.reversible.past import Past

SAME_NUMBERS = 1e-4  # the same activations; gradients of float32 summed in another order


class Residual(nn.Module):
    """x + f(x), scaled by what a test's block makes of its own state."""

    def __init__(self):
        super().__init__()
        self.linear, self.calls, self.rate, self.memo = nn.Linear(8, 8), 0, 1.0, {}

    def scale(self):
        return 1.0

    def forward(self, x):
        return x + self.scale() * self.linear(x).tanh()


class Counting(Residual):
    def scale(self):
        self.calls += 1
        return 1.0 / self.calls


class Rated(Residual):
    def scale(self):
        return self.rate


class Remembering(Residual):
    def scale(self):
        self.memo[len(self.memo)] = 1
        return float(len(self.memo))


class PythonDrawing(Residual):
    def scale(self):
        return random.random()


class NumpyDrawing(Residual):
    def scale(self):
        return float(np.random.rand())  # noqa: NPY002  what people write


class Dicing(Residual):
    """A generator of its own, of the kind that `dice` makes."""

    dice = random.Random

    def __init__(self):
        super().__init__()
        self.own = [type(self).dice(3)]

    def scale(self):
        return float(self.own[0].random())


class NumpyDicing(Dicing):
    dice = np.random.default_rng


class OlderNumpyDicing(Dicing):
    @staticmethod
    def dice(seed):
        return np.random.RandomState(np.random.PCG64(seed))


class Enclosing(Residual):
    def __init__(self):
        super().__init__()
        dice, calls = np.random.RandomState(3), 0

        def scale():
            nonlocal calls
            calls += 1
            return float(dice.rand()) / calls

        self.scale = scale


class Turning(Residual):
    """Counts in an object, a nested dictionary, an array and a module that it has not registered."""

    def __init__(self):
        super().__init__()
        self.counted, self.nested = SimpleNamespace(calls=0), {"in": {"calls": 0}}
        self.array, self.turns, self.beside = np.zeros(1), deque([1.0, 2.0, 4.0]), [Counting()]

    def scale(self):
        self.counted.calls += 1
        self.nested["in"]["calls"] += 1
        self.array += 1
        self.turns.rotate(1)
        calls = self.counted.calls * self.nested["in"]["calls"] * float(self.array[0])
        return self.turns[0] * self.beside[0].scale() / calls


class Warming(Residual):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        h = self.linear(x).tanh()
        self.mean = self.mean + h.detach().abs().mean()
        return x + h / (1 + self.mean)


def nothing(_stack):
    pass


def rates(stack):
    for block in stack:
        block.rate = 3.0


CASES = {
    "counter": (Counting, nothing),
    "rate-changed": (Rated, rates),
    "memo": (Remembering, nothing),
    "python-random": (PythonDrawing, nothing),
    "numpy-random": (NumpyDrawing, nothing),
    "own-random": (Dicing, nothing),
    "own-numpy-generator": (NumpyDicing, nothing),
    "own-numpy-state-of-any-kind": (OlderNumpyDicing, nothing),
    "closure": (Enclosing, nothing),
    "objects": (Turning, nothing),
    "buffer": (Warming, nothing),
}


@pytest.mark.parametrize(("block", "between"), CASES.values(), ids=CASES)
def test_state_and_draws_of_a_block_are_those_of_the_forward(block, between, again, worst_error):
    results, after = [], []
    for backward in ("stored", again):
        torch.manual_seed(0)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002  as above
        stack = ReversibleSequence(
            *(block() for _ in range(4)), scheme=Bdia(grid_bits=9), backward=backward
        )
        x = torch.randn(3, 5, 8, requires_grad=True)
        for _ in range(2):
            loss = stack(x).square().sum()
            between(stack)
            loss.backward()
        results.append({n: p.grad for n, p in stack.named_parameters()} | {"x": x.grad})
        state = [(each.calls, each.rate, each.memo, each.scale()) for each in stack]
        after.append((state, random.random(), float(np.random.rand())))  # noqa: NPY002  as above
    assert worst_error(*results) < SAME_NUMBERS
    assert after[0] == after[1]


def test_modules_replaced_between_forward_and_backward_are_noticed(again):
    torch.manual_seed(0)
    stack = ReversibleSequence(
        *(Residual() for _ in range(3)), scheme=Bdia(grid_bits=9), backward=again
    )
    loss = stack(torch.randn(3, 5, 8, requires_grad=True)).sum()
    for block in stack:
        block.linear = nn.Linear(8, 8)

    with pytest.raises(
        NotInvertible, match=r"block 2 \(Residual\) has had modules put in or taken out"
    ):
        loss.backward()


@pytest.mark.parametrize("change", ["eval", "probability", "train"])
def test_a_mode_changed_between_forward_and_backward_is_that_of_the_forward(
    change, again, vit, images, worst_error
):
    gradients = []
    for backward in ("stored", again):
        model = rewire(vit(proj_drop_rate=0.3, drop_path_rate=0.3), Momentum(grid_bits=9), backward)
        torch.manual_seed(1)
        loss = model(images).square().sum()
        if change == "probability":
            for module in model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = 0.9
        else:
            model.train(change == "train")
        loss.backward()
        assert model.training is (change != "eval")
        assert all(module.training is model.training for module in model.modules())
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert worst_error(*gradients) < SAME_NUMBERS


class Leaving(Residual):
    def forward(self, x):
        self.aux = self.linear(x).square().mean()
        return super().forward(x)


class Collecting(Residual):
    def forward(self, x):
        self.memo["aux"] = self.linear(x).square().mean()
        return super().forward(x)


class Writing(Residual):
    def __init__(self):
        super().__init__()
        self.cache = torch.ones(())

    def scale(self):
        return self.cache.mul_(0.5)


class Rewriting(Residual):
    def scale(self):
        with torch.no_grad():
            self.linear.bias.mul_(0.5)
        return 1.0


class Replacing(Residual):
    def scale(self):
        self.linear.weight = nn.Parameter(self.linear.weight.detach() / 2)
        return 1.0


class Hooked(Residual):
    def forward(self, x):
        if x.requires_grad:
            x.register_hook(lambda gradient: 2 * gradient)
        return super().forward(x)


ELSEWHERE = []


class LeavingElsewhere(Residual):
    def forward(self, x):
        ELSEWHERE.append(self.linear(x))
        return super().forward(x)


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (Leaving, "'aux'"),
        (Collecting, "'memo'"),
        (Writing, "'cache'"),
        (Rewriting, "changes its 'bias' in place"),
        (Replacing, "other weights"),
        (Hooked, "puts a hook on its stream"),
        (LeavingElsewhere, "in a hook or outside of the model"),
    ],
)
def test_what_no_second_evaluation_can_repeat_is_refused_and_named(block, what):
    stack = ReversibleSequence(block(), block(), scheme=Bdia(grid_bits=9))
    with pytest.raises(NotInvertible, match=f"block 0 .*{what}.*backward='stored'"):
        stack(torch.randn(3, 5, 8, requires_grad=True))
    ELSEWHERE.clear()


@pytest.mark.parametrize(
    ("block", "what"), [(Writing, "'cache'"), (Hooked, "puts a hook"), (Replacing, "other weights")]
)
def test_a_checkpointed_block_that_cannot_be_repeated_is_refused_too(block, what):
    stack = ReversibleSequence(block(), block(), scheme=Bdia(), backward="checkpointed")
    with pytest.raises(NotInvertible, match=f"block 0 .*{what}.*backward='stored'"):
        stack(torch.randn(3, 5, 8, requires_grad=True))


def test_a_tensor_with_a_graph_may_be_left_behind_where_it_keeps_its_graph():
    stack = ReversibleSequence(Leaving(), Leaving(), scheme=Bdia(), backward="checkpointed")
    stack(torch.randn(3, 5, 8))
    stack[0].aux.backward()
    assert stack[0].linear.weight.grad is not None


class Global(Residual):
    """Counts on its class, where nobody looks."""

    made = 0

    def scale(self):
        Global.made += 1
        return 1.0 / Global.made


def counting_hook(stack):
    calls = iter(range(1, 1000))
    for block in stack:
        block.linear.register_forward_hook(lambda _module, _given, out: out / next(calls))


@pytest.mark.parametrize("bits", [9, None])
@pytest.mark.parametrize("kind", ["class", "hook"])
def test_another_outcome_in_the_second_evaluation_raises_before_its_gradient_is_used(
    kind, again, bits
):
    Global.made = 0
    stack = ReversibleSequence(
        *((Global if kind == "class" else Residual)() for _ in range(3)),
        scheme=Bdia(grid_bits=bits),
        backward=again,
    ).double()
    if kind == "hook":
        counting_hook(stack)
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    loss = stack(x).square().sum()
    with pytest.raises(NotInvertible, match=r"block 2 .*other numbers .*backward='stored'"):
        loss.backward()
    assert all(parameter.grad is None for parameter in stack.parameters())


class Late(Residual):
    """Counts on its class, and lets it show after some passes, and only in the last sample of the batch."""

    made = 0

    def forward(self, x):
        Late.made += 1
        factor = torch.ones_like(x)
        factor[-1] = 1.0 / max(1, Late.made - 20)
        return x + self.linear(x).tanh() * factor


def test_what_begins_to_change_after_some_passes_is_noticed_in_one_of_the_next(again):
    Late.made = 0
    stack = ReversibleSequence(
        *(Late() for _ in range(3)), scheme=Momentum(), backward=again
    ).double()
    x = torch.randn(3, 5, 8, dtype=torch.float64)

    def passes(number):
        for _ in range(number):
            stack(x).square().sum().backward()

    with pytest.raises(NotInvertible, match="other numbers"):
        passes(8)


def test_as_many_draws_as_a_generator_has_words_are_noticed():
    before = outside_state()
    assert same_outside(before, outside_state())
    for _ in range(624):
        random.getrandbits(32)
    assert not same_outside(before, outside_state())
    before = outside_state()
    np.random.bytes(4 * 624)  # noqa: NPY002  what people write
    assert not same_outside(before, outside_state())
    np.random.randn()  # noqa: NPY002  as above
    before = outside_state()
    np.random.randn()  # noqa: NPY002  the other of a pair, which draws no word
    assert not same_outside(before, outside_state())


def test_a_block_that_stands_still_is_looked_at_once_for_all_its_parts(vit, images, monkeypatch):
    looks = []
    now = Past.now.__func__
    monkeypatch.setattr(Past, "now", classmethod(lambda *given: looks.append(1) or now(*given)))
    rewire(vit(depth=3), "additive", "reversible")(images)
    assert len(looks) == 3


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.Philox, np.random.MT19937])
def test_numpys_shared_generator_may_be_of_any_kind(kind, again, worst_error):
    usual, results = np.random.get_bit_generator(), []
    try:
        for backward in ("stored", again):
            np.random.set_bit_generator(kind(3))
            torch.manual_seed(0)
            stack = ReversibleSequence(
                NumpyDrawing(), NumpyDrawing(), scheme=Bdia(), backward=backward
            )
            stack(torch.ones(2, 3, 8)).square().sum().backward()
            results.append({name: p.grad for name, p in stack.named_parameters()})
    finally:
        np.random.set_bit_generator(usual)
    assert worst_error(*results) < SAME_NUMBERS
