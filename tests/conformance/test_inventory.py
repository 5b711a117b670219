"""What a block is made of is looked at once, and again as soon as anything of it is another."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Bdia, ReversibleSequence
from revconsole.reversible.inventory import Inventory

SAME_NUMBERS = 1e-4  # the same activations; gradients of float32 summed in another order


class Block(nn.Module):
    """x + f(x), where f takes its scale from a number, from a shared dictionary and from a buffer."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.Tanh())
        self.memo = self.inner.memo = {}
        self.rate = 1.0

    def scale(self):
        memo = self.inner.memo  # held by two modules
        memo["calls"] = memo.get("calls", 0) + 1
        return self.rate / memo["calls"]

    def forward(self, x):
        return x + self.scale() * self.inner(x)


class Still(Block):
    def __init__(self):
        super().__init__()
        del self.memo, self.inner.memo

    def scale(self):
        return self.rate


def stack(block=Still, backward="reversible", scheme=None):
    torch.manual_seed(0)
    return ReversibleSequence(
        *(block() for _ in range(3)), scheme=scheme or Bdia(grid_bits=9), backward=backward
    )


def weights_anew(block):
    block.inner[0].weight = nn.Parameter(block.inner[0].weight.detach() * 0.5)


def module_anew(block):
    torch.manual_seed(3)
    block.inner[0] = nn.Linear(6, 6)


def module_more(block):
    torch.manual_seed(3)
    block.inner.append(nn.Linear(6, 6))


def counter_more(block):
    block.counter, block.scale = [0], lambda: counted(block)


def counted(block):
    block.counter[0] += 1
    return 1.0 / block.counter[0]


def lets_go(block):
    """Of the dictionary that one of its modules holds on to."""
    block.memo = {}


CHANGES = {
    "number": (Still, lambda block: setattr(block, "rate", 0.5)),
    "weight": (Still, weights_anew),
    "module": (Still, module_anew),
    "another-module": (Still, module_more),
    "another-attribute": (Still, counter_more),
    "shared-dictionary": (Block, lets_go),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_replaced_between_two_passes_is_what_the_next_one_computes_with(
    name, again, worst_error
):
    block, change = CHANGES[name]
    found = []
    for backward in ("stored", again):
        blocks, gradients = stack(block, backward), {}
        x = torch.randn(3, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
        for step in range(4):
            torch.manual_seed(step)
            blocks.zero_grad()
            blocks(x).square().sum().backward()
            gradients |= {f"{step} {n}": p.grad for n, p in blocks.named_parameters()}
            torch.optim.SGD(blocks.parameters(), lr=0.01).step()
            if step == 1:
                for each in blocks:
                    change(each)
        found.append(gradients)
    assert worst_error(*found) < SAME_NUMBERS


def test_a_block_that_only_learns_is_looked_at_once():
    blocks, x = stack(), torch.randn(3, 6)
    blocks(x).sum().backward()
    first = [blocks.inventories.of(block) for block in blocks]
    for mode in (False, True):
        torch.optim.SGD(blocks.parameters(), lr=0.1).step()
        blocks.train(mode)
        blocks(x).sum()
    assert [blocks.inventories.of(block) for block in blocks] == first

    blocks[1].eval()
    assert [
        blocks.inventories.of(each) is old for each, old in zip(blocks, first, strict=True)
    ] == [
        True,
        False,
        True,
    ]


def test_a_module_that_counts_is_restless_from_its_second_pass_on():
    class Counting(Still):
        def scale(self):
            self.rate += 1
            return self.rate

    blocks, x = stack(Counting), torch.randn(3, 6)
    blocks(x)
    blocks(x)
    known = blocks.inventories.of(blocks[0])
    assert known.restless == [blocks[0]]
    blocks(x)
    assert blocks.inventories.of(blocks[0]) is known


def test_a_copy_of_a_sequence_knows_nothing_of_the_blocks_of_the_first():
    blocks, x = stack(), torch.randn(3, 6)
    blocks(x)
    for other in (copy.deepcopy(blocks), pickle.loads(pickle.dumps(blocks))):
        other(x).sum().backward()
        assert other.inventories.of(other[0]).block is other[0]
    with torch.no_grad():
        assert blocks._replicate_for_data_parallel().inventories is not blocks.inventories


def test_a_sequence_and_its_blocks_go_when_nobody_holds_them():
    blocks = stack()
    blocks(torch.randn(3, 6)).sum().backward()
    gone = weakref.ref(blocks[0])
    del blocks
    gc.collect()
    assert gone() is None


def test_weights_of_a_functional_call_do_not_stay(worst_error):
    blocks, x = stack(), torch.randn(3, 6)
    raw = {name: each.detach().clone().requires_grad_() for name, each in blocks.named_parameters()}
    found = []
    for backward in ("stored", "reversible"):
        blocks.backward = backward
        torch.manual_seed(4)
        made = {name: each * 0.5 for name, each in raw.items()}
        loss = torch.func.functional_call(blocks, made, x).square().sum()
        found.append(dict(zip(raw, torch.autograd.grad(loss, list(raw.values())), strict=True)))
        kept = [weakref.ref(each) for each in made.values()]
        del made, loss
        gc.collect()
        assert all(each() is None for each in kept)
    assert worst_error(*found) < SAME_NUMBERS


def test_an_inventory_says_of_each_module_whether_it_stands_still():
    block = Block()
    assert Inventory(block).restless == [block, block.inner]
    assert not Inventory(Still()).restless
    block.beside = (nn.Linear(2, 2),)  # held without being registered: what it holds may change
    assert Inventory(block).restless == list(block.modules())
    with pytest.raises(NotInvertible, match="recurrent layer"):
        Inventory(nn.LSTM(2, 2)).require_stand_ins()
