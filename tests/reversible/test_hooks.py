"""Hooks on blocks and forwards put in place of theirs run, or are refused; they are never dropped."""

import copy
from types import MethodType

import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import Bdia, ReversibleSequence, rewire

WIDTH = 4
X = torch.linspace(-1, 1, 2 * 3 * WIDTH, dtype=torch.float64).reshape(2, 3, WIDTH)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x + self.linear(x).tanh()


class Net(nn.Module):
    def __init__(self, listed):
        super().__init__()
        torch.manual_seed(0)
        blocks = [Block() for _ in range(3)]
        self.blocks = listed(blocks) if listed is nn.ModuleList else listed(*blocks)
        self.double()

    def forward(self, x):
        if (
            isinstance(self.blocks, nn.Sequential)
            and type(self.blocks).__name__ != "LoopedSequence"
        ):
            return self.blocks(x)
        for block in self.blocks:
            x = block(x)
        return x


@pytest.fixture(params=[nn.ModuleList, nn.Sequential], ids=["walked over", "called"])
def model(request):
    return Net(request.param)


def halve(_module, _given, out):
    return out / 2


REGISTERED = {
    "forward hook": lambda block: block.register_forward_hook(halve),
    "forward pre-hook": lambda block: block.register_forward_pre_hook(lambda _, given: given),
    "backward hook": lambda block: block.register_full_backward_hook(lambda *_: None),
    "backward pre-hook": lambda block: block.register_full_backward_pre_hook(lambda *_: None),
}


@pytest.mark.parametrize("kind", REGISTERED)
def test_a_block_with_a_hook_is_left_with_the_reason(kind, model):
    REGISTERED[kind](model.blocks[1])
    with pytest.raises(NotInvertible, match=rf"blocks\.1: Block has a {kind}, which would not run"):
        rewire(model, example=X)


@pytest.mark.parametrize("backward", ["stored", "checkpointed", "reversible"])
@pytest.mark.parametrize("kind", REGISTERED)
def test_a_hook_that_a_block_gets_later_is_noticed_at_the_first_step(kind, backward, model):
    wired = rewire(model, "bdia", backward, example=X).train()
    handle = REGISTERED[kind](wired.blocks[1])
    with pytest.raises(RevconsoleError, match=rf"block 1 \(Block\) has a {kind}"):
        wired(X)
    handle.remove()
    wired(X)


def test_hooks_of_a_block_run_in_evaluation_and_hooks_inside_it_always(model):
    wired, expected = rewire(copy.deepcopy(model), "bdia", example=X), copy.deepcopy(model)
    for each in (wired, expected):
        each.blocks[1].register_forward_hook(halve)
    assert torch.equal(wired.eval()(X), expected.eval()(X))

    wired, expected = rewire(copy.deepcopy(model), Bdia(gamma=0.0), "stored", example=X), model
    for each in (wired, expected):
        each.blocks[1].linear.register_forward_hook(halve)
    assert torch.equal(wired.train()(X), expected.train()(X))


def another(self, x):
    return x + 2 * self.linear(x).sin()


def test_a_forward_put_on_a_block_before_is_the_one_that_is_wired(model):
    for block in model.blocks:
        block.forward = MethodType(another, block)
    wired = rewire(copy.deepcopy(model), Bdia(gamma=0.0), "stored", example=X)
    assert torch.equal(wired.train()(X), model(X))
    copy.deepcopy(wired)(X)


def test_a_forward_put_on_a_block_later_is_noticed_until_it_is_put_back(model):
    wired = rewire(model, example=X).train()
    block = wired.blocks[1]
    original = block.forward
    block.forward = MethodType(another, block)
    with pytest.raises(RevconsoleError, match=r"the forward of block 1 .* was replaced"):
        wired(X)
    block.forward = original
    wired(X)


def test_hooks_of_the_container_run_as_before_and_their_handles_are_good():
    model = Net(nn.Sequential)
    handle = model.blocks.register_forward_hook(halve)
    wired = rewire(copy.deepcopy(model), Bdia(gamma=0.0), "stored", example=X).train()
    assert torch.equal(wired(X), model(X))
    rewire(model, Bdia(gamma=0.0), "stored", example=X).train()
    handle.remove()
    assert isinstance(model.blocks, ReversibleSequence)
    assert torch.equal(2 * wired(X), model(X))


def hugging_face(**options):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        image_size=8, patch_size=4, hidden_size=8, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=8, **options,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config)


def test_hidden_states_are_refused_in_training_and_no_more_than_asked_for():
    images = torch.randn(2, 3, 8, 8)
    model = rewire(hugging_face(), example={"pixel_values": images})
    assert len(model.eval()(images, output_hidden_states=True).hidden_states) == 4
    with pytest.raises(RevconsoleError, match="hook that records hidden states"):
        model.train()(images, output_hidden_states=True)
    model(images).logits.sum().backward()  # the library's hooks are still there, and do nothing
    with pytest.raises(NotInvertible, match=r"has a forward hook that records hidden states"):
        rewire(hugging_face(output_hidden_states=True), example={"pixel_values": images})


@pytest.mark.parametrize(
    "register",
    [
        nn.modules.module.register_module_forward_hook,
        nn.modules.module.register_module_forward_pre_hook,
        nn.modules.module.register_module_full_backward_hook,
    ],
)
def test_hooks_for_all_modules_are_refused_like_those_of_a_block(register):
    wired = rewire(Net(nn.Sequential), Bdia(), example=X).train()
    handle = register(lambda module, *_: None)
    try:
        with pytest.raises(RevconsoleError, match="registered for all modules"):
            wired(X)
        with pytest.raises(NotInvertible, match="registered for all modules"):
            rewire(Net(nn.Sequential), Bdia(), example=X)
    finally:
        handle.remove()
    wired(X).sum().backward()


def test_torchs_own_hooks_for_all_modules_run_beside_wired_blocks():
    wired = rewire(Net(nn.Sequential), Bdia(), example=X).train()
    seen = []

    def hook(module, _given):
        seen.append(module)

    hook.__module__ = "torch.utils.module_tracker"
    handle = nn.modules.module.register_module_forward_pre_hook(hook)
    try:
        wired(X).sum().backward()
    finally:
        handle.remove()
    assert wired.blocks[0].linear in seen
