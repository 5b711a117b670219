"""Running statistics: those of the norms over a batch in several micro-batches, as if these came one after the other.

    running ← (1 − m) · running + m · statistic      for each micro-batch, in their order

Which process computed a micro-batch makes no difference: the statistics of each are recorded and applied at its end.
The update itself is that of torch's norms, but in the precision of the buffers.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.reversible.replay import statistics_kept
from revconsole.reversible.shapes import shapes_only
from revconsole.training.together.alone import Together
from revconsole.training.together.batch_norms import BatchNormOverRanks, run_on

Call = tuple[int, Tensor, Tensor]
"""Number of a norm, and mean and variance of what it saw."""


class RunningStatistics:
    """Records the statistics of the micro-batches of one step; a batch in one piece updates those of its rank as ever."""

    def __init__(self, model: nn.Module, parts: int, together: Together) -> None:
        self._together = together
        modules = model.modules() if max(parts, together.world) > 1 else ()
        self._norms = [m for m in modules if isinstance(m, _NormBase) and _updates(m)]
        self._parts, self._own = parts, list[Tensor]()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """A context for the forward pass of one micro-batch of this process; the buffers stay as they are."""
        if not self._norms or self._parts == 1 or shapes_only():
            yield
            return
        calls: list[Call] = []
        momenta = [norm.momentum for norm in self._norms]
        hooks = [
            norm.register_forward_hook(partial(_record, calls, number))
            for number, norm in enumerate(self._norms)
        ]
        for norm in self._norms:
            norm.momentum = 1.0  # then what it keeps is the statistic
        try:
            with statistics_kept(self._norms):
                yield
        finally:
            for norm, momentum, hook in zip(self._norms, momenta, hooks, strict=True):
                hook.remove()
                norm.momentum = momentum
        self._own.append(_packed(calls))

    def forgotten(self) -> AbstractContextManager[None]:
        """A context for a forward pass that does not count."""
        return statistics_kept(self._norms)

    def apply(self) -> None:
        """Update the buffers with the statistics of all micro-batches, in their order."""
        if not self._norms or shapes_only():  # the numbers of the norms are looked at
            return
        if self._parts == 1:  # on the first rank
            for buffer in (buffer for norm in self._norms for buffer in norm.buffers()):
                buffer.copy_(self._together.told(buffer))
            return
        for packed in self._together.in_order(self._own, self._parts):
            for number, mean, variance in self._unpacked(packed):
                run_on(self._norms[number], mean, variance)

    def _unpacked(self, packed: Tensor) -> Iterator[Call]:
        begin = 0
        while begin < len(packed):
            number = int(packed[begin])
            width = self._norms[number].num_features
            mean, variance = packed[begin + 1 : begin + 1 + 2 * width].chunk(2)
            yield number, mean, variance
            begin += 1 + 2 * width


def _updates(norm: _NormBase) -> bool:
    """Whether its statistics are those of a micro-batch, to be recorded."""
    own = not isinstance(norm, BatchNormOverRanks)
    return own and norm.training and norm.running_mean is not None


def _record(calls: list[Call], number: int, norm: _NormBase, _inputs: object, _out: object) -> None:
    if norm.running_mean is not None and norm.running_var is not None:
        calls.append((number, norm.running_mean.clone(), norm.running_var.clone()))


def _packed(calls: list[Call]) -> Tensor:
    """The calls in one tensor, each as its number, mean and variance."""
    return torch.cat(
        [torch.cat([mean.new_tensor([number]), mean, var]) for number, mean, var in calls]
    )
