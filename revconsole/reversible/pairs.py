"""Blocks whose sums stand in their model: `for attn, ff in self.layers: x = attn(x) + x; x = ff(x) + x`.

The layers are a list of lists of parts, and no module computes a whole block. Where a run of the model shows that
each part is given the stream, and that what it returns is added to the stream and used for nothing else, such a list
is a `PairedBlock`, whose branches are its parts. The list of them is then walked over like any other (`looped`), but
yields a stand-in for each part: the first computes the block, or its run, and the sum of the last with its stream is
the result. What a part's stand-in returns can be added to its stream and nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from revconsole.errors import RevconsoleError
from revconsole.reversible.between import EarlyCall
from revconsole.reversible.examples import Example, Inputs, inputs_for
from revconsole.reversible.extras import same_arguments
from revconsole.reversible.looped import LoopedSequence
from revconsole.reversible.pending import Pending
from revconsole.reversible.rest import at_rest, at_work
from revconsole.reversible.trial import FAILURES
from revconsole.reversible.walks import ADDITIONS


class PairedBlock(nn.ModuleList):
    """The parts of one block: x ← x + part(x), one after the other.

    takes: for each part whether it is given what the block is given besides the stream. origin: the list that held the
    parts, alone in a tuple that torch does not look into; it goes on holding what this one does.
    """

    def __init__(self, parts: nn.ModuleList, takes: Sequence[bool]) -> None:
        super().__init__()
        self._modules = parts._modules  # noqa: SLF001  the same dictionary, so that both change together
        self.takes = tuple(takes)
        self.training = parts.training
        self.origin = (parts,)

    def branches(self) -> tuple[Callable[..., Tensor], ...]:
        """The parts."""
        parts = zip(self._modules.values(), self.takes, strict=True)
        return tuple(part if takes else partial(_alone, part) for part, takes in parts)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """x: (B, …), after all parts."""
        for branch in self.branches():
            x = branch(x, *args, **kwargs) + x
        return x


class BlockList(nn.ModuleList):
    """Blocks of parts, each computed when its model calls the first part. origin: the list in its place."""

    def __init__(self, blocks: nn.ModuleList, takes: Sequence[bool]) -> None:
        super().__init__()
        self._modules.update(
            (name, PairedBlock(each, takes)) for name, each in _lists(blocks).items()
        )
        self.training = blocks.training
        self.origin = (blocks,)

    def __iter__(self) -> Iterator[Any]:
        """The stand-ins of the parts, block by block."""
        for name, block in self._modules.items():
            if isinstance(block, PairedBlock):
                yield parts_of(block, name, block.takes)


class PairedSequence(LoopedSequence):
    """A `LoopedSequence` of blocks of parts; it yields their parts, or stand-ins for them."""

    def __iter__(self) -> Iterator[Any]:
        """Block by block its parts, which their model unpacks."""
        for stand_in, (name, block) in zip(super().__iter__(), self._modules.items(), strict=True):
            if isinstance(block, PairedBlock) and stand_in is not block:
                yield parts_of(stand_in, name, block.takes)
            else:
                yield stand_in


@contextmanager
def paired(model: nn.Module, example: Example | None) -> Iterator[None]:
    """Within a `with`, lists of lists of parts whose sums stand in the model are lists of blocks.

    One that has become a sequence by then stays one.
    """
    for path, takes in _found(model, example).items():
        _put(model, path, BlockList(_at(model, path), takes))
    try:
        yield
    finally:
        for path, module in list(model.named_modules()):
            if isinstance(module, BlockList):
                _put(model, path, module.origin[0])


def parts_of(
    block: Callable[..., Tensor], name: str, takes: Sequence[bool]
) -> tuple["PartStandIn", ...]:
    """Stand-ins for the parts of a block, which compute it by one call."""
    parts: list[PartStandIn] = []
    for number, gives in enumerate(takes):
        before = parts[-1] if parts else None
        last = number + 1 == len(takes)
        parts.append(PartStandIn(block, f"{name}.{number}", before, takes=gives, last=last))
    return tuple(parts)


class PartStandIn:
    """Stands for one part of a block: the first calls the block, the last gives its result away."""

    def __init__(
        self,
        block: Callable[..., Tensor],
        name: str,
        before: "PartStandIn | None",
        *,
        takes: bool,
        last: bool,
    ) -> None:
        self.block, self.name, self.before = block, name, before
        self.takes, self.last = takes, last
        self.given: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
        self.after: Tensor | None = None
        self.handed: Tensor | None = None

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> "Addend":
        """What can be added to x. Raises RevconsoleError unless x is what the part before gave."""
        if self.before is None:
            self.given, self.after = (args, kwargs), self.block(x, *args, **kwargs)
        else:
            self._follow(self.before, x, (args, kwargs))
        if self.after is None:
            raise RuntimeError(f"part {self.name} has nothing to give")
        grows = self.after.requires_grad
        self.handed = self.after if self.last else Pending(x, self.name, grows=grows)
        return Addend(self.name, x, self.handed)

    def _follow(
        self, before: "PartStandIn", x: Tensor, given: tuple[tuple[Any, ...], Mapping[str, Any]]
    ) -> None:
        expected = before.given if self.takes else ((), {})
        if x is not before.handed or not same_arguments(expected, given):
            raise RevconsoleError(
                f"part {self.name} is not given what part {before.name} made of the stream, or other "
                "arguments than when the model was rewired: this cannot be rewired"
            )
        self.given, self.after = before.given, before.after
        before.after = before.handed = None


class Addend:
    """What a part returns for its model to add to the stream, x: the sum is `after`."""

    def __init__(self, name: str, x: Tensor, after: Tensor) -> None:
        self.name, self.x, self.after = name, x, after

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The sum. Raises RevconsoleError for anything else."""
        del types
        addend, *_ = (v for v in tree_flatten((args, kwargs))[0] if isinstance(v, Addend))
        others = [each for each in args if each is not addend]
        plain = func.__name__ in ADDITIONS and len(args) == len(others) + 1 == 2 and not kwargs
        if not plain or others[0] is not addend.x:
            raise addend.misused(func.__name__.strip("_"))
        return addend.after

    def misused(self, how: str) -> RevconsoleError:
        """What to raise where something else is done with it."""
        return RevconsoleError(
            f"what part {self.name} returns is not only added to its stream ({how}): "
            "this cannot be rewired"
        )

    def __add__(self, other: Any) -> Any:
        return Addend.__torch_function__(torch.add, (), (self, other))

    __radd__ = __add__

    def __getattr__(self, name: str) -> Any:
        raise self.misused(name)

    def __iter__(self) -> Any:
        raise self.misused("taken apart")


def _found(model: nn.Module, example: Example | None) -> dict[str, tuple[bool, ...]]:
    """The lists of lists that are blocks of parts, by path, with what the parts of each take."""
    lists = [
        path
        for path, module in model.named_modules(remove_duplicate=False)
        if path and type(module) is nn.ModuleList and _lists(module)
    ]
    places = [id(_at(model, path)) for path in lists]
    wanted = [path for path in lists if places.count(id(_at(model, path))) == 1]
    while wanted:
        seen = {path: _PartsSeen(_in_order(_at(model, path))) for path in wanted}
        if not _run(model, example, seen):
            return {}
        broken = [path for path, each in seen.items() if each.broken]
        if not broken:
            takes = _taken(model, seen)
            again = {path: _PartsSeen(_in_order(_at(model, path))) for path in takes}
            if again and _run(model, example, again, at_work):
                also = _taken(model, {p: each for p, each in again.items() if not each.broken})
                takes = {path: each for path, each in takes.items() if also.get(path) == each}
            return takes
        wanted = [path for path in wanted if path not in broken]
    return {}


def _taken(model: nn.Module, seen: Mapping[str, "_PartsSeen"]) -> dict[str, tuple[bool, ...]]:
    """What the parts of each block take, of lists that are blocks of parts."""
    takes = {path: each.takes(_at(model, path)) for path, each in seen.items()}
    return {path: each for path, each in takes.items() if each is not None}


def _in_order(blocks: nn.ModuleList) -> list[nn.Module]:
    """The parts, block by block."""
    return [part for each in _lists(blocks).values() for part in each._modules.values()]  # noqa: SLF001  a list's own


class _PartsSeen:
    """What was done with the parts of one list of lists in a run, in order.

    parts: all of them, in order. calls: list and part, the stream, what was given besides, and the sum. early: a call
    of the next part that was made when the one before had returned.
    """

    def __init__(self, parts: Sequence[nn.Module] = ()) -> None:
        self.parts = parts
        self.calls: list[tuple[tuple[str, str], Tensor, Any, Tensor]] = []
        self.early: EarlyCall | None = None
        self.broken = False

    def heard(self, place: tuple[str, str], x: Tensor, given: Any, after: Tensor) -> None:
        """Put down a call, and call the next part before its model does what it may do between the two."""
        self.calls.append((place, x, given, after))
        following = [] if x.is_meta else self.parts[len(self.calls) :][:1]
        self.early = None
        for part in following:
            # What the first is given, others are given too, or nothing.
            args, kwargs = self.calls[0][2]
            early = EarlyCall.now(part, (after, *args), kwargs)
            self.early = EarlyCall.now(part, (after,), {}) if early.made is None else early

    def takes(self, blocks: nn.ModuleList) -> tuple[bool, ...] | None:
        """What each part of a block takes; None unless every block is its parts one after the other."""
        lists = _lists(blocks)
        places = [(name, part) for name, each in lists.items() for part in each._modules]  # noqa: SLF001  a list's names
        if [place for place, *_ in self.calls] != places:
            return None
        width = len(next(iter(lists.values())))
        spec: list[bool] = []
        for number, (_, x, given, _) in enumerate(self.calls):
            first, part = number - number % width, number % width
            if part and self.calls[number - 1][3] is not x:
                return None
            same = same_arguments(self.calls[first][2], given)
            if not same and (given[0] or given[1]):
                return None
            if number < width:
                spec.append(same)
            elif spec[part] != same:
                return None
        return tuple(spec)


class _Listening(nn.ModuleList):
    """A list of parts while it is found out what is done with them."""

    heard: tuple[str, _PartsSeen]

    def __iter__(self) -> Iterator[Any]:
        """Stand-ins that compute their part."""
        name, seen = self.heard
        for part, module in self._modules.items():
            yield partial(_heard, seen, (name, part), module)


def _heard(
    seen: _PartsSeen, place: tuple[str, str], part: nn.Module, x: Any, *args: Any, **kwargs: Any
) -> Any:
    """What the part returns, as an addend if it may be one."""
    if seen.early is not None and not seen.early.holds():
        seen.broken = True
    returned = part(x, *args, **kwargs)
    alike = isinstance(x, Tensor) and isinstance(returned, Tensor)
    if not alike or returned.shape != x.shape or returned.dtype != x.dtype:
        seen.broken = True
        return returned
    after = returned + x
    seen.heard(place, x, (args, kwargs), after)
    return _Heard(seen, ".".join(place), x, after)


class _Heard(Addend):
    """An addend that tells where something else was done with it."""

    def __init__(self, seen: _PartsSeen, name: str, x: Tensor, after: Tensor) -> None:
        super().__init__(name, x, after)
        self._seen = seen

    def misused(self, how: str) -> RevconsoleError:
        """The error for another use of what a part returns; it is noted that the list was not only added to."""
        self._seen.broken = True
        return super().misused(how)


def _run(
    model: nn.Module, example: Example | None, seen: Mapping[str, _PartsSeen], mode: Any = at_rest
) -> bool:
    """Run the model on the first input that it takes; whether there is one. mode: that of the model meanwhile."""
    for inputs in _tried(model, example, twice=mode is at_work):
        with mode(model), _listening(model, seen), torch.no_grad():
            args, kwargs = inputs.fresh()
            try:
                model(*args, **kwargs)
            except RevconsoleError:
                return any(each.broken for each in seen.values())
            except (*FAILURES, NotImplementedError):
                if any(each.broken for each in seen.values()):
                    return True
                for each in seen.values():
                    each.calls.clear()
                continue
            return True
    return False


def _tried(model: nn.Module, example: Example | None, *, twice: bool) -> Iterator[Inputs]:
    """The inputs to try; twice: each for twice the batch first, which batch norms need in training."""
    for inputs in inputs_for(model, example):
        yield from [inputs.doubled(), inputs] if twice else [inputs]


@contextmanager
def _listening(model: nn.Module, seen: Mapping[str, _PartsSeen]) -> Iterator[None]:
    lists = [
        (each, name, s)
        for path, s in seen.items()
        for name, each in _lists(_at(model, path)).items()
    ]
    for each, name, s in lists:
        vars(each)["heard"] = (name, s)
        each.__class__ = _Listening
    try:
        yield
    finally:
        for each, *_ in lists:
            each.__class__ = nn.ModuleList
            del vars(each)["heard"]


def _lists(module: nn.Module) -> dict[str, nn.ModuleList]:
    """The children by name if all are lists of equally many parts with weights; empty if not."""
    children = dict(module.named_children())
    lists = {name: each for name, each in children.items() if type(each) is nn.ModuleList}
    lengths = {len(each) for each in lists.values()}
    whole = len(lists) == len(children) == len(module._modules)  # noqa: SLF001  a child used twice
    return lists if whole and len(lengths) == 1 and 0 not in lengths else {}


def _alone(part: nn.Module, x: Tensor, *_: Any, **__: Any) -> Tensor:
    """A part that is given nothing but the stream."""
    after: Tensor = part(x)
    return after


def _at(model: nn.Module, path: str) -> Any:
    return model.get_submodule(path)


def _put(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    model.get_submodule(parent)._modules[name] = module  # noqa: SLF001  setattr refuses names of numbers to some
