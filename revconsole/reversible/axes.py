"""On which axis of a stream the samples of a batch lie.

bdia draws a sign for each sample, whether streams are (B, N, D), as most are, or (N, B, D), as in `nn.Transformer`.
Inputs that are twice as long along an axis show the axis of the stream that follows; samples do not meet in a block,
tokens do, and whether positions meet shows in what becomes of a NaN that the gradient has at one of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from revconsole.reversible.crossings import Crossings
from revconsole.reversible.rest import at_rest
from revconsole.reversible.trial import FAILURES, ModuleCall, TrialRun, run_on

INPUT_AXES = (0, 1)
Shapes = Mapping[nn.Module, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The axes of the batch in a model's streams.

    run: of the model in evaluation. longer: shapes of streams on inputs that are twice as long along
    an axis, by that axis.
    """

    model: nn.Module
    run: TrialRun
    longer: dict[int, Shapes]

    @classmethod
    def of(cls, model: nn.Module, run: TrialRun, training: Crossings) -> Self:
        """What is known from a run in evaluation and one in training, for which the batch was doubled."""
        shapes = {module: calls[0].shape for module, calls in training.items() if calls}
        before = {module: calls[0].stream for module, calls in run.calls.items()}
        doubled = any(
            isinstance(before.get(module), Tensor) and before[module].shape != shape
            for module, shape in shapes.items()
        )
        return cls(model=model, run=run, longer={0: shapes} if doubled else {})

    def batch(self, first: nn.Module, last: nn.Module) -> int | None:
        """The axis of the batch in the stream from block `first` to block `last`; None if unknown."""
        begin, end = self.run.calls[first][0], self.run.calls[last][0]
        if begin.inner is None:
            return None
        # As the run was: checkpointed blocks compute again what they saved.
        with at_rest(self.model):
            try:
                met = (axis for axis in self._lengthened(begin) if not _meet(begin, end, axis))
                return next(met, None)
            except FAILURES:
                return None

    def _lengthened(self, begin: ModuleCall) -> Iterator[int]:
        """Axes of the stream that are twice as long on inputs that are twice as long along an axis."""
        before = tuple(begin.stream.shape)
        for axis in INPUT_AXES:
            after = self._shapes(axis).get(begin.module, before)
            if len(after) == len(before):
                pairs = list(zip(after, before, strict=True))
                longer = [at for at, (new, old) in enumerate(pairs) if new != old]
                if len(longer) == 1 and after[longer[0]] == 2 * before[longer[0]]:
                    yield longer[0]
        # Where inputs cannot be longer: the one axis that is as long as their batch.
        batch = self.run.inputs.batch
        alike = [at for at, size in enumerate(before) if size == batch]
        if batch > 1 and len(alike) == 1:
            yield alike[0]

    def _shapes(self, axis: int) -> Shapes:
        if axis not in self.longer:
            try:
                with at_rest(self.model):
                    run = run_on(self.model, self.run.inputs.doubled(axis))
            except (*FAILURES, NotImplementedError):
                self.longer[axis] = {}
            else:
                self.longer[axis] = {
                    module: tuple(calls[0].stream.shape)
                    for module, calls in run.calls.items()
                    if isinstance(calls[0].stream, Tensor)
                }
        return self.longer[axis]


def _meet(begin: ModuleCall, end: ModuleCall, axis: int) -> bool:
    """Whether positions along the axis depend on one another in the blocks of a run."""
    out, stream = end.out, begin.inner
    if stream is None or out.is_meta or out.ndim != stream.ndim or stream.shape[axis] == 1:
        return False
    for position in (0, out.shape[axis] - 1):  # the last, too: a causal mask looks one way
        seed = torch.zeros_like(out)
        seed.select(axis, position).fill_(torch.nan)
        gradients = torch.autograd.grad(out, stream, seed, retain_graph=True, allow_unused=True)
        gradient: Tensor | None = gradients[0]
        if gradient is not None and _beside(gradient, axis, position).isnan().any():
            return True
    return False


def _beside(gradient: Tensor, axis: int, position: int) -> Tensor:
    others = [at for at in range(gradient.shape[axis]) if at != position]
    return gradient.index_select(axis, torch.tensor(others, device=gradient.device))
