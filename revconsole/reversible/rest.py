"""A module in evaluation for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Put the module in evaluation, and each of its modules back as it was."""
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.train()  # some empty the tables here that they made for evaluation
        for each, mode in modes:
            each.training = mode
