"""What passes in and out of a block besides its stream is found before training, or at its first step."""

import copy
import gc
import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import Bdia, rewire, survey

pytestmark = pytest.mark.slow

WIDTH = 6
X = torch.linspace(-1, 1, 3 * 4 * WIDTH, dtype=torch.float64).reshape(3, 4, WIDTH)
SAME = 1e-12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

    def mix(self, x):
        return self.linear(self.norm(x).tanh())

    def forward(self, x):
        return x + self.mix(x)


class Net(nn.Module):
    """Four blocks in a list, and what a model may do beside them."""

    block = Block

    def __init__(self, listed=nn.ModuleList):
        super().__init__()
        torch.manual_seed(0)
        blocks = [self.block() for _ in range(4)]
        self.blocks = listed(blocks) if listed is nn.ModuleList else listed(*blocks)
        self.beside = nn.Linear(WIDTH, WIDTH)
        self.double()

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.beside(x)


def kept(tensors):
    return torch.stack(tensors).sum(0)


class Features(Net):
    def forward(self, x):
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return kept(features)


class Returned(Net):
    def forward(self, x):
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1]))
        return {"last": self.beside(states[-1]), "states": states}


class Supervised(Net):
    """A head on the second block's output, so that a run ends there and another begins."""

    def forward(self, x):
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == 1:
                early = self.beside(x)
        return self.beside(x) + early


class InPlace(Net):
    def forward(self, x):
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == 1:
                x += 1.0
        return self.beside(x)


class Detached(Net):
    """Statistics of what lies between two blocks, without a gradient."""

    def forward(self, x):
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == 1:
                self.mean = x.detach().mean()
        return self.beside(x) * self.mean


class OnlyInTraining(Net):
    def forward(self, x):
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == 1:
                x = nn.functional.dropout(x, 0.5, self.training)
        return self.beside(x)


@pytest.mark.parametrize("kind", [Features, Returned])
def test_a_model_that_takes_what_lies_between_all_its_blocks_is_refused(kind):
    with pytest.raises(NotInvertible, match=r"blocks\.0, .*hands on what the model also uses"):
        rewire(kind(), example=X)
    assert set(survey(kind(), example=X).unwired) >= {f"blocks.{i}" for i in range(4)}


@pytest.mark.parametrize("kind", [Supervised, InPlace, Detached, OnlyInTraining])
def test_a_run_ends_where_the_model_uses_what_lies_between(kind):
    model, results = kind(), []
    for backward in ("stored", "reversible"):
        wired = rewire(copy.deepcopy(model), Bdia(), backward, example=X)
        assert [len(run) for run in wired.blocks.runs] == [2, 2]
        results.append(trained(wired))
    assert_equal(*results)


def test_with_the_plain_scheme_a_model_with_features_computes_what_it_did():
    model = Supervised()
    wired = rewire(copy.deepcopy(model), Bdia(gamma=0.0), "stored", example=X).train()
    assert torch.equal(wired(X), model(X))


class Asked(Net):
    """Hidden states on demand."""

    def forward(self, x, states=False):
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return (self.beside(x), found) if states else self.beside(x)


def test_features_asked_for_after_rewiring_raise_in_training_and_are_there_in_evaluation():
    model = Asked()
    wired = rewire(copy.deepcopy(model), example=X)
    expected = model.eval()(X, states=True)[1]
    assert all(map(torch.equal, expected, wired.eval()(X, states=True)[1]))
    _, states = wired.train()(X, states=True)
    assert states[0].shape == X.shape
    assert "inside a run" in repr(states[0])
    for use in (torch.sum, lambda t: t + 1, lambda t: t.detach(), lambda t: kept([t, X]), list):
        with pytest.raises(RevconsoleError, match="output of block 1 is used"):
            use(states[1])
    states[3].sum().backward()


def test_a_model_that_stops_early_raises_in_training():
    class Short(Net):
        depth = 4

        def forward(self, x):
            for block in list(self.blocks)[: self.depth]:
                x = block(x)
            return self.beside(x)

    model = rewire(Short(), example=X).train()
    model.depth = 3
    with pytest.raises(RevconsoleError, match=r"output of block 2 is used \(linear\)"):
        model(X)


class Weighted(Block):
    weight = 1.0

    def mix(self, x):
        return self.weight * super().mix(x)


class SetInTheLoop(Net):
    block = Weighted

    def forward(self, x):
        for number, block in enumerate(self.blocks):
            block.weight = 1.0 + number
            x = block(x)
        return self.beside(x)


class SetElsewhereInTheLoop(Net):
    """Sets it by another way than through what the loop gives it."""

    block = Weighted

    def forward(self, x):
        for number, block in enumerate(self.blocks):
            self.get_submodule(f"blocks.{number}").weight = 1.0 + number
            x = block(x)
        return self.beside(x)


class SetInsideInTheLoop(Net):
    def forward(self, x):
        for number, block in enumerate(self.blocks):
            block.norm.eps = 10.0 ** -(number + 1)
            x = block(x)
        return self.beside(x)


class SetByReference(Net):
    """The blocks know a thing of the model's, which it changes on its way."""

    def __init__(self):
        super().__init__()
        self.at = SimpleNamespace(number=1.0)
        for block in self.blocks:
            block.linear.at = [self.at]
            block.linear.register_forward_hook(lambda linear, _, out: out * linear.at[0].number)

    def forward(self, x):
        for number, block in enumerate(self.blocks):
            self.at.number = 1.0 + number
            x = block(x)
        return self.beside(x)


class Told(Block):
    def forward(self, x, how):
        return x + self.mix(x) / how["depth"][0]


class SetInAnArgument(Net):
    """Hands every block the same thing, and changes it on the way."""

    block = Told

    def forward(self, x):
        how = {"depth": np.ones(1)}
        for block in self.blocks:
            how["depth"] += 1
            x = block(x, how)
        return self.beside(x)


class SetInAnArgumentLater(SetInAnArgument):
    begun = False

    def forward(self, x):
        if self.begun:
            return super().forward(x)
        how = {"depth": np.ones(1)}
        for block in self.blocks:
            x = block(x, how)
        return self.beside(x)


class Counting(Block):
    def forward(self, x, counted):
        counted.append(1)
        return x + self.mix(x) / len(counted)


class CountsInAList(Net):
    block = Counting

    def forward(self, x):
        counted = []
        for block in self.blocks:
            x = block(x, counted)
        return self.beside(x)


class SetLater(SetInTheLoop):
    """Begins to do so after it was rewired."""

    begun = False

    def forward(self, x):
        return super().forward(x) if self.begun else Net.forward(self, x)


class SetBeforeTheLoop(Net):
    block = Weighted

    def forward(self, x):
        for number, block in enumerate(self.blocks):
            block.weight = 1.0 + number
        return super().forward(x)


def test_what_a_model_sets_on_its_blocks_is_set_on_them_or_refused_where_it_comes_too_late():
    """A wired run is computed with its first block: the later ones would have had what they had before."""
    in_time, too_late = SetBeforeTheLoop(), rewire(SetLater(), example=X).train()
    too_late(X)
    expected = in_time.train()(X)
    in_time = rewire(copy.deepcopy(in_time), "momentum", "stored", example=X).train()
    for number, block in enumerate(in_time.blocks._modules.values()):
        block.weight = -1.0 - number
    in_time(X)
    assert [block.weight for block in in_time.blocks._modules.values()] == [1.0, 2.0, 3.0, 4.0]

    gamma_zero = rewire(SetBeforeTheLoop(), Bdia(gamma=0.0), "stored", example=X).train()
    assert torch.equal(gamma_zero(X), expected)

    too_late.begun = True
    with pytest.raises(
        RevconsoleError, match="sets 'weight' of a Weighted of block 1 after the run"
    ):
        too_late(X)


def test_an_argument_that_the_model_changes_between_its_blocks_raises_where_it_comes_too_late():
    model = rewire(SetInAnArgumentLater(), example=X).train()
    model(X)
    model.begun = True
    with pytest.raises(
        RevconsoleError, match="sets 'arguments' of a Told of block 1 after the run"
    ):
        model(X)


def test_a_block_that_changes_a_list_it_is_given_is_left():
    with pytest.raises(NotInvertible, match="changes a list or a dictionary that it is given"):
        rewire(CountsInAList(), example=X)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (SetInTheLoop, "weight"),
        (SetElsewhereInTheLoop, "weight"),
        (SetInsideInTheLoop, "eps"),
        (SetByReference, "at"),
        (SetInAnArgument, "arguments"),
    ],
)
def test_a_model_that_sets_something_on_each_block_before_it_calls_it_is_left(kind, what):
    with pytest.raises(NotInvertible, match=f"precedes one whose '{what}' the model sets between"):
        rewire(kind(), example=X)


class Conditioned(Block):
    def mix(self, x):
        return super().mix(x) * self.condition


class ByAttribute(Net):
    block = Conditioned

    def forward(self, x):
        for block in self.blocks:
            block.condition = self.beside(x)
        return super().forward(x)


class ByClosure(Net):
    def __init__(self):
        super().__init__()
        for block in self.blocks:
            block.mix = lambda x, block=block: Block.mix(block, self.beside(x))


class ByPartial(Net):
    def __init__(self):
        super().__init__()
        for block in self.blocks:
            block.mix = partial(scaled, block, {"weights": [self.beside.weight]})


def scaled(block, held, x):
    return Block.mix(block, x) @ held["weights"][0]


class Listed(Block):
    def mix(self, x):
        return self.others[0](super().mix(x))


class InAList(Net):
    block = Listed

    def __init__(self):
        super().__init__()
        for block in self.blocks:
            block.others = [self.beside]


class ReadInTraining(Net):
    block = Listed

    def __init__(self):
        super().__init__()
        for block in self.blocks:
            block.others = (self.choose,)

    def choose(self, x):
        return self.beside(x) if self.training else x


class Wrapped:
    def __init__(self, tensor):
        self.tensor = tensor


class Given(Block):
    def forward(self, x, other):
        return x + self.mix(x) * other.tensor


class InsideAnArgument(Net):
    block = Given

    def forward(self, x):
        other = Wrapped(self.beside(x))
        for block in self.blocks:
            x = block(x, other)
        return x


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (ByAttribute, "comes of beside"),
        (ByClosure, r"beside\.weight, beside\.bias"),
        (ByPartial, r"beside\.weight"),
        (InAList, r"beside\.weight, beside\.bias"),
        (ReadInTraining, r"beside\.weight, beside\.bias"),
        (InsideAnArgument, "comes of beside"),
    ],
)
@pytest.mark.parametrize("frozen", [False, True], ids=["trained", "frozen"])
def test_a_block_that_reads_what_it_does_not_hold_is_left_with_its_name(kind, what, frozen):
    model = kind()
    model.beside.requires_grad_(not frozen)
    with pytest.raises(NotInvertible, match=f"reads .*{what}.*, which it does not hold"):
        rewire(model, example=X)


class Balanced(Block):
    def mix(self, x):
        h = super().mix(x)
        self.loss = h.square().mean()
        return h


class WithLosses(Net):
    block = Balanced


class InALoss(Net):
    block = Balanced

    def forward(self, x):
        return super().forward(x), sum(block.loss for block in self.blocks)


class Told(Block):
    told = None

    def mix(self, x):
        h = super().mix(x)
        if self.training:
            self.told.append(h)
        return h


class OutsideInTraining(Net):
    block = Told

    def __init__(self):
        super().__init__()
        left = []
        for block in self.blocks:
            block.told = left


class ByHookInside(Net):
    def __init__(self):
        super().__init__()
        seen = []
        for block in self.blocks:
            block.linear.register_forward_hook(lambda _, __, out: seen.append(out))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (WithLosses, r"blocks\.0\.loss is kept"),
        (InALoss, "returned by the model|used"),
        (OutsideInTraining, r"told is kept"),
        (ByHookInside, "kept by a hook or outside of the model"),
    ],
)
def test_a_block_that_leaves_more_behind_than_its_output_is_left_with_a_sentence(kind, what):
    with pytest.raises(NotInvertible, match=f"leaves more behind than its output: .*{what}"):
        rewire(kind(), example=X)


class Busy(Block):
    """It counts, remembers, draws and renormalises."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.calls, self.seen, self.memory = 0, [], {"last": None}
        self.chance, self.dice = torch.Generator(), random.Random(1)

    def forward(self, x):
        self.count += 1
        self.calls += 1
        self.seen.append(len(self.seen))
        self.memory["last"] = x
        self.new = x
        torch.rand(1, generator=self.chance)
        torch.rand(1)
        self.dice.random()
        random.random()
        np.random.rand()  # noqa: NPY002  the generator that everybody shares
        with torch.no_grad():
            self.linear.weight.div_(2)
        return super().forward(x.detach())


class Normalised(Net):
    block = Busy

    def __init__(self):
        super().__init__()
        self.statistics = nn.BatchNorm1d(4).double()

    def forward(self, x):
        return super().forward(self.statistics(x))


def test_a_survey_leaves_everything_as_it_was():
    model = Normalised()
    model.blocks[1].eval()
    model.blocks[2].linear.requires_grad_(requires_grad=False)
    state = copy.deepcopy(model.state_dict())
    attributes = {name: set(vars(each)) for name, each in model.named_modules()}
    modes = [each.training for each in model.modules()]
    generators = torch.get_rng_state(), random.getstate(), shared_by_numpy()
    block = model.blocks[0]
    own = block.chance.get_state(), block.dice.getstate()

    survey(model, example=X)

    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())
    assert {name: set(vars(each)) for name, each in model.named_modules()} == attributes
    assert [each.training for each in model.modules()] == modes
    assert torch.equal(generators[0], torch.get_rng_state())
    assert generators[1] == random.getstate()
    assert generators[2] == shared_by_numpy()
    assert torch.equal(own[0], block.chance.get_state())
    assert own[1] == block.dice.getstate()
    assert (block.calls, block.seen, block.memory) == (0, [], {"last": None})
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    copy.deepcopy(model)


def shared_by_numpy():
    _, numbers, position, *_ = np.random.get_state()  # noqa: NPY002  as above
    return numbers.tolist(), position


class KeepsTheMiddle(Net):
    """A tensor between two blocks is kept with its graph, and all that the graph needs."""

    def forward(self, x):
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == 1:
                self.middle = x
        self.last = x
        return self.beside(x)


def test_what_is_kept_for_the_graph_of_a_kept_output_is_not_left_behind():
    results = []
    for backward in ("stored", "reversible"):
        wired = rewire(KeepsTheMiddle(), Bdia(), backward, example=X)
        assert [len(run) for run in wired.blocks.runs] == [2, 2]
        torch.manual_seed(1)
        loss = wired.train()(X).square().sum() + wired.last.sum() + wired.middle.square().sum()
        loss.backward()
        results.append({name: parameter.grad for name, parameter in wired.named_parameters()})
    assert_equal(*results)


class Lazy(Net):
    def __init__(self):
        super().__init__()
        self.head = nn.LazyLinear(2)

    def forward(self, x):
        return self.head(super().forward(x))


def test_weights_without_a_shape_stay_so_and_the_sentence_says_to_run_the_model_once():
    model = Lazy()
    with pytest.raises(
        NotInvertible, match=r"head \(LazyLinear\) has weights without a shape.* run"
    ):
        rewire(model, example=X)
    assert model.head.has_uninitialized_params()
    assert "without a shape" in survey(model, example=X).unwired[""]
    model.head.to(torch.float64)
    model(X)
    assert survey(model, example=X).fit == {"blocks": 4}


def test_a_compiled_model_is_told_to_be_rewired_first():
    with pytest.raises(NotInvertible, match="rewire first, compile after"):
        rewire(torch.compile(Net()), example=X)


class Gambling(Block):
    def forward(self, x):
        if self.training and DICE() < 0.5:
            return x
        return super().forward(x)


def DICE():  # noqa: N802  one of several below
    return random.random()


class LayerDrop(Net):
    block = Gambling


@pytest.mark.parametrize("dice", [random.random, np.random.rand], ids=["Python", "NumPy"])
def test_a_block_that_draws_random_numbers_of_its_own_is_left(dice, monkeypatch):
    monkeypatch.setitem(globals(), "DICE", dice)
    with pytest.raises(NotInvertible, match="draws random numbers of Python or NumPy"):
        rewire(LayerDrop(), example=X)


class TakesTheOther(Block):
    def forward(self, x):
        return super().forward(x) + 0 * np.random.randn()  # noqa: NPY002  as above


def test_blocks_that_draw_of_numpy_are_left_whichever_of_a_pair_of_numbers_they_take():
    model = Net()
    model.blocks[1], model.blocks[2] = TakesTheOther(), TakesTheOther()
    found = survey(model.double(), "momentum", example=X)
    for block in ("blocks.1", "blocks.2"):
        assert "draws random numbers of Python or NumPy" in found.unwired[block]


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.Philox, np.random.MT19937])
def test_numpys_shared_generator_may_be_of_any_kind_when_a_model_is_rewired(kind, monkeypatch):
    monkeypatch.setitem(globals(), "DICE", np.random.rand)
    usual = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(kind(3))
        assert survey(Net(), "momentum", example=X).fit == {"blocks": 4}
        with pytest.raises(NotInvertible, match="draws random numbers of Python or NumPy"):
            rewire(LayerDrop(), example=X)
    finally:
        np.random.set_bit_generator(usual)


class Dropping(nn.Sequential):
    """A container that leaves out blocks in training."""

    def forward(self, x):
        for block in self:
            if not self.training or torch.rand(()) < 2:
                x = block(x)
        return x


class Scaling(nn.Sequential):
    def forward(self, x):
        x = super().forward(x)
        return 2 * x if self.training else x


class InOrder(nn.Sequential):
    def forward(self, x):
        for block in self:
            x = block(x)
        return x


@pytest.mark.parametrize(("listed", "fits"), [(Dropping, 0), (Scaling, 0), (InOrder, 4)])
def test_a_container_of_its_own_kind_is_replaced_only_if_it_does_nothing_else_in_training(
    listed, fits
):
    class Called(Net):
        def forward(self, x):
            return self.beside(self.blocks(x))

    assert survey(Called(listed), example=X).fit.get("blocks", 0) == fits


def test_a_norm_by_hand_and_a_stage_are_no_blocks():
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(WIDTH, dtype=torch.float64))

        def forward(self, x):
            return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5) * self.scale

    def stage():
        return nn.Sequential(Block(), Block()).double()

    whole = nn.Sequential(nn.Sequential(Norm(), *stage(), Norm())).double()
    assert survey(whole, example=X).fit == {"0": 2}
    stages = nn.Sequential(nn.Sequential(*(stage() for _ in range(4))))
    assert survey(stages, example=X).fit == {f"0.{i}": 2 for i in range(4)}


def trained(model):
    torch.manual_seed(1)
    model.train()(X).square().sum().backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_equal(stored, reversible):
    for name, gradient in stored.items():
        assert gradient is not None, name
        difference = (gradient - reversible[name]).abs().max()
        assert difference <= SAME * (1 + gradient.abs().max()), name


@pytest.mark.parametrize("listed", [nn.ModuleList, nn.Sequential])
def test_a_healthy_model_is_wired_without_collecting_the_cycles_of_the_whole_process(listed):
    """That takes longer than all the rest, so nothing of the run may lie in a cycle."""
    collected = []
    gc.disable()
    gc.callbacks.append(lambda phase, _: collected.append(phase))
    try:
        rewire(Net(listed), Bdia(), example=X)
    finally:
        gc.callbacks.pop()
        gc.enable()
    assert collected == []
