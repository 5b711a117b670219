"""Work: the counted operations of a step, which do not depend on machine and load as times do."""

import torch

from revconsole.training.bench.subject import BenchedModel, images_of
from revconsole.training.machine.flops import FlopCounter

HOW = (
    "floating-point operations of matrix products, convolutions and attention in the same forward and backward, "
    "counted as they run, against the plain network's"
)


def counted(subject: BenchedModel, device: torch.device) -> int:
    """Operations of one forward and backward of the benchmark's batch; leaves no gradients."""
    images, labels = images_of(subject.configuration, subject.configuration.batch, device)
    with FlopCounter() as counter:
        torch.autograd.backward(subject.loss(images, labels))
    subject.forget()
    return int(counter.get_total_flops())
