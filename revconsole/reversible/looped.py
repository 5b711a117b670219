"""A wired stack for models that walk over their blocks themselves.

`for block in self.blocks: x = block(x, rope)` runs the blocks one by one, where a scheme needs them together.
Iterating over a `LoopedSequence` therefore yields as many stand-ins as there are blocks: the first of each run
computes all of it, and the last hands the result on. What lies in between has no values (see `pending`), and each
stand-in takes it only from the one before, with the same extra arguments. In evaluation, where the scheme is the
plain network, the blocks themselves are yielded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible.branches import rest_of
from revconsole.reversible.compiled import as_written
from revconsole.reversible.extras import same_arguments
from revconsole.reversible.inventory import Holdings
from revconsole.reversible.pending import Pending, Unused
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.transforms import traced


class LoopedSequence(ReversibleSequence):
    """A `ReversibleSequence` that the model iterates over; see the module.

    What a model collects from inside a run (intermediate features) is there only where the blocks
    themselves are yielded; elsewhere its use raises.
    """

    def __iter__(self) -> Iterator[Any]:
        """The blocks, or their stand-ins."""
        if self.called_one_by_one:
            yield from self._modules.values()
            return
        if traced():
            raise NotInvertible(
                "torch.jit.trace cannot follow a model that walks over its wired blocks: use "
                "`torch.export.export`, or a scheme that is the plain network in evaluation, such as bdia"
            )
        stretches, blocks = self.named_stretches(), self.named_blocks
        for wired, names in stretches:
            if not wired:
                yield from (blocks[name] for name in names)
                continue
            first = RunsAll(self if len(stretches) == 1 else self._alone(names), names)
            for number, name in enumerate(names):
                call: RunsAll | PassesThrough = PassesThrough(first, name) if number else first
                rest = rest_of(blocks[name])
                yield StandIn(blocks[name], call if rest is None else Several(call, rest))

    def _alone(self, names: Sequence[str]) -> ReversibleSequence:
        """One run by itself."""
        run = self._part(names, ReversibleSequence)
        run.inventories = self.inventories
        return run


class StandIn:
    """What a model is given in the place of a block: it answers for the block, and is set what the block is set.

    A block may have an attribute of any name, so a stand-in has none that is likely to be one. call: what a call of
    the block comes to.
    """

    _stand_in_block: nn.Module
    _stand_in_call: Callable[..., Any]

    def __init__(self, block: nn.Module, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_stand_in_block", block)
        object.__setattr__(self, "_stand_in_call", call)

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """What the call comes to."""
        return self._stand_in_call(x, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What the model asks of the block."""
        return getattr(self._stand_in_block, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set it on the block."""
        setattr(self._stand_in_block, name, value)


class RunsAll:
    """The call of the first block of a run, which computes all of it.

    names: of the blocks of the run. reached: the one whose output was handed on last. held_then: by name, what the
    blocks after the first and their arguments held when the run was computed.
    """

    def __init__(self, sequence: ReversibleSequence, names: Sequence[str]) -> None:
        self.sequence, self.names = sequence, names
        self.arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
        self.after: Tensor | None = None
        self.reached = ""
        self.held_then: dict[str, Holdings] = {}

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What the run makes of x if it has no other block; else what to hand to the next."""
        return as_written(self._run)(x, *args, **kwargs)

    def _run(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self.arguments = args, kwargs
        self.after = ReversibleSequence.forward(self.sequence, x, *args, **kwargs)
        if len(self.names) == 1:
            return self.after
        blocks, given = self.sequence.named_blocks, self.arguments if args or kwargs else ()
        later = {name: blocks[name] for name in self.names[1:]}
        held = {
            block: self.sequence.inventories.of(block).now(given) for block in set(later.values())
        }
        self.held_then = {name: held[block] for name, block in later.items()}
        return self.hand_on(x, self.names[0])

    def hand_on(self, x: Tensor, name: str) -> Pending:
        """What the model is given for the output of that block."""
        self.reached = name
        return Pending(x, name, run=self, grows=x.requires_grad or self._trains(name))

    def _trains(self, name: str) -> bool:
        """Whether what the block adds has a gradient, whatever its stream."""
        block = self.sequence.named_blocks[name]
        weights = self.sequence.inventories.of(block).parameters
        return torch.is_grad_enabled() and any(weight.requires_grad for weight in weights)


class PassesThrough:
    """The call of a later block of a run, whose work the first has done."""

    def __init__(self, first: RunsAll, name: str) -> None:
        self.first, self.name = first, name

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """What the run made, from its last block. Raises RevconsoleError unless x is what the block before gave."""
        return as_written(self._next)(x, *args, **kwargs)

    def _next(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        first, names = self.first, self.first.names
        before = names[names.index(self.name) - 1]
        straight = isinstance(x, Pending) and x.run is first and x.block == before == first.reached
        alike = same_arguments(first.arguments, (args, kwargs))
        if first.after is None or not straight or not alike:
            raise RevconsoleError(
                f"block {self.name} is wired in one run with those before it, and the model changes "
                "the stream between them or gives each other arguments: this cannot be rewired"
            )
        self._require_as_computed()
        if self.name != names[-1]:
            return first.hand_on(x, self.name)
        after, first.after = first.after, None
        return after

    def _require_as_computed(self) -> None:
        """Raise RevconsoleError if the block is no longer what it was when its run was computed."""
        holdings = self.first.held_then.pop(self.name, None)
        for held in () if holdings is None else holdings.suspects():
            if (what := held.difference()) is not None:
                raise RevconsoleError(
                    f"the model sets {what!r} of a {type(held.module).__name__} of block {self.name} after the run "
                    "of wired blocks that it is in was computed with the block before: set it before the first "
                    "block is called, or hand it over as an argument"
                )


class Several:
    """The call of a block that returns its stream and more besides, which nobody uses.

    rest: for each of these whether it is something, or None.
    """

    def __init__(self, call: RunsAll | PassesThrough, rest: Sequence[bool]) -> None:
        self.call, self.rest = call, rest

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What the call returns, and placeholders."""
        return self.call(x, *args, **kwargs), *(Unused() if each else None for each in self.rest)
