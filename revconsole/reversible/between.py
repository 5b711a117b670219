"""What a model sets between two blocks that the later one reads.

A stack computes all of its blocks at once, and would not set it: a context variable, a variable of a module, autocast.
No graph tells of these. So each block of a row is evaluated twice on the same input with the same random numbers: with
the row's first block, as a stack calls it, and where its model calls it. If the two differ, something was set, and
another row begins there.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor, nn

from revconsole.reversible.crossings import Crossings
from revconsole.reversible.examples import Inputs
from revconsole.reversible.misfits import misfit
from revconsole.reversible.nested import tensors
from revconsole.reversible.outside import Outside, outside_state, put_outside
from revconsole.reversible.replay import random_replayed, random_state
from revconsole.reversible.rest import as_it_was, at_rest, at_work
from revconsole.reversible.shapes import shapes_only
from revconsole.reversible.trial import FAILURES, TrialRun, may_be_block

Pair: TypeAlias = tuple[nn.Module, nn.Module]
Results: TypeAlias = list[Tensor] | None
SEED = 20_407_093
ROUNDINGS = 16  # that two evaluations of one block may differ by, of its largest number
SMALL = 0.5  # a weight that is this number or less all over is a gate that still stands shut


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyCall:
    """A call of a block that is made before its model makes it.

    given, named: its arguments, the stream first. drawn, outside: where the generators stood. made: what it returned;
    None if it cannot be called so.
    """

    block: nn.Module
    given: tuple[Any, ...]
    named: Mapping[str, Any]
    drawn: tuple[Tensor, ...]
    outside: Outside
    made: Results = None

    @classmethod
    def now(cls, block: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any]) -> Self:
        """The call at this moment."""
        call = cls(
            block=block,
            given=(given[0].detach().clone(), *given[1:]),
            named=dict(named),
            drawn=random_state(given[0].device),
            outside=outside_state(),
        )
        return replace(call, made=call.again())

    def again(self) -> Results:
        """The tensors that the block returns now, from the same random numbers; all is left as it was."""
        stream, *others = self.given
        states = (self.drawn[0], self.drawn[1] if len(self.drawn) > 1 else None)
        with as_it_was(self.block, others, self.named), torch.no_grad():
            put_outside(self.outside)
            try:
                with random_replayed(states, stream.device):
                    returned = self.block.forward(stream.clone(), *others, **self.named)
            except (*FAILURES, NotImplementedError):
                return None
        return list(tensors(returned))

    def holds(self) -> bool:
        """Whether the block computes the same now; also so if it never computes the same twice."""
        now = self.again()
        return _alike(self.made, now) or not _alike(now, self.again())


def set_between(model: nn.Module, run: TrialRun, looks: Sequence[Crossings]) -> frozenset[Pair]:
    """The pairs of a block and the next, or of a container and its first block, between which the model sets something.

    looks: what crossed module borders, in evaluation first. Nothing is known of a model on the `meta` device.
    """
    watch = _Watch(
        follows=dict(_followers(model, run, looks)), opens=dict(_openers(model, run, looks))
    )
    nothing = not (watch.follows or watch.opens)
    if nothing or shapes_only() or any(p.is_meta for p in model.parameters()):
        return frozenset()
    for mode, inputs in ((at_rest, [run.inputs]), (at_work, [run.inputs.doubled(), run.inputs])):
        for each in inputs:
            try:
                with mode(model):
                    watch.over(model, each)
            except (*FAILURES, NotImplementedError):
                continue
            break
    return frozenset(watch.found)


def _followers(model: nn.Module, run: TrialRun, looks: Sequence[Crossings]) -> Iterator[Pair]:
    """Blocks, and the block that is given what each returns, where the model has a say between the two."""
    for container in model.modules():
        called = container in run.calls and "forward" not in vars(container)
        if called and type(container).forward is nn.Sequential.forward:
            continue
        for child in container.children():
            crossings = [crossing for look in looks for crossing in look.get(child, ())]
            after = run.nexts.get(child)
            straight = all(each.goes_to is after and each.alike for each in crossings)
            if after is not None and crossings and straight and _residual(run, child, after):
                yield child, after


def _openers(model: nn.Module, run: TrialRun, looks: Sequence[Crossings]) -> Iterator[Pair]:
    """Containers of any class that only call their children, and the first of these."""
    for container in model.modules():
        crossings = [crossing for look in looks for crossing in look.get(container, ())]
        sequential = type(container).forward is nn.Sequential.forward
        if crossings and not sequential and all(each.chained for each in crossings):
            first = next(container.children())
            if _residual(run, first):
                yield container, first


def _residual(run: TrialRun, *blocks: nn.Module) -> bool:
    """Whether these may be residual blocks, the only ones that are wired."""
    calls = [call for block in blocks for call in run.calls.get(block, ())]
    weighty = all(may_be_block(each) and any(True for _ in each.parameters()) for each in blocks)
    return weighty and not any(map(misfit, calls))


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Runs of a model in which blocks are called early.

    follows: for a block the next. opens: for a container its first block. early: calls that were made, by
    the block. found: pairs with something set between them.
    """

    follows: Mapping[nn.Module, nn.Module]
    opens: Mapping[nn.Module, nn.Module]
    early: dict[nn.Module, list[tuple[nn.Module, EarlyCall]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    found: set[Pair] = field(default_factory=set)

    def over(self, model: nn.Module, inputs: Inputs) -> None:
        """Run the model once."""
        self.early.clear()
        with ExitStack() as stack, torch.no_grad():
            _open_gates(model)
            for before in self.follows:
                stack.callback(before.register_forward_hook(self._ended, with_kwargs=True).remove)
            for container in self.opens:
                opened = container.register_forward_pre_hook(self._opened, with_kwargs=True)
                stack.callback(opened.remove)
            for block in {*self.follows.values(), *self.opens.values()}:
                stack.callback(block.register_forward_pre_hook(self._called).remove)
            args, kwargs = inputs.fresh()
            model(*args, **kwargs)

    def _ended(
        self, before: nn.Module, given: tuple[Any, ...], named: dict[str, Any], out: Any
    ) -> None:
        if self.early.get(self.follows[before]):
            return  # called early with the first block of its row
        stream = out[0] if isinstance(out, tuple | list) and out else out
        self._call_early(before, self.follows[before], (stream, *given[1:]), named)

    def _opened(self, container: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._call_early(container, self.opens[container], given, named)

    def _call_early(
        self, before: nn.Module, block: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        """Call a block and those of its row that follow, each on what the one before returns."""
        stream: Any = given[0] if given else None
        row: set[nn.Module] = set()
        while isinstance(stream, Tensor) and block not in row:
            call = EarlyCall.now(block, (stream, *given[1:]), named)
            self.early[block].append((before, call))
            row.add(block)
            if not call.made or block not in self.follows:
                return
            before, block, stream = block, self.follows[block], call.made[0]

    def _called(self, block: nn.Module, _: object) -> None:
        for before, call in self.early.pop(block, ()):
            if not call.holds():
                self.found.add((before, block))
                self.early.clear()  # the next row begins here, with what is set now


def _open_gates(model: nn.Module) -> None:
    """Replace the numbers of weights that are one small number all over: what these scale would not be seen."""
    generator = torch.Generator().manual_seed(SEED)
    for weight in model.parameters():
        plain = type(weight) is nn.Parameter and weight.layout is torch.strided
        if plain and weight.is_floating_point() and weight.numel() and not weight.is_inference():
            first = weight.detach().reshape(-1)[0]
            if first.abs() <= SMALL and bool((weight == first).all()):
                weight.data = torch.randn(weight.shape, generator=generator).to(weight)


def _alike(one: Results, other: Results) -> bool:
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and all(map(_close, one, other))


def _close(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if shapes_only():
        return True
    if not one.is_floating_point() or not one.numel():
        return torch.equal(one, other)
    slack = ROUNDINGS * torch.finfo(one.dtype).eps * float(one.abs().nan_to_num().max())
    return torch.allclose(one, other, rtol=0.0, atol=slack, equal_nan=True)
