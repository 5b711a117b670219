"""Two CUDA streams that take turns, so that one coupling is evaluated beside another's gradient.

The gradient of coupling i and the evaluation of coupling i − 1 do not depend on one another, only
both on the evaluation of i. Autograd computes a gradient on the stream its graph was made on, so
couplings made on alternating streams overlap by themselves, once each is told what to wait for.
Elsewhere there is one queue of work, and turns change only the order in which it is done.

Source: Zhu & Mangalam 2023, "PaReprop: Fast Parallelized Reversible Backpropagation" (arXiv
2306.09342).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Lanes:
    """The streams of one way back, on one device."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        if self._cuda:
            self._home = torch.cuda.current_stream(device)
            self._turn, self._other = (self._stream(device) for _ in range(2))

    @contextmanager
    def next(self) -> Iterator[None]:
        """Work on the stream whose turn it is, after all that the other streams were given so far."""
        if not self._cuda:
            yield
            return
        self._turn, self._other = self._other, self._turn
        self._turn.wait_stream(self._home)
        self._turn.wait_stream(self._other)
        with torch.cuda.stream(self._turn):
            yield

    def bring_home(self, tensors: Iterable[Tensor | None], *, wait: bool) -> None:
        """Let the home stream use tensors of the others; `wait` for all their work at the end."""
        if not self._cuda:
            return
        for tensor in tensors:
            if tensor is not None:
                tensor.record_stream(self._home)
        if wait:
            self._home.wait_stream(self._turn)
            self._home.wait_stream(self._other)

    @staticmethod
    def _stream(device: torch.device) -> torch.cuda.Stream:
        stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's
        return stream
