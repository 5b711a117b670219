"""A stack of blocks wired by a scheme, and the backward pass that rebuilds what it needs.

`ReversibleSequence` is an `nn.Sequential` whose children keep their names. In training it does one of three things,
with the same outputs for the same draws:

    stored        ordinary autograd keeps all activations
    checkpointed  `torch.utils.checkpoint` keeps the streams before each block, and evaluates it again as far as needed
    reversible    only the last streams are kept, and each block is undone on the way back

Each block may have its own, and may also be `anchored`: undone, but for the stream that its last residual is added to
(see `reversal`). `budget` chooses them. In evaluation and under `no_grad` all three are the plain forward.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, Self, TypeVar, overload

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError, UnknownName
from revconsole.reversible.compiled import as_written
from revconsole.reversible.extras import taken_apart
from revconsole.reversible.hooks import Guard, guard, own_forward, require_as_rewired
from revconsole.reversible.inventory import Inventories
from revconsole.reversible.presence import HERE, Presence
from revconsole.reversible.rounding import require_digits_in
from revconsole.reversible.scheme import BACKWARDS, UNDONE, Backward, Scheme
from revconsole.reversible.schemes.coefficients import Coefficients
from revconsole.reversible.wired_run import WiredRun, coarse
from revconsole.reversible.witness import forgotten

Draws = Callable[[int, int, torch.device], Tensor]
Part = TypeVar("Part", bound="ReversibleSequence")


def coin_flips(blocks: int, samples: int, device: torch.device) -> Tensor:
    """Signs ±1 from torch's global generator of the CPU, (blocks, samples)."""
    coins = torch.randint(0, 2, (blocks, samples), dtype=torch.int8, device="cpu")
    return coins.mul_(2).sub_(1).to(device)


class ReversibleSequence(nn.Sequential):
    """Blocks, wired by a scheme; see the module.

    blocks: modules, or one OrderedDict of them, as for `nn.Sequential`. backward: one for all blocks, or one for each.
    unwired: names of children that are called as they are, such as a stage's first block, which changes the shape.
    starts: names of blocks that begin a new run, because something is done between them and those before. batch_axis: of
    the streams, for schemes that draw for each sample.

    In training a block with hooks of its own raises, because its branches are called and not itself; hooks on modules
    inside it run, again in the backward. Raises UnknownName for an unknown backward, NotInvertible for what cannot undo
    this many blocks.
    """

    presence: Presence = HERE
    """Where the weights of the blocks are while these do not compute."""

    def __init__(
        self,
        *blocks: nn.Module | OrderedDict[str, nn.Module],
        scheme: Scheme,
        backward: Backward | Sequence[Backward] = "reversible",
        unwired: Collection[str] = (),
        starts: Collection[str] = (),
        batch_axis: int = 0,
    ) -> None:
        super().__init__(*blocks)  # type: ignore[arg-type]  # either form, as for nn.Sequential
        self.unwired, self.starts = frozenset(unwired), frozenset(starts)
        self.batch_axis = batch_axis
        self.inventories = Inventories()
        self.draws: Draws = coin_flips
        self.origin: Any = None  # what `rewire` put the sequence in the place of; see `unwire`
        self.scheme = scheme
        self.backward = backward

    @property
    def scheme(self) -> Scheme:
        """How the blocks are wired; may change between two passes."""
        return self._scheme

    @scheme.setter
    def scheme(self, wanted: Scheme) -> None:
        self._scheme = wanted
        for name, block in self.named_blocks.items():
            if name not in self.unwired:
                forgotten(block)
                guard(block, Guard(scheme=wanted, name=name, forward=own_forward(block)))

    @property
    def named_blocks(self) -> Mapping[str, nn.Module]:
        """What the sequence calls, by name, in order; a block used several times is there several times."""
        return dict(self._modules)

    def placed(self, path: str) -> list[tuple[str, nn.Module]]:
        """Each block once, with its path in a model that has the sequence at this path."""
        return [(f"{path}.{name}".lstrip("."), block) for name, block in self.named_children()]

    @property
    def plain_now(self) -> bool:
        """Whether calling the blocks one after the other gives what the scheme does now."""
        plain = self.scheme.plain
        return plain == "always" or (plain == "in evaluation" and not self.training)

    @property
    def called_one_by_one(self) -> bool:
        """Whether who calls its blocks one after the other gets all that the sequence is for."""
        kept = self._keeps() and set(self.backwards) != {"stored"}
        return self.plain_now and not kept and self.presence is HERE

    @property
    def backward(self) -> Backward | tuple[Backward, ...]:
        """One word for all blocks of the runs, or one for each in order."""
        return self._backward

    @backward.setter
    def backward(self, wanted: Backward | Sequence[Backward]) -> None:
        blocks = sum(len(run) for run in self.runs)
        words = (wanted,) * blocks if isinstance(wanted, str) else tuple(wanted)
        for word in words:
            if word not in {*BACKWARDS, *UNDONE}:
                raise UnknownName("backward", word, BACKWARDS)
        if len(words) != blocks:
            raise RevconsoleError(f"{len(words)} backwards were given for {blocks} blocks")
        if UNDONE.intersection(words):
            self.scheme.require_inverse(max(len(run) for run in self.runs))
            self.require_digits(words)
        self._backward = wanted if isinstance(wanted, str) else words

    @property
    def backwards(self) -> tuple[Backward, ...]:
        """The backward of each block of the runs, in order."""
        backward, blocks = self.backward, sum(len(run) for run in self.runs)
        return (backward,) * blocks if isinstance(backward, str) else backward

    def require_digits(
        self, backwards: Sequence[str] | None = None, *, autocast: torch.dtype | None = None
    ) -> None:
        """Raise NotInvertible if rounding would leave too little of the gradients; see `rounding`.

        backwards: of each block, if not as they are. autocast: what the branches will compute in.
        The first training forward asks again, for what they really do.
        """
        words = iter(self.backwards if backwards is None else backwards)
        for run in self.runs:
            require_digits_in(self.scheme, run, [next(words) for _ in run], autocast)

    @property
    def runs(self) -> list[list[nn.Module]]:
        """The blocks that the scheme wires, as uninterrupted runs."""
        return [blocks for wired, blocks in self._stretches() if wired]

    @overload  # type: ignore[override]
    def __getitem__(self, index: int) -> nn.Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> nn.Module | Self:
        """One block, or a shorter sequence of the same blocks, scheme, backward and draws."""
        if not isinstance(index, slice):
            block: nn.Module = super().__getitem__(index)
            return block
        return self._part(list(self._modules)[index], type(self))

    def _part(self, names: Sequence[str], kind: type[Part]) -> Part:
        """A sequence of the blocks of these names, with this one's scheme, draws and mode and their share of the backward."""
        backward, named = self.backward, self.named_blocks
        if not isinstance(backward, str):
            wired = [name for name in named if name not in self.unwired]
            of = dict(zip(wired, backward, strict=True))
            backward = tuple(of[name] for name in names if name in of)
        part = kind(
            OrderedDict((name, named[name]) for name in names),
            scheme=self.scheme,
            backward=backward,
            unwired=self.unwired.intersection(names),
            starts=self.starts,
            batch_axis=self.batch_axis,
        )
        part.draws, part.presence = self.draws, self.presence
        part.training = self.training  # not train(): parts of a block may be in another mode
        return part

    def extra_repr(self) -> str:
        """The scheme and the backward."""
        return f"scheme={self.scheme}, backward={self.backward!r}"

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        """x: (B, …). Returns what the scheme merges, (B, …), for some twice as wide.

        Further arguments are handed to every block, and to every branch of it.
        Under `torch.compile` of a whole model the sequence itself runs as it is written. Branches may be
        compiled (`attn.compile()`), and on a grid the backward raises where that would be anew; see `compiled`.
        """
        return as_written(self._through)(x, *args, **kwargs)

    def _through(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        words = iter(self.backwards)
        extras, tensors = taken_apart(args, kwargs)
        scheme = self._scheme_for(x)
        for wired, blocks in self._stretches():
            if wired:
                self._require_as_rewired(blocks)
                run = WiredRun(scheme, extras, tuple(tensors), self.inventories, self.presence)
                count = len(blocks)
                modes = self._next(words, count) if self._keeps() else ["stored"] * count
                x = run.through(blocks, modes, x, self._draw(x, count))
            else:
                for block in blocks:
                    x = block(x, *args, **kwargs)
        return x

    def _next(self, words: Iterator[Backward], blocks: int) -> list[Backward]:
        """The backwards of the next blocks. Raises RevconsoleError if there are fewer, as after an `append`."""
        modes = list(islice(words, blocks))
        if len(modes) < blocks:
            raise RevconsoleError(
                f"there are {sum(map(len, self.runs))} blocks, and {len(self.backwards)} backwards: give one word for all, or "
                "one for each"
            )
        return modes

    def _scheme_for(self, x: Tensor) -> Scheme:
        """The scheme, without its grid where that would only keep evaluation from what it can be.

        That is the network the blocks came from, to the bit, or a model in bf16, finer than whose rounding
        no grid is. A grid is for the way back.
        """
        floats = not self.training and (self.scheme.plain == "in evaluation" or coarse(x))
        return _in_floats(self.scheme) if floats else self.scheme

    def _stretches(self) -> Iterator[tuple[bool, list[nn.Module]]]:
        """The children in order, as runs, each wired, and stretches that are called as they are."""
        named = self.named_blocks
        for wired, names in self.named_stretches():
            yield wired, [named[name] for name in names]

    def named_stretches(self) -> list[tuple[bool, list[str]]]:
        """The stretches, with the names of their blocks."""
        stretches: list[tuple[bool, list[str]]] = []
        for name in self.named_blocks:
            wired = name not in self.unwired
            if not stretches or stretches[-1][0] != wired or name in self.starts:
                stretches.append((wired, []))
            stretches[-1][1].append(name)
        return stretches

    def _replicate_for_data_parallel(self) -> Self:
        """As torch's, which makes other blocks for each pass: nothing of them is kept.

        Raises RevconsoleError where the backward evaluates blocks again: those of a replica have no parameters, and
        stand-ins for these would take the gradient from the weights.
        """
        word = next((word for word in self.backwards if word != "stored"), "")
        if word and self._keeps():
            raise RevconsoleError(
                "torch.nn.DataParallel gives each replica of a model plain tensors for weights, which would get no gradient "
                f"from wired blocks with the backward {word!r}: use DistributedDataParallel, one process "
                "for each device, or set the backward to 'stored'"
            )
        replica: Self = super()._replicate_for_data_parallel()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        replica.inventories = Inventories()
        return replica

    def _require_as_rewired(self, blocks: Sequence[nn.Module]) -> None:
        """Raise RevconsoleError for hooks of blocks that would not run, and for another forward."""
        if self.plain_now:
            return
        for block in blocks:
            for hook in block._forward_pre_hooks.values():  # noqa: SLF001  the guard is one of them
                if isinstance(hook, Guard):
                    require_as_rewired(block, hook.name, hook.forward)

    def _keeps(self) -> bool:
        """Whether this forward pass will be followed by a backward one."""
        return self.training and torch.is_grad_enabled()

    def _draw(self, x: Tensor, blocks: int) -> Tensor | None:
        """Signs ±1, (blocks, B); None in evaluation and for schemes that draw nothing."""
        if not (self.scheme.draws and self.training):
            return None
        samples = x.shape[self.batch_axis]
        signs = self.draws(blocks, samples, x.device)
        if signs.shape != (blocks, samples):
            raise RevconsoleError(
                f"the source of draws returned the shape {tuple(signs.shape)}; "
                f"{blocks} blocks and {samples} samples need ({blocks}, {samples})"
            )
        beside = [1] * (x.ndim - 1)
        beside.insert(self.batch_axis, samples)
        return signs.reshape(blocks, *beside)


def sequences(model: nn.Module) -> list[ReversibleSequence]:
    """Every `ReversibleSequence` of the model, in the order of its modules."""
    return [module for module in model.modules() if isinstance(module, ReversibleSequence)]


def wired_blocks(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The blocks of every `ReversibleSequence` of the model, with their paths."""
    for path, module in model.named_modules():
        if isinstance(module, ReversibleSequence):
            yield from module.placed(path)


def set_draws(model: nn.Module, source: Draws) -> None:
    """Let every `ReversibleSequence` in the model take its random signs from `source`.

    source: `source(blocks, samples, device)` returns ±1 of shape (blocks, samples), row k for block k; it is called once
    per sequence and training forward, in the order they run.
    """
    for sequence in sequences(model):
        sequence.draws = source


@contextmanager
def temporarily(stacks: Iterable[ReversibleSequence], attribute: str, value: Any) -> Iterator[None]:
    """A context in which an attribute of these sequences, `backward` or `draws`, is another."""
    with ExitStack() as exits:
        for stack in stacks:
            exits.callback(setattr, stack, attribute, getattr(stack, attribute))
            setattr(stack, attribute, value)
        yield


def move_weights(model: nn.Module, progress: float) -> None:
    """Move the weights of every scheme that has some, from 0 to 1; see `Coefficients.at`."""
    for sequence in sequences(model):
        if isinstance(sequence.scheme, Coefficients):
            sequence.scheme = sequence.scheme.at(progress)


def _in_floats(scheme: Scheme) -> Scheme:
    """The scheme without its grid."""
    if scheme.grid is None:
        return scheme
    floats: Scheme = replace(scheme, grid_bits=None)  # type: ignore[type-var]  # as all on a grid
    return floats
