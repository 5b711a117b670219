"""What reversing costs, counted: work and passes over memory are the same on every machine at any load."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from revconsole.reversible import make_scheme, rewire
from revconsole.training.machine.flops import FlopCounter

pytestmark = pytest.mark.slow

PASSES = {
    # per block, beyond those of the plain network's two branches, forward and backward and in any dtype
    "additive": ({}, 2),
    "momentum": ({}, 13),
    "momentum-grid9": ({"grid_bits": 9}, 34),
    "bdia-floats": ({"grid_bits": None}, 14),
    "bdia-grid9": ({}, 30),
}
EVERY_SCHEME = pytest.mark.parametrize(
    ("name", "options", "limit"),
    [(name.split("-", maxsplit=1)[0], *rest) for name, rest in PASSES.items()],
    ids=PASSES,
)
OTHERWISE = {"equal", "new_full"}  # of the states of generators; a single number
STATE = torch.get_rng_state().shape
FORMS = {
    "_unsafe_view", "alias", "detach", "expand", "permute", "select", "slice", "split", "squeeze", "t",
    "transpose", "unbind", "unsqueeze", "view",
}  # fmt: skip
LAYERS = (
    "addmm", "mm", "gelu", "gelu_backward", "native_layer_norm", "native_layer_norm_backward",
)  # fmt: skip


class Passes(TorchDispatchMode):
    """Counts the operators that read or write at least a bit for each number of a stream."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers, self.count = numbers, Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        tensors = [each for each in (*args, result) if isinstance(each, torch.Tensor)]
        large = [t for t in tensors if t.numel() >= self.numbers / 8 and t.shape != STATE]
        layer = name in LAYERS or "scaled_dot_product" in name
        if large and name not in FORMS | OTHERWISE and not layer:
            self.count[name] += 1
        return result


def step_within(mode, model, x):
    """The third step: in the first two what a block computes is watched."""
    for _ in range(2):
        model(x).square().sum().backward()
    with mode:
        model(x).square().sum().backward()
    return mode


@EVERY_SCHEME
def test_a_reversed_block_makes_few_passes_over_memory(vit, name, options, limit):
    x = torch.randn(8, 3, 8, 8)

    def passes(depth, scheme):
        model = vit(depth=depth)
        model = model if scheme is None else rewire(model, scheme, "reversible")
        return step_within(Passes(8 * 17 * 24), model.train(), x).count

    def per_block(scheme):
        count = passes(5, scheme)
        count.subtract(passes(3, scheme))
        return {operator: number / 2 for operator, number in count.items() if number}

    plain, ours = per_block(None), per_block(make_scheme(name, options))
    beyond = sum(ours.values()) - sum(plain.values())
    assert beyond <= limit, {each: ours[each] - plain.get(each, 0) for each in ours}


@EVERY_SCHEME
def test_a_reversed_step_works_one_forward_of_its_blocks_more(vit, name, options, limit):
    del limit
    x = torch.randn(2, 3, 8, 8)

    def step(depth, scheme=None):
        model = vit(depth=depth)
        model = model if scheme is None else rewire(model, scheme, "reversible")
        return step_within(FlopCounter(), model.train(), x).get_total_flops()

    with FlopCounter() as counter, torch.no_grad():
        vit(depth=1)(x)
    one = counter.get_total_flops()
    with FlopCounter() as counter, torch.no_grad():
        vit(depth=2)(x)
    forward_of_a_block = counter.get_total_flops() - one
    scheme = make_scheme(name, options)
    reversed_block = (step(4, scheme) - step(2, scheme)) / 2
    plain_block = (step(4) - step(2)) / 2
    assert reversed_block == plain_block + forward_of_a_block
