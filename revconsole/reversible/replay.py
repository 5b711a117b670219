"""Evaluating a residual a second time exactly as it was evaluated first.

Reconstruction is only as good as the repetition, so a second evaluation runs under the autocast,
attention kernels and precision of the first, draws the same random numbers, and leaves running
statistics alone. Each part costs nothing, or next to it, where a model does not use it.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _NormBase

from revconsole.reversible.inventory import Slots
from revconsole.reversible.outside import outside_state, put_outside
from revconsole.reversible.shapes import shapes_only
from revconsole.reversible.switches import Values, switched, switches

Random = tuple[Tensor | None, Tensor | None]  # generator states of the CPU and of the device
NOTHING = nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """The settings that decide how numbers are computed: autocast, and the `switches` of torch."""

    device_type: str
    autocast: bool
    dtype: torch.dtype
    switches: Values

    @classmethod
    def now(cls, device: torch.device) -> Self:
        """The settings in force for that device."""
        kind = device.type
        return cls(
            device_type=kind,
            autocast=torch.is_autocast_enabled(kind),
            dtype=torch.get_autocast_dtype(kind),
            switches=switches(),
        )

    def __call__(self) -> AbstractContextManager[Any]:
        """Restore the settings for a `with`; autocast as in `uncached`."""
        if switches() == self.switches:
            return self.uncached()
        return self._restored()

    @contextmanager
    def _restored(self) -> Iterator[None]:
        with switched(self.switches), self.uncached():
            yield

    def uncached(self) -> AbstractContextManager[Any]:
        """Autocast as it was, without its cache: all that the first evaluation needs.

        A cast of a weight that stands in for another would stay in the cache until the caller's own
        autocast ends, and is never looked up again. Older versions of torch also find a cast made
        without a graph where one with a graph is needed.
        """
        if not self.autocast and not torch.is_autocast_enabled(self.device_type):
            return NOTHING
        return torch.autocast(
            self.device_type, dtype=self.dtype, enabled=self.autocast, cache_enabled=False
        )


def unseen_graph() -> AbstractContextManager[None]:
    """Keep hooks on saved tensors from a graph that is dropped before anybody differentiates it.

    Whoever counts, offloads or counts along with what is saved (`kept_for_backward`, `save_on_cpu`,
    `torch.utils.checkpoint`) is to see what is kept and nothing else.
    """
    hooks: object = torch._C._autograd._top_saved_tensors_default_hooks(True)  # noqa: SLF001  no other way to ask
    return NOTHING if hooks is None else saved_tensors_hooks(_nothing, _nothing)


def _nothing(_saved: Any) -> Any:
    """What is kept of a tensor that nobody will ask for."""
    return None


def random_state(device: torch.device) -> tuple[Tensor, ...]:
    """The states of the generators that a computation on the device may draw from."""
    if device.type == "cpu":
        return (torch.get_rng_state(),)
    module = torch.get_device_module(device)
    state = module.get_rng_state() if device.type == "mps" else module.get_rng_state(device)
    return torch.get_rng_state(), state


def drawn(before: Sequence[Tensor], after: Sequence[Tensor]) -> Random:
    """The states in `before` from which something has been drawn until those after; None for the others.

    Copied, as what an operation makes can be counted. Without numbers nothing is drawn.
    """
    if shapes_only():
        return None, None
    pairs = zip(before, after, strict=True)
    kept = [None if torch.equal(old, new) else old.clone() for old, new in pairs]
    return kept[0], kept[1] if len(kept) > 1 else None


def random_replayed(random: Random, device: torch.device) -> AbstractContextManager[None]:
    """Draw from the given states again, and put the generators back where they are now."""
    return _replayed(random, device) if any(s is not None for s in random) else NOTHING


@contextmanager
def _replayed(random: Random, device: torch.device) -> Iterator[None]:
    cpu, other = random
    with ExitStack() as stack:
        if cpu is not None:
            stack.callback(torch.set_rng_state, torch.get_rng_state())
            torch.set_rng_state(cpu)
        if other is not None:
            module = torch.get_device_module(device)
            where = () if device.type == "mps" else (device,)
            stack.callback(module.set_rng_state, module.get_rng_state(*where), *where)
            module.set_rng_state(other, *where)
        yield


@contextmanager
def generators_kept(device: torch.device) -> Iterator[None]:
    """Put every global generator back to what it was, torch's of the CPU and that device, Python's, numpy's."""
    state, outside = random_state(device), outside_state()
    try:
        with random_replayed((state[0], state[1] if len(state) > 1 else None), device):
            yield
    finally:
        put_outside(outside)


@contextmanager
def undisturbed(model: nn.Module, device: torch.device) -> Iterator[None]:
    """A context after which every global generator and the model's buffers are as they were."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with generators_kept(device):
            yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


@contextmanager
def parameters_replaced(slots: Slots, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Let the block compute with other tensors in place of its parameters.

    Weights put in by `functional_call` are so found again. Where leaves stand in, an inner differentiation ends at
    these and never reaches the true parameters, whose hooks would otherwise run twice.
    """
    true = [module._parameters[name] for (module, name), *_ in slots]  # noqa: SLF001  as below
    _fill(slots, parameters)
    try:
        yield
    finally:
        _fill(slots, true)


def _fill(slots: Slots, parameters: Sequence[Any]) -> None:
    for places, parameter in zip(slots, parameters, strict=True):
        for module, name in places:
            module._parameters[name] = parameter  # noqa: SLF001  setattr would check and register anew


def statistics_kept(norms: Sequence[_NormBase]) -> AbstractContextManager[None]:
    """Let these update copies of their running statistics, which are then thrown away."""
    return _statistics_kept(norms) if norms else NOTHING


@contextmanager
def _statistics_kept(norms: Sequence[_NormBase]) -> Iterator[None]:
    kept = [(norm._buffers, dict(norm._buffers)) for norm in norms if norm.training]  # noqa: SLF001  assignment keeps no order
    for buffers, true in kept:
        buffers.update(
            (name, each if each is None else each.clone()) for name, each in true.items()
        )
    try:
        yield
    finally:
        for buffers, true in kept:
            buffers.update(true)
