"""Work: the operations of a step, counted. They are the same on every machine and at any load, as times are not."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from revconsole.training.bench.subject import BenchedModel, images_of

HOW = (
    "floating-point operations of matrix products, convolutions and attention in the same forward and backward, "
    "counted as they run, against the plain network's"
)


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is untyped
    """Adds up the operations of everything that runs within it, by torch's own formulas.

    torch's FlopCounterMode does not stand `autograd.grad` inside a backward, which reversing needs.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.operations += formula(*args, **(kwargs or {}), out_val=result)
        return result


def counted(subject: BenchedModel, device: torch.device) -> int:
    """Operations of one forward and backward of the benchmark's batch; no gradients are left behind."""
    images, labels = images_of(subject.configuration, subject.configuration.batch, device)
    counter = Counter()
    with counter:
        torch.autograd.backward(subject.loss(images, labels))
    subject.forget()
    return counter.operations
