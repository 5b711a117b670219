"""A stack of blocks wired by a scheme, and the backward pass that rebuilds what it needs.

`ReversibleSequence` is an `nn.Sequential` whose children keep their names. In training it does one
of three things, with the same outputs for the same draws:

    stored        ordinary autograd keeps all activations
    checkpointed  `torch.utils.checkpoint` keeps the streams before each block
    reversible    only the last streams are kept, and each block is undone on the way back

In evaluation and under `no_grad` all three are the plain forward.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Self, overload

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from revconsole.errors import RevconsoleError, UnknownName
from revconsole.reversible.coupling import Streams, advance
from revconsole.reversible.lossless import Grid, peak
from revconsole.reversible.replay import statistics_kept
from revconsole.reversible.reversal import Tape, run_reversibly
from revconsole.reversible.scheme import BACKWARDS, Backward, Scheme

Draws = Callable[[int, int, torch.device], Tensor]


def coin_flips(blocks: int, samples: int, device: torch.device) -> Tensor:
    """Signs ±1 from torch's global generator of the CPU, (blocks, samples)."""
    return (
        torch.randint(0, 2, (blocks, samples), dtype=torch.int8, device="cpu")
        .mul_(2)
        .sub_(1)
        .to(device)
    )


class ReversibleSequence(nn.Sequential):
    """Blocks, wired by a scheme; see the module.

    blocks:   modules, or one OrderedDict of them, as for `nn.Sequential`.
    backward: where the backward pass finds its activations.

    In training, forward hooks of a block do not run (its branches are called, those of their
    modules run, again in the backward); in evaluation they do if the scheme's evaluation is plain.
    Raises UnknownName for a backward there is not, and NotInvertible for `reversible` with a scheme
    that cannot undo this many blocks.
    """

    def __init__(
        self,
        *blocks: nn.Module | OrderedDict[str, nn.Module],
        scheme: Scheme,
        backward: Backward = "reversible",
    ) -> None:
        super().__init__(*blocks)  # type: ignore[arg-type]  # either form, as for nn.Sequential
        if backward not in BACKWARDS:
            raise UnknownName("backward", backward, BACKWARDS)
        self.scheme = scheme
        self.backward = backward
        self.draws: Draws = coin_flips
        if backward == "reversible":
            scheme.require_inverse(len(self))
        for name, block in self._modules.items():
            guard(block, Guard(scheme=scheme, name=name))

    @overload  # type: ignore[override]
    def __getitem__(self, index: int) -> nn.Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> nn.Module | Self:
        """One block, or a shorter sequence of the same blocks, scheme, backward and draws."""
        if not isinstance(index, slice):
            block: nn.Module = super().__getitem__(index)
            return block
        chosen = OrderedDict(list(self._modules.items())[index])
        part = type(self)(chosen, scheme=self.scheme, backward=self.backward)
        part.draws = self.draws
        return part.train(self.training)

    def extra_repr(self) -> str:
        """The scheme and the backward."""
        return f"scheme={self.scheme}, backward={self.backward!r}"

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, …). Returns what the scheme merges, (B, …), for some twice as wide."""
        blocks = list(self)
        grid = self.scheme.grid
        if grid is not None:
            x = _onto(grid, x)
        streams = self.scheme.lift(x)
        rows = self._draw(x, len(blocks))
        run = self._runner(len(blocks))

        peaks = [] if grid is None else [peak(x)]
        for index, (block, draw) in enumerate(zip(blocks, rows, strict=True)):
            streams = run(block, index, draw, streams)
            if grid is not None:
                peaks.append(peak(self.scheme.merge(streams, index + 1)))
        if grid is not None:
            grid.require_room(peaks, x.dtype)
        return self.scheme.merge(streams, len(blocks))

    def _draw(self, x: Tensor, blocks: int) -> Sequence[Tensor | None]:
        """One row of signs per block, (B, 1, …, 1) in the dtype of x; None in evaluation."""
        if not (self.scheme.draws and self.training):
            return [None] * blocks
        signs = self.draws(blocks, len(x), x.device)
        if signs.shape != (blocks, len(x)):
            raise RevconsoleError(
                f"the source of draws returned the shape {tuple(signs.shape)}; "
                f"{blocks} blocks and {len(x)} samples need ({blocks}, {len(x)})"
            )
        shaped = signs.to(x).reshape(blocks, len(x), *[1] * (x.ndim - 1))
        return list(shaped.unbind())

    def _runner(self, blocks: int) -> Callable[[nn.Module, int, Tensor | None, Streams], Streams]:
        """How one block is run in this forward pass."""
        if not (self.training and torch.is_grad_enabled()) or self.backward == "stored":
            return partial(_stored, self.scheme)
        if self.backward == "checkpointed":
            return partial(_checkpointed, self.scheme)
        self.scheme.require_inverse(blocks)
        return partial(run_reversibly, Tape(scheme=self.scheme, blocks=blocks))


def set_draws(model: nn.Module, source: Draws) -> None:
    """Let every `ReversibleSequence` in the model take its random signs from `source`.

    source: `source(blocks, samples, device)` returns ±1 of shape (blocks, samples); it is called
    once per sequence and training forward, in the order they run. Row k is for block k (the first
    block of bdia ignores its row).
    """
    for module in model.modules():
        if isinstance(module, ReversibleSequence):
            module.draws = source


def _onto(grid: Grid, x: Tensor) -> Tensor:
    """The embedding on the grid, in the grid's dtype."""
    if x.dtype.itemsize < torch.float32.itemsize and not torch.is_autocast_enabled(x.device.type):
        raise RevconsoleError(
            f"an exact scheme keeps its streams in float32, and this model computes in {x.dtype}: "
            "keep the weights in float32 and use torch.autocast"
        )
    return grid.round(x.to(grid.dtype(x.dtype)))


def _stored(
    scheme: Scheme, block: nn.Module, index: int, draw: Tensor | None, streams: Streams
) -> Streams:
    for coupling in scheme.couplings(block, index, draw):
        streams, _ = advance(coupling, streams, scheme.grid)
    return streams


def _checkpointed(
    scheme: Scheme, block: nn.Module, index: int, draw: Tensor | None, streams: Streams
) -> Streams:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), statistics_kept(block)

    def run(draw: Tensor | None, *streams: Tensor) -> Streams:
        return _stored(scheme, block, index, draw, streams)

    after: Streams = checkpoint(run, draw, *streams, use_reentrant=False, context_fn=contexts)
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A block's forward hook that refuses calls around its sequence which would not be the scheme's.

    timm walks over the blocks itself for attention masks, intermediate features and its own
    gradient checkpointing; under most schemes that would silently compute another network.
    """

    scheme: Scheme
    name: str

    def __call__(self, block: nn.Module, given: tuple[object, ...]) -> None:
        """Raise RevconsoleError unless a plain call of the block is what the scheme does too."""
        del given
        plain = self.scheme.plain
        if plain == "always" or (plain == "in evaluation" and not block.training):
            return
        raise RevconsoleError(
            f"block {self.name} is wired by the scheme {self.scheme.name} and cannot be called by "
            "itself: call the whole sequence, without attention masks, intermediate features or "
            "timm's own gradient checkpointing (backward='checkpointed' is ours)"
        )


def guard(block: nn.Module, wanted: Guard) -> None:
    """Put the guard on the block, in place of one that an earlier sequence left there."""
    hooks = block._forward_pre_hooks  # noqa: SLF001  handles do not survive a copy of the model
    for key in [key for key, hook in hooks.items() if isinstance(hook, Guard)]:
        del hooks[key]
    block.register_forward_pre_hook(wanted)
