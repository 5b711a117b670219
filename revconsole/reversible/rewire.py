"""Turning the residual stacks of an ordinary model into reversible sequences, in place.

Stacks are found by structure: the model is run once on a small input, and what its containers call in a row, that
keeps its shape and adds to it, is a run of blocks (`trial`, `skips`, `stacks`). Nothing depends on names of classes,
and weights may live on the `meta` device. `splits` tells attention from MLP for the schemes that need them apart;
every other block has one branch, block(x) − x.

The sequence holds the same modules under the same names, so weights load strictly both ways. The one exception is
`additive` with `concat`, whose final norm and head are twice as wide. Everything else a model does is left alone.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TypeVar

from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible.axes import Axes
from revconsole.reversible.between import set_between
from revconsole.reversible.crossings import crossings, in_training
from revconsole.reversible.ends import joins, put_ends, require_end, require_same_width, wide_ends
from revconsole.reversible.examples import Example
from revconsole.reversible.hooks import hand_over
from revconsole.reversible.looped import LoopedSequence
from revconsole.reversible.pairs import BlockList, PairedSequence, paired
from revconsole.reversible.repeated import RepeatedSequence
from revconsole.reversible.rounding import require_digits_in
from revconsole.reversible.scheme import Backward, Scheme, make_scheme
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.shapes import raised
from revconsole.reversible.stack import Stack
from revconsole.reversible.stacks import Blocks, Search
from revconsole.reversible.trial import TrialRun, run_once
from revconsole.reversible.turns import Turn, Turns, in_turns, left_alone, replaced
from revconsole.reversible.unwire import Origin

Model = TypeVar("Model", bound=nn.Module)
NOTHING = "nothing in it that keeps its shape adds to its input twice in a row"
log = logging.getLogger(__name__)
_unheard: ContextVar[bool] = ContextVar("unheard", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The stacks of a model: those that can be rewired, with their depth, and what is left alone.

    fit:  path in the model → number of blocks that are wired.
    unwired: path in the model → why it stays as it is; single blocks of a stack that fits may be among them.
    """

    fit: Mapping[str, int]
    unwired: Mapping[str, str]


def survey(
    model: nn.Module,
    scheme: Scheme | str = "bdia",
    *,
    example: Example | None = None,
    batch_axis: int | None = None,
) -> Survey:
    """Look for residual stacks, without changing the model, and say which the scheme can take.

    example: what to run the model on: a tensor, a tuple of positional inputs, a dictionary of named
    ones, or `(args, kwargs)`; by default an image of the size it was made for, or a small one.
    batch_axis: of the streams between blocks; found by itself where the model shows it.
    """
    return surveys(model, [_made(scheme)], example=example, batch_axis=batch_axis)[0]


def surveys(
    model: nn.Module,
    schemes: Sequence[Scheme],
    *,
    example: Example | None = None,
    batch_axis: int | None = None,
) -> list[Survey]:
    """A survey for each of several schemes, from one run of the model."""
    with _searched(model, example, batch_axis) as seen:
        of_each = [seen.stacks(scheme) for scheme in schemes]
    return [
        Survey(fit={stack.path: stack.blocks for stack in stacks}, unwired=unwired)
        for stacks, unwired in of_each
    ]


def rewire(
    model: Model,
    scheme: Scheme | str = "bdia",
    backward: Backward = "reversible",
    *,
    example: Example | None = None,
    batch_axis: int | None = None,
) -> Model:
    """Replace every fitting stack of the model by a `ReversibleSequence`; returns the same model.

    scheme: a name, with that scheme's defaults, or a value such as `Bdia(grid_bits=9)`. A rewired model may be rewired
    again, except from or to another width of its head. example, batch_axis: as for `survey`. What is left alone beside
    rewired stacks is logged as a warning with the reason. Raises NotInvertible if there is nothing to rewire, saying
    what was tried, or if the scheme cannot run backward reversibly over that many blocks; the model is then unchanged.
    """
    wired = _made(scheme)
    require_same_width(model, wired)
    with _searched(model, example, batch_axis) as seen:
        unwired = _rewired(model, wired, backward, seen)
    if not _unheard.get():
        for path, reason in unwired.items():
            log.warning("left %s as it was: %s", path, reason)
    return model


def unheard() -> AbstractContextManager[None]:
    """A context in which `rewire` does not log what it leaves alone: for second models that stand for another."""
    return raised(_unheard)


def _rewired(
    model: nn.Module, wired: Scheme, backward: Backward, seen: "_SurveyedModel"
) -> Mapping[str, str]:
    """Put in the sequences; returns what is left alone, with the reason."""
    stacks, unwired = seen.stacks(wired)
    if not stacks:
        raise NotInvertible(
            f"{type(model).__name__} has no stack of residual blocks to rewire ({_told(unwired)})"
        )
    if backward == "reversible":
        wired.require_inverse(max(stack.longest for stack in stacks))
        for stack in stacks:
            for run in stack.runs:
                blocks = [stack.block(name) for name in run]
                require_digits_in(wired, blocks, [backward] * len(run))

    joined_before = any(isinstance(module, ReversibleSequence) for module in model.modules())
    ends = wide_ends(model) if joins(wired) and not joined_before else {}
    narrow = {name: getattr(model, name) for name in ends}
    put_ends(model, ends)
    for stack in stacks:
        sequence = _sequence(stack, wired, backward)
        sequence.origin = Origin.of(stack.container, stack.path, narrow)
        if isinstance(sequence, RepeatedSequence):
            replaced(model, stack.container, sequence)
        else:
            parent, _, name = stack.path.rpartition(".")
            setattr(model.get_submodule(parent), name, sequence)
    return unwired


def _told(unwired: Mapping[str, str]) -> str:
    """What was left and why, each reason once."""
    paths: dict[str, list[str]] = {}
    for path, reason in unwired.items():
        paths.setdefault(reason, []).append(path or "the model")
    return "; ".join(f"{', '.join(each)}: {reason}" for reason, each in paths.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _SurveyedModel:
    """One run of a model; of its children where it does not run by itself."""

    model: nn.Module
    blocks: Blocks | None
    inside: Mapping[str, "_SurveyedModel"]
    failure: str
    batch_axis: int | None = None
    axes: Axes | None = None

    def stacks(self, scheme: Scheme) -> tuple[list[Stack], dict[str, str]]:
        """What the scheme can take, and what it leaves with the reason."""
        if self.blocks is None:
            return self._from_children(scheme)
        search = Search(blocks=self.blocks, scheme=scheme)
        stacks = _worthwhile(search.below(self.model, ""), search.unwired)
        runs = [[s.block(n) for n in run] for s in stacks for run in s.runs]
        if stacks and joins(scheme):
            try:
                require_end(self.model, runs, self.blocks.run)
            except NotInvertible as misfit:
                return [], {stack.path: str(misfit) for stack in stacks} | search.unwired
        if not stacks and not search.unwired:
            return [], left_alone(self.model, self.blocks.run) or {"": NOTHING}
        return self._with_axes(stacks, scheme, search.unwired), search.unwired

    def _with_axes(
        self, stacks: list[Stack], scheme: Scheme, unwired: dict[str, str]
    ) -> list[Stack]:
        """The stacks with the axis of the batch, without those where a scheme that draws needs it in vain."""
        if self.batch_axis is not None:
            return [replace(stack, batch_axis=self.batch_axis) for stack in stacks]
        with_axes = []
        for stack in stacks:
            axis = stack.batch_axis
            if axis is None and scheme.draws and self.axes is not None:
                run = stack.runs[0]
                axis = self.axes.batch(stack.block(run[0]), stack.block(run[-1]))
            if scheme.draws and axis is None:
                unwired[stack.path] = (
                    f"does not show on which axis of its streams the batch lies, and {scheme.name} "
                    "draws for each sample: give it as `batch_axis`"
                )
            else:
                with_axes.append(replace(stack, batch_axis=axis))
        return with_axes

    def _from_children(self, scheme: Scheme) -> tuple[list[Stack], dict[str, str]]:
        stacks: list[Stack] = []
        unwired = {} if self.inside else {"": self.failure}
        for name, seen in self.inside.items():
            of_child, alone = seen.stacks(scheme)
            stacks.extend(stack.under(name) for stack in of_child)
            unwired |= {f"{name}.{path}".rstrip("."): reason for path, reason in alone.items()}
        return stacks, unwired


def _worthwhile(stacks: list[Stack], unwired: dict[str, str]) -> list[Stack]:
    """The stacks without those of a single block, unless there are no others."""
    if all(stack.longest == 1 for stack in stacks):
        return stacks
    for stack in stacks:
        if stack.longest == 1:
            unwired[stack.path] = f"{type(stack.first).__name__} is alone in its row"
    return [stack for stack in stacks if stack.longest > 1]


@contextmanager
def _searched(
    model: nn.Module, example: Example | None, batch_axis: int | None
) -> Iterator[_SurveyedModel]:
    """What is seen of a model, which within a `with` has blocks in a row where there are others in truth."""
    with ExitStack() as stack:
        stack.enter_context(paired(model, example))
        yield _seen(model, example, batch_axis, stack)


def _seen(
    model: nn.Module, example: Example | None, batch_axis: int | None, until: ExitStack
) -> _SurveyedModel:
    def once() -> TrialRun:
        return run_once(model, example)

    try:
        run = in_turns(model, once(), once, until)
    except NotInvertible as failure:
        return _SurveyedModel(model=model, blocks=None, inside={}, failure=str(failure))
    except NotImplementedError:
        children = model.named_children()
        inside = {name: _seen(child, example, batch_axis, until) for name, child in children}
        return _SurveyedModel(model=model, blocks=None, inside=inside, failure="has no forward")
    training = in_training(model, run.inputs)
    looks = [crossings(run, model), training]
    return _SurveyedModel(
        model=model,
        blocks=Blocks(run=run, looks=looks, between=set_between(model, run, looks)),
        inside={},
        failure="",
        batch_axis=batch_axis,
        axes=Axes.of(model, run, training),
    )


def _made(scheme: Scheme | str) -> Scheme:
    return make_scheme(scheme) if isinstance(scheme, str) else scheme


def _sequence(stack: Stack, scheme: Scheme, backward: Backward) -> ReversibleSequence:
    """The container's children under their names, wired."""
    if isinstance(stack.container, Turns | RepeatedSequence):
        return _repeated(stack, stack.container, scheme, backward)
    children = stack.container._modules  # noqa: SLF001  named_children hides a block used twice
    named = OrderedDict(
        (name, _block(child)) for name, child in children.items() if child is not None
    )
    taken = {name for run in stack.runs for name in run}
    paired_up = isinstance(stack.container, BlockList | PairedSequence)
    looped = PairedSequence if paired_up else LoopedSequence
    kind = looped if stack.looped else ReversibleSequence
    sequence = kind(
        named,
        scheme=scheme,
        backward=backward,
        unwired=[name for name in named if name not in taken],
        starts=[run[0] for run in stack.runs],
        batch_axis=stack.batch_axis or 0,
    )
    sequence.training = stack.container.training
    hand_over(stack.container, sequence)
    return sequence


def _block(child: nn.Module) -> nn.Module:
    """The child, or the block of which it is a turn."""
    return child.settled() if isinstance(child, Turn) else child


def _repeated(
    stack: Stack, container: Turns | RepeatedSequence, scheme: Scheme, backward: Backward
) -> RepeatedSequence:
    """The block that is called several times, wired."""
    for turn in container.children() if isinstance(container, Turns) else ():
        _block(turn)
    sequence = RepeatedSequence(
        container.proxied[0],
        len(stack.runs[0]),
        scheme=scheme,
        backward=backward,
        batch_axis=stack.batch_axis or 0,
    )
    if isinstance(container, RepeatedSequence):
        hand_over(container, sequence)
    return sequence
