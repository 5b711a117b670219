"""How many bytes a forward pass keeps for its backward.

The number a reversible network exists to lower, countable on any device and the same on all.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.autograd.graph import saved_tensors_hooks


def kept_for_backward(forward: Callable[[], Any], exclude: Iterable[Tensor] = ()) -> int:
    """Run `forward` and count the bytes of all storage that autograd holds on to meanwhile.

    exclude: tensors that exist anyway and are not counted: parameters, buffers, the input.
    Each storage is counted once and whole, as it is the storage that stays alive. Counts what
    passes `saved_tensors_hooks`; a Function that hides tensors on its `ctx` is not seen.
    """
    return sum(size for size, _ in kept_storages(forward, exclude))


def kept_storages(
    forward: Callable[[], Any], exclude: Iterable[Tensor] = ()
) -> list[tuple[int, torch.dtype]]:
    """As `kept_for_backward`, but the bytes and the dtype of each storage."""
    known = {tensor.untyped_storage().data_ptr() for tensor in exclude}
    held: dict[int, tuple[UntypedStorage, torch.dtype]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            held[storage.data_ptr()] = (storage, tensor.dtype)
        # Not the tensor itself: it knows the graph that would hold it, and nothing would free the two.
        return tensor.detach()

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return [(storage.nbytes(), dtype) for storage, dtype in held.values()]
