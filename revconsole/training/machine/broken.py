"""Broken: whether an error leaves this process unable to compute anything more on its GPU.

After an illegal access, a failed assertion on the device or an error of its memory, every later call of CUDA fails with
the same words: the context is lost until the process ends. So whatever waits has to train in another process.
"""

from collections.abc import Iterator

import torch

from revconsole.training.machine.shortage import ran_out

TEXTS = (
    "CUDA error",
    "cuDNN error",
    "HIP error",
    "MPS backend error",
    "CUBLAS_STATUS_",
    "CUDNN_STATUS_",
)
"""How those begin it who raise a RuntimeError for everything; torch has a class of its own for most."""
WAITING = (
    "nothing more can be computed on it in this process, so whatever waits goes on in a new one"
)


def breaks(error: BaseException) -> bool:
    """Whether it, or what it came of, is an error of the device that is no lack of memory."""
    return any(_of_the_device(each) for each in _chain(error))


def _of_the_device(error: BaseException) -> bool:
    if ran_out(error) or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.AcceleratorError) or any(t in str(error) for t in TEXTS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__
