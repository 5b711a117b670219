"""What a block is beside its weights is, in the second evaluation, what it was in the first; or it is refused."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Bdia, Momentum, ReversibleSequence, rewire

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
}


@pytest.mark.parametrize(("block", "between"), CASES.values(), ids=CASES)
def test_state_and_draws_of_a_block_are_those_of_the_forward(block, between, worst_error):
    results, after = [], []
    for backward in ("stored", "reversible"):
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
        state = [(each.calls, each.rate, each.memo) for each in stack]
        after.append((state, random.random(), float(np.random.rand())))  # noqa: NPY002  as above
    assert worst_error(*results) < SAME_NUMBERS
    assert after[0] == after[1]


@pytest.mark.parametrize("change", ["eval", "probability", "train"])
def test_a_mode_changed_between_forward_and_backward_is_that_of_the_forward(
    change, vit, images, worst_error
):
    gradients = []
    for backward in ("stored", "reversible"):
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


@pytest.mark.parametrize(
    ("block", "what"),
    [(Leaving, "'aux'"), (Collecting, "'memo'"), (Writing, "'cache'")],
)
def test_what_no_second_evaluation_can_repeat_is_refused_and_named(block, what):
    stack = ReversibleSequence(block(), block(), scheme=Bdia(grid_bits=9))
    with pytest.raises(NotInvertible, match=f"block 0 .*{what}.*backward='stored'"):
        stack(torch.randn(3, 5, 8, requires_grad=True))
