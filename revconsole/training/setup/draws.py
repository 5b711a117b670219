"""The random numbers of a step, keyed by its position: nothing is carried from one step to the next.

Dropout and drop-path draw from torch's global generators, which are seeded before every micro-batch, so that
another number of micro-batches draws otherwise. The signs of bdia are drawn once for the whole batch and handed
out in slices, so that accumulating over micro-batches leaves them alone. Both are drawn from (seed, purpose,
position), whatever was drawn before. Python's and numpy's generators are seeded as well, for models of anybody's
own that draw from them.
"""

import random

import numpy as np
import torch
from torch import Tensor

from revconsole.data import moved
from revconsole.records.keys import key

NUMPY_SEEDS = 2**32


def seed_generators(seed: int, *, step: int, micro: int) -> None:
    """Seed every global generator, torch's of all devices, Python's, numpy's, for one micro-batch of one step.

    The only place that touches them; only one training runs in a process at a time.
    """
    number = key(seed, "dropout", step, micro)
    torch.default_generator.manual_seed(number)
    # torch.manual_seed keeps the words for a CUDA that was never begun, with a traceback: a millisecond each time.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch gives it no type
        torch.cuda.manual_seed_all(number)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(number)
    random.seed(number)
    np.random.seed(number % NUMPY_SEEDS)  # noqa: NPY002  the global one is what a model may draw from


class Signs:
    """Source of the random signs of a model's reversible sequences, for `set_draws`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._step, self._batch, self._first, self._sequence = 0, 0, 0, 0

    def at_step(self, *, step: int, batch: int, first: int) -> None:
        """The next forward pass is for the images from `first` on, of the `batch` images of a step."""
        self._step, self._batch, self._first, self._sequence = step, batch, first, 0

    def __call__(self, blocks: int, samples: int, device: torch.device) -> Tensor:
        """±1, (blocks, samples); drawn on the CPU, so the same on every device.

        Each call after an `at_step` is for the model's next sequence and has a key of its own.
        """
        seed = key(self._seed, "gamma", self._step, self._sequence)
        generator = torch.Generator().manual_seed(seed)
        self._sequence += 1
        drawn = torch.randint(0, 2, (blocks, self._batch), generator=generator)
        signs = drawn[:, self._first : self._first + samples].mul(2).sub(1)
        return moved(signs.float(), device)
