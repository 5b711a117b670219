"""Switches of torch's arithmetic are read, set for a while and put back, whichever way they were set before."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from revconsole.reversible import Bdia, ReversibleSequence
from revconsole.reversible.switches import products, put, switched, switches

backends = torch.backends


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = switches()
    yield
    put(before)
    assert switches() == before


def newest(place, value):
    def change():
        place.fp32_precision = value

    return change


def attribute(place, name):
    def change():
        setattr(place, name, not getattr(place, name))

    return change


def first_kernel_last():
    order = torch._C._get_sdp_priority_order()
    torch._C._set_sdp_priority_order([*order[1:], order[0]])


CHANGES = {
    "word": lambda: torch.set_float32_matmul_precision("medium"),
    "cuda-matmul": newest(backends.cuda.matmul, "tf32"),
    "mkldnn-matmul": newest(backends.mkldnn.matmul, "bf16"),
    "cudnn-conv": newest(backends.cudnn.conv, "ieee"),
    "cudnn-tf32": lambda: setattr(backends.cudnn, "allow_tf32", False),
    "cudnn-benchmark": attribute(backends.cudnn, "benchmark"),
    "cudnn-deterministic": attribute(backends.cudnn, "deterministic"),
    "cudnn-enabled": attribute(backends.cudnn, "enabled"),
    "reduced-sums": attribute(backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
    "math-attention": lambda: backends.cuda.enable_math_sdp(False),
    "order-of-attention": first_kernel_last,
    "fast-path": lambda: backends.mha.set_fastpath_enabled(False),
    "default-type": lambda: torch.set_default_dtype(torch.float64),
}


class Watched(nn.Module):
    """A residual block that notes the switches whenever it computes."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.linear.register_forward_pre_hook(Note())

    def forward(self, x):
        return x + self.linear(x).tanh()


class Note:
    def __init__(self):
        self.seen = []

    def __call__(self, _module, _given):
        self.seen.append(switches())


@pytest.mark.parametrize("backward", ["reversible", "checkpointed"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_switch_set_around_the_forward_is_set_in_the_second_evaluation_and_not_after_it(
    name, backward
):
    blocks = [Watched(), Watched()]
    stack = ReversibleSequence(*blocks, scheme=Bdia(grid_bits=9), backward=backward)
    x, before = torch.randn(2, 3, 4, requires_grad=True), switches()
    try:
        CHANGES[name]()
        changed = switches()
        loss = stack(x).square().sum()
    finally:
        put(before)
    assert switches() == before != changed

    loss.backward()

    assert switches() == before
    for block in blocks:
        (note,) = block.linear._forward_pre_hooks.values()
        assert note.seen == [changed, changed]


@pytest.mark.parametrize("second", CHANGES)
@pytest.mark.parametrize("first", ["word", "cuda-matmul", "cudnn-conv", "cudnn-tf32"])
def test_mixtures_of_both_ways_are_read_and_put_back_without_an_exception(first, second):
    before = switches()
    try:
        CHANGES[first]()
        CHANGES[second]()
        mixed = switches()
        assert products()
        with switched(before):
            pass
        assert switches() == mixed
    finally:
        put(before)
