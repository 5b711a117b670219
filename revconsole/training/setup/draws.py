"""Draws: the random numbers of a step, keyed by its position; no generator state passes from one step to the next.

Dropout and drop-path draw from torch's global generators, which are seeded before every micro-batch, so another number
of micro-batches gives other draws. The signs of bdia are drawn once for the whole batch and sliced. Python's and
numpy's generators are seeded as well, for users' models that draw from them.
"""

import random

import numpy as np
import torch
from torch import Tensor

from revconsole.data import moved
from revconsole.records.keys import key

NUMPY_SEEDS = 2**32


def seed_generators(seed: int, *, step: int, micro: int) -> None:
    """Seed all global generators (torch's on every device, Python's, numpy's) for one micro-batch of one step.

    This is the only place that seeds them; a process runs one training at a time.
    """
    number = key(seed, "dropout", step, micro)
    torch.default_generator.manual_seed(number)
    # torch.manual_seed would queue a call with a traceback if CUDA is not initialised: a millisecond each time.
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch gives it no type
        torch.cuda.manual_seed_all(number)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(number)
    random.seed(number)
    np.random.seed(number % NUMPY_SEEDS)  # noqa: NPY002  the global one is what a model may draw from


class Signs:
    """The random signs of a model's reversible sequences, for `set_draws`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._step, self._batch, self._first, self._sequence = 0, 0, 0, 0

    def at_step(self, *, step: int, batch: int, first: int) -> None:
        """Prepare for a forward pass over the images from `first` on of a step with `batch` images."""
        self._step, self._batch, self._first, self._sequence = step, batch, first, 0

    def __call__(self, blocks: int, samples: int, device: torch.device) -> Tensor:
        """Signs ±1 (blocks, samples), drawn on the CPU and therefore equal on every device.

        Each call after `at_step` belongs to the model's next sequence and has its own key.
        """
        seed = key(self._seed, "gamma", self._step, self._sequence)
        generator = torch.Generator().manual_seed(seed)
        self._sequence += 1
        drawn = torch.randint(0, 2, (blocks, self._batch), generator=generator)
        signs = drawn[:, self._first : self._first + samples].mul(2).sub(1)
        return moved(signs.float(), device)
