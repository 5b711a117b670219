"""Work: the operations of a step, counted. They are the same on every machine and at any load, as times are not."""

import torch

from revconsole.training.bench.subject import BenchedModel, images_of
from revconsole.training.machine.flops import FlopCounter

HOW = (
    "floating-point operations of matrix products, convolutions and attention in the same forward and backward, "
    "counted as they run, against the plain network's"
)


def counted(subject: BenchedModel, device: torch.device) -> int:
    """Operations of one forward and backward of the benchmark's batch; no gradients are left behind."""
    images, labels = images_of(subject.configuration, subject.configuration.batch, device)
    with FlopCounter() as counter:
        torch.autograd.backward(subject.loss(images, labels))
    subject.forget()
    return int(counter.get_total_flops())
