"""What a model sets between two blocks, or what a block asks of a tensor besides its numbers, is found when it is wired."""

import contextlib
import contextvars
import copy
import dataclasses
import threading

import numpy as np
import pytest
import torch
from torch import nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible import Bdia, Momentum, rewire, survey

WIDTH = 6
X = torch.linspace(-1, 1, 3 * 4 * WIDTH, dtype=torch.float64).reshape(3, 4, WIDTH)
SAME = 1e-12
FACTOR = contextvars.ContextVar("FACTOR", default=1.0)
GLOBAL = {"factor": 1.0}
LATE = contextvars.ContextVar("LATE", default=1.0)
LOCAL = threading.local()


def in_a_context_variable(value):
    FACTOR.set(value)


def in_a_dictionary_of_a_module(value):
    GLOBAL["factor"] = value


def in_this_thread(value):
    LOCAL.factor = value


def on_a_class(value):
    Block.factor = value


SETTERS = [in_a_context_variable, in_a_dictionary_of_a_module, in_this_thread, on_a_class]


@pytest.fixture(autouse=True)
def _nothing_is_set():
    yield
    for setter in SETTERS:
        setter(1.0)


class Block(nn.Module):
    factor = 1.0

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)
        self.gate = nn.Parameter(torch.zeros(()))

    def mix(self, x):
        factor = FACTOR.get() * GLOBAL["factor"] * getattr(LOCAL, "factor", 1.0) * self.factor
        return self.linear(self.norm(x).tanh()) * factor * (0.5 + self.gate)

    def forward(self, x):
        return x + self.mix(x)


class Gated(Block):
    def mix(self, x):
        return self.gate * super().mix(x)


class Net(nn.Module):
    """Four blocks in a list."""

    def __init__(self, block=Block, setter=None, *, listed=nn.ModuleList, **settings):
        super().__init__()
        torch.manual_seed(0)
        blocks = [block() for _ in range(4)]
        self.blocks = listed(blocks) if listed is nn.ModuleList else listed(*blocks)
        self.setter, self.settings = setter, settings
        self.double()

    def forward(self, x):
        for number, block in enumerate(self.blocks):
            self.between(number)
            x = block(x)
        return x

    def between(self, number):
        if self.setter is not None and (self.training or not self.settings.get("only_in_training")):
            self.setter(1.0 + number)


class Around(Net):
    """Sets it once, before all blocks, and back."""

    def forward(self, x):
        self.setter(3.0)
        x = super().forward(x)
        self.setter(3.0)
        return x

    def between(self, number):
        pass


def gradients(model):
    model.train()(X).square().sum().backward()
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def apart(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("setter", SETTERS)
def test_a_model_that_sets_something_between_its_blocks_is_left_as_it_is(setter):
    with pytest.raises(NotInvertible, match="the model sets something between the two"):
        rewire(Net(setter=setter), example=X)


def test_it_is_noticed_where_it_is_set_only_in_training_or_works_only_once_a_gate_opens():
    for settings in ({"only_in_training": True}, {"block": Gated}):
        with pytest.raises(NotInvertible, match="sets something between"):
            rewire(Net(setter=in_a_context_variable, **settings), "momentum", example=X)


def test_blocks_before_and_after_it_is_set_are_wired_as_two_runs_with_the_gradients_of_the_plain_model():
    class Once(Net):
        def between(self, number):
            in_a_context_variable(1.0 if number < 2 else 2.0)

    plain, wired = Once(), rewire(Once(), Bdia(gamma=0.0), "stored", example=X)
    assert [len(run) for run in wired.blocks.runs] == [2, 2]
    assert apart(gradients(plain), gradients(wired)) < SAME


class SetsAhead(Net):
    """Before a block, weights of the block after the next one are changed; the next one does not read them."""

    def between(self, number):
        if number < 2:
            self.blocks._modules[str(number + 2)].linear.weight.data.fill_(0.1 * (1 + number))


class Reader(Block):
    reads = False

    def mix(self, x):
        return super().mix(x) * (LATE.get() if self.reads else 1.0)


class ReadsLate(Net):
    """What is set before the second block is read by the last two alone."""

    def __init__(self):
        super().__init__(Reader)
        for block in list(self.blocks)[-2:]:
            block.reads = True

    def between(self, number):
        LATE.set(2.0 if number else 1.0)


@pytest.mark.parametrize(("kind", "rows"), [(SetsAhead, [3]), (ReadsLate, [2, 2])])
def test_what_is_set_blocks_ahead_is_noticed_at_the_block_that_reads_it(kind, rows):
    plain, wired = kind(), rewire(kind(), Momentum(gamma=0.0), "checkpointed", example=X)
    assert [len(run) for run in wired.blocks.runs] == rows
    assert apart(gradients(plain), gradients(wired)) < SAME


def test_what_is_set_around_all_blocks_keeps_nothing_from_being_wired():
    assert survey(Around(setter=in_a_context_variable), example=X).fit == {"blocks": 4}


def test_blocks_that_never_compute_the_same_twice_are_not_said_to_be_kept_apart():
    class Counting(Block):
        calls = 0

        def mix(self, x):
            Counting.calls += 1
            return super().mix(x) / Counting.calls

    assert survey(Net(Counting), example=X).fit == {"blocks": 4}


class Sets(nn.Sequential):
    """A container that sets something around its blocks, of which a stack in its place would know nothing."""

    def __init__(self, *blocks):
        super().__init__(*blocks)

    def forward(self, x):
        in_a_context_variable(5.0)
        for block in self:
            x = block(x)
        in_a_context_variable(1.0)
        return x


class Counts(nn.Sequential):
    def forward(self, x):
        for number, block in enumerate(self):
            in_a_context_variable(1.0 if number < 2 else 2.0)
            x = block(x)
        return x


class Coarse(nn.Sequential):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for block in self:
                x = block(x)
        return x


@pytest.mark.parametrize("container", [Sets, Counts, Coarse])
def test_a_container_that_sets_something_for_its_blocks_is_no_stack(container):
    class Called(Net):
        def forward(self, x):
            return self.blocks(x)

    model = Called(listed=container).float()
    with pytest.raises(
        NotInvertible, match=rf"sets something for its blocks .*{container.__name__}"
    ):
        rewire(model, example=X.float())


def test_a_model_that_switches_autocast_between_its_blocks_is_left():
    class Switching(Net):
        def forward(self, x):
            for number, block in enumerate(self.blocks):
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=number == 2):
                    x = block(x)
            return x

    runs = rewire(Switching().float(), "momentum", example=X.float()).blocks.runs
    assert [len(run) for run in runs] == [2]


def test_a_block_whose_gradients_are_off_in_training_alone_is_no_block():
    class Partly(Net):
        def forward(self, x):
            for number, block in enumerate(self.blocks):
                with torch.set_grad_enabled(not (self.training and number == 1)):
                    x = block(x)
            return x

    found = survey(Partly(), "momentum", example=X)
    assert found.fit == {"blocks": 2}
    assert "computes without gradients in training" in found.unwired["blocks.1"]


def test_one_block_that_is_called_several_times_is_left_if_something_is_set_between_its_calls():
    class Repeating(Net):
        def __init__(self):
            super().__init__()
            self.blocks = Block().double()

        def forward(self, x):
            for number in range(3):
                in_a_context_variable(1.0 + number)
                x = self.blocks(x)
            return x

    with pytest.raises(NotInvertible, match="sets something between"):
        rewire(Repeating(), example=X)


def test_blocks_of_parts_are_left_if_something_is_set_between_two_parts():
    class Branch(Block):
        def forward(self, x):
            return self.mix(x)

    class Parts(nn.Module):
        def __init__(self, *, sets, only_in_training=False):
            super().__init__()
            self.sets, self.always = sets, not only_in_training
            self.layers = nn.ModuleList(nn.ModuleList([Branch(), Branch()]) for _ in range(3))
            self.double()

        def forward(self, x):
            for attn, ff in self.layers:
                in_a_context_variable(1.0)
                x = attn(x) + x
                in_a_context_variable(2.0 if self.sets and (self.always or self.training) else 1.0)
                x = ff(x) + x
            return x

    assert survey(Parts(sets=False), example=X).fit == {"layers": 3}
    assert survey(Parts(sets=False).to("meta"), example=X.to("meta")).fit == {"layers": 3}
    for only_in_training in (False, True):
        with pytest.raises(NotInvertible):
            rewire(Parts(sets=True, only_in_training=only_in_training), example=X)


def test_looking_leaves_the_model_and_what_is_drawn_as_they_were():
    model = Net()
    before, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    survey(model, example=X)
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())


def asks(question):
    class Asking(Block):
        def mix(self, x):
            return super().mix(x) * (1.0 + float(question(self, x)))

    return Asking


IDENTITY = {
    "grad_fn": lambda _, x: x.grad_fn is None,
    "_version": lambda _, x: x._version,
    "data_ptr": lambda _, x: x.data_ptr() % 7,
    "untyped_storage": lambda _, x: x.untyped_storage().data_ptr() % 7,
    "_base": lambda _, x: x._base is None,
    "_is_view": lambda _, x: x._is_view(),
    "grad": lambda self, _: self.linear.weight.grad is None,
}


@pytest.mark.parametrize("name", IDENTITY)
def test_a_block_that_asks_which_tensor_it_is_given_is_left(name):
    with pytest.raises(NotInvertible, match=f"asks for '{name}' of a tensor"):
        rewire(Net(asks(IDENTITY[name])), "momentum", example=X)


def test_a_part_of_a_block_that_is_handed_its_stream_and_asks_is_found_too():
    class Inner(nn.Module):
        def forward(self, x):
            return x * (1.0 + x._version)

    class Outer(Block):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def mix(self, x):
            return super().mix(self.inner(x))

    with pytest.raises(NotInvertible, match="asks for '_version'"):
        rewire(Net(Outer), "momentum", example=X)


def test_hooks_of_torch_that_ask_keep_no_block_from_being_wired():
    model = Net()
    for block in model.blocks:
        block.linear.register_full_backward_hook(lambda *_: None)
    assert survey(model, example=X).fit == {"blocks": 4}


ANSWERED = {
    "is_leaf": lambda _, x: x.is_leaf,
    "requires_grad": lambda _, x: x.requires_grad,
    "is_leaf of a weight": lambda self, _: self.linear.weight.is_leaf,
}


@pytest.mark.parametrize("question", ANSWERED)
@pytest.mark.parametrize("backward", ["checkpointed", "reversible", "anchored"])
def test_a_block_is_told_of_leaves_and_gradients_what_it_is_told_where_all_is_stored(
    question, backward
):
    found = []
    for each in ("stored", backward):
        model = rewire(Net(asks(ANSWERED[question])), Momentum(), "stored", example=X)
        model.blocks.backward = ["stored", each, each, "stored"]
        found.append(gradients(model))
    assert apart(*found) < SAME


@pytest.mark.parametrize("question", ["is_leaf", "requires_grad"])
@pytest.mark.parametrize("backward", ["reversible", "anchored"])
def test_so_it_is_of_what_it_is_given_besides_its_stream(question, backward):
    class Scaled(Block):
        def forward(self, x, scale):
            return x + self.mix(x) * scale * (1.0 + float(getattr(scale, question)))

    class Scales(Net):
        def __init__(self):
            super().__init__(Scaled)
            self.scale = nn.Parameter(torch.ones(WIDTH, dtype=torch.float64))

        def forward(self, x):
            scale = self.scale * 2.0
            for block in self.blocks:
                x = block(x, scale)
            return x

    found = []
    for each in ("stored", backward):
        model = rewire(Scales(), Momentum(), "stored", example=X)
        model.blocks.backward = ["stored", each, each, "stored"]
        found.append(gradients(model))
    assert apart(*found) < SAME


def test_between_blocks_a_model_is_told_whether_there_is_a_gradient():
    told = []

    class Telling(Net):
        def forward(self, x):
            for block in self.blocks:
                x = block(x)
                told.append(x.requires_grad)
            return x

    model = Telling()
    model.blocks[0].requires_grad_(False)
    model.train()(X)
    plain = list(told)
    wired = rewire(model, "momentum", "reversible", example=X).train()
    told.clear()
    with contextlib.suppress(NotInvertible):
        wired(X)
    assert told == plain == [False, True, True, True]


class Condition:
    """Something given to a block, of which `==` tells nothing."""

    def __init__(self, factor):
        self.factor = factor

    def __eq__(self, other):
        return True

    __hash__ = None


@dataclasses.dataclass
class Holder:
    factor: object


@pytest.mark.parametrize("kind", [Condition, Holder, np.asarray, lambda factor: lambda: factor])
def test_arguments_are_the_same_only_if_all_that_they_hold_is(kind):
    class Given(Block):
        def forward(self, x, given):
            factor = given() if callable(given) else getattr(given, "factor", given)
            return x + self.mix(x) * torch.as_tensor(factor)[0]

    class Gives(Net):
        def between(self, number):
            self.given = kind(torch.full((2,), 1.0 + self.settings["step"] * number).numpy())

        def forward(self, x):
            for number, block in enumerate(self.blocks):
                if number == 0 or self.settings["step"]:
                    self.between(number)
                x = block(x, self.given)
            return x

    assert survey(Gives(Given, step=0), "momentum", example=X).fit == {"blocks": 4}
    with pytest.raises(NotInvertible, match="given other arguments than its neighbours"):
        rewire(Gives(Given, step=1), "momentum", example=X)


def test_only_a_method_says_what_branches_are_and_only_if_they_add_up():
    class Parts(Block):
        """Has parts of that name."""

        def __init__(self):
            super().__init__()
            self.branches = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(2)])

        def mix(self, x):
            return sum(branch(x).tanh() for branch in self.branches)

    class Right(Block):
        def branches(self):
            return (self.mix,)

    class Wrong(Block):
        def branches(self):
            return (self.mix, self.mix)

    class Other(Block):
        def branches(self):
            return 2

    for kind in (Parts, Right):
        plain, wired = Net(kind), rewire(Net(kind), Bdia(gamma=0.0), "stored", example=X)
        assert apart(gradients(plain), gradients(wired)) < SAME
    for kind in (Wrong, Other):
        with pytest.raises(NotInvertible, match="`branches` whose callables do not add up"):
            rewire(Net(kind), "momentum", example=X)


def test_a_block_with_another_sum_in_training_is_one_sentence_under_schemes_that_take_it_apart():
    class Turned(Block):
        def forward(self, x):
            after = x + self.mix(x)
            after = after + self.linear(after)
            return x + 0.5 * (after - x) if self.training else after

    wired = rewire(Net(Turned), "hamiltonian", example=X).train()
    with pytest.raises(RevconsoleError, match="goes another way through its forward"):
        wired(X)
