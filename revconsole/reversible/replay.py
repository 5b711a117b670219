"""Evaluating a residual a second time exactly as it was evaluated first.

Reconstruction is only as good as the repetition, so a second evaluation runs under the autocast,
attention kernels and precision of the first, draws the same random numbers, and leaves running
statistics alone. Each part costs nothing, or next to it, where a model does not use it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.errors import NotInvertible
from revconsole.reversible.outside import outside_state, put_outside
from revconsole.reversible.switches import Values, switched, switches

Slots = tuple[tuple[tuple[nn.Module, str], ...], ...]  # per parameter, where it is held
Random = tuple[Tensor | None, Tensor | None]  # generator states of the CPU and of the device


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

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Restore the settings for a `with`; autocast as in `uncached`."""
        with switched(self.switches), self.uncached():
            yield

    @contextmanager
    def uncached(self) -> Iterator[None]:
        """Autocast as it was, without its cache: all that the first evaluation needs.

        A cast of a weight that stands in for another would stay in the cache until the caller's own
        autocast ends, and is never looked up again. Older versions of torch also find a cast made
        without a graph where one with a graph is needed.
        """
        if self.autocast or torch.is_autocast_enabled(self.device_type):
            with self._autocast():
                yield
        else:
            yield

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device_type, dtype=self.dtype, enabled=self.autocast, cache_enabled=False
        )


@contextmanager
def unseen_graph() -> Iterator[None]:
    """Keep hooks on saved tensors from a graph that is dropped before anybody differentiates it.

    Whoever counts, offloads or counts along with what is saved (`kept_for_backward`, `save_on_cpu`,
    `torch.utils.checkpoint`) is to see what is kept and nothing else.
    """
    hooks: object = torch._C._autograd._top_saved_tensors_default_hooks(True)  # noqa: SLF001  no other way to ask
    if hooks is None:
        yield
        return
    with torch.autograd.graph.saved_tensors_hooks(_nothing, _nothing):
        yield


def _nothing(_saved: Any) -> Any:
    """What is kept of a tensor that nobody will ask for."""
    return None


def random_state(device: torch.device) -> tuple[Tensor, ...]:
    """The states of the generators that a computation on the device may draw from."""
    if device.type == "cpu":
        return (torch.get_rng_state().clone(),)  # by an operation, so that it can be counted
    module = torch.get_device_module(device)
    state = module.get_rng_state() if device.type == "mps" else module.get_rng_state(device)
    return torch.get_rng_state().clone(), state


def drawn_since(before: Sequence[Tensor], device: torch.device) -> Random:
    """The states in `before` from which something has been drawn by now; None for the others."""
    kept = [
        None if torch.equal(old, new) else old
        for old, new in zip(before, random_state(device), strict=True)
    ]
    return kept[0], kept[1] if len(kept) > 1 else None


@contextmanager
def random_replayed(random: Random, device: torch.device) -> Iterator[None]:
    """Draw from the given states again, and put the generators back where they are now."""
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


def held_parameters(block: nn.Module) -> tuple[Slots, list[nn.Parameter]]:
    """The parameters of the block, each once, and for each the places that hold it."""
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    parameters = []
    for module in block.modules():
        for name, parameter in module._parameters.items():  # noqa: SLF001  named_parameters hides shared places
            if parameter is None:
                continue
            if id(parameter) not in places:
                places[id(parameter)] = []
                parameters.append(parameter)
            places[id(parameter)].append((module, name))
    return tuple(map(tuple, places.values())), parameters


def parameter_slots(block: nn.Module) -> tuple[Slots, list[nn.Parameter]]:
    """What `held_parameters` finds, if leaves of another graph can stand in for the parameters.

    Raises NotInvertible for recurrent layers, which hold theirs in another place besides, and for
    weights of which this process holds a part.
    """
    slots, parameters = held_parameters(block)
    for module in block.modules():
        if isinstance(module, nn.RNNBase):
            raise NotInvertible(
                f"a block with a recurrent layer ({type(module).__name__}) cannot be evaluated "
                "again on other weights: choose backward='checkpointed' or 'stored'"
            )
    if any(type(each) is not nn.Parameter and hasattr(each, "device_mesh") for each in parameters):
        raise NotInvertible(
            f"the weights of a block ({type(block).__name__}) are sharded block by block, and "
            "nothing gathers them for its branches: apply fully_shard to the whole "
            "ReversibleSequence or the whole model instead"
        )
    return slots, parameters


@contextmanager
def parameters_replaced(slots: Slots, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Let the block compute with other tensors in place of its parameters.

    Weights put in by `functional_call` are so found again. Where leaves stand in, an inner
    differentiation ends at these and never reaches the true parameters, whose hooks would otherwise
    run twice.
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


@contextmanager
def statistics_kept(block: nn.Module) -> Iterator[None]:
    """Let BatchNorm update copies of its running statistics, which are then thrown away."""
    norms = [module for module in block.modules() if isinstance(module, _NormBase)]
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
