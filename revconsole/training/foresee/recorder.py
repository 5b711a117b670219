"""Recorder: which storages the operators of a step make, and when each of them ends.

Tensors without numbers (torch's FakeTensorMode) have storages of the right size that take no memory, and these end
when the real ones would. What a kernel takes for itself while it runs is not seen; `kernels` measures it where it is much.
"""

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from revconsole.training.foresee.kernels import KernelCall, kernel_call

GENERATOR_STATES = frozenset({torch.default_generator.get_state().nbytes, 16})
"""Bytes of the state of a generator, on the CPU and on CUDA, which a backward with draws keeps for each block; no side bits."""
DEVICE = torch.ops.prim.device.default
"""Asked of every tensor by autograd's engine, far more often than all other operators together."""


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """An operator of a step. backward: whether autograd's engine ran it. made: numbers of the storages it made.

    kernel: what to run to learn what it takes for itself, if that may be much.
    """

    name: str
    backward: bool
    made: tuple[int, ...]
    kernel: KernelCall | None


@dataclass(slots=True)
class RecordedStep:
    """A step: its operators, the storages they made, and the operator after which each of these ended.

    sizes: bytes by number of the storage. packed: whether it holds bits (in bytes). ends: by number; those missing live on.
    released: numbers in the order of their ends.
    """

    calls: list[OperatorCall] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    packed: list[bool] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    released: list[int] = field(default_factory=list)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is untyped
    """Records the operators that run within it.

    before: tensors that are there already, whose storages are not counted as made. They must outlive the recording.
    """

    def __init__(self, before: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.step = RecordedStep()
        self._numbers: dict[int, int | None] = {address(tensor): None for tensor in before}
        self._guards: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is DEVICE and isinstance(args[0], FakeTensor):
            return args[0].fake_device
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        made = tuple(self._made(result))
        name = func._schema.name.removeprefix("aten::")  # noqa: SLF001  the name that torch gave it
        kernel = kernel_call(name, func, args, kwargs, result)
        self.step.calls.append(OperatorCall(name, in_backward(), made, kernel))
        return result

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, so torch need not wrap every call to keep its compiler out."""
        return False

    def number_of(self, tensor: Tensor) -> int | None:
        """The number of a tensor's storage; None if it was there before."""
        return self._numbers.get(address(tensor))

    def _made(self, result: Any) -> Iterator[int]:
        leaves = (result,) if isinstance(result, Tensor) else tree_leaves(result)
        for each in leaves:
            if isinstance(each, Tensor) and address(each) not in self._numbers:
                yield self._new(each)

    def _new(self, tensor: Tensor) -> int:
        storage, at, step = tensor.untyped_storage(), address(tensor), self.step
        number = len(step.sizes)
        step.sizes.append(storage.nbytes())
        step.packed.append(is_packed(tensor.dtype, storage.nbytes()))
        self._numbers[at] = number
        self._guards[at] = weakref.ref(storage, partial(self._ended, at, number))
        return number

    def _ended(self, at: int, number: int, _: Any) -> None:
        self._numbers.pop(at, None)
        self._guards.pop(at, None)
        self.step.ends[number] = len(self.step.calls) - 1
        self.step.released.append(number)


def is_packed(dtype: torch.dtype, size: int) -> bool:
    """Whether a storage of so many bytes holds bits rather than numbers."""
    return dtype == torch.uint8 and size not in GENERATOR_STATES


def in_backward() -> bool:
    """Whether autograd's engine is running in this thread."""
    return bool(torch._C._current_graph_task_id() != -1)  # noqa: SLF001  no other way to ask


def address(tensor: Tensor) -> int:
    """The address of a tensor's storage, the same for every view of it."""
    at: int = tensor.untyped_storage()._cdata  # noqa: SLF001  no other way to tell storages apart
    return at
