"""Broken: whether an error leaves this process unable to use its GPU.

After an illegal access, a failed device assertion or a memory error of the device, every later CUDA call fails in the
same way, because the context is lost until the process ends. Waiting runs must then train in another process.
"""

from collections.abc import Iterator

import torch

from revconsole.training.machine.shortage import ran_out

TEXTS = (
    "CUDA error", "cuDNN error", "HIP error", "MPS backend error", "CUBLAS_STATUS_", "CUDNN_STATUS_",
)  # fmt: skip
"""Beginnings of device errors that are raised as plain RuntimeErrors; torch has an own class for most."""
WAITING = (
    "nothing more can be computed on it in this process, so whatever waits goes on in a new one"
)


def breaks(error: BaseException) -> bool:
    """Whether an error, or one that caused it, is a device error other than lack of memory."""
    return any(_of_the_device(cause) for cause in _chain(error))


def _of_the_device(error: BaseException) -> bool:
    if ran_out(error) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.AcceleratorError) or any(t in str(error) for t in TEXTS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    visited: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in visited:
        visited.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
