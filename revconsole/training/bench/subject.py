"""Subject: one configuration of a benchmark, realised, and its loss.

Shapes: B images of a batch, C channels, S pixels of height and width.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.records.findings.benchmark import Configuration
from revconsole.records.keys import key
from revconsole.reversible import Backward, sequences
from revconsole.training.machine import precision
from revconsole.training.machine.precision import Precision
from revconsole.training.setup.build import build_model


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchedModel:
    """A model on its device, in training mode, with its precision."""

    configuration: Configuration
    model: nn.Module
    precision: Precision

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The forward pass: mean cross-entropy of images (B, C, S, S) and labels (B,)."""
        with self.precision.autocast():
            logits = self.model(images)
        return F.cross_entropy(logits.float(), labels)

    def forget(self) -> None:
        """Drop the gradients."""
        self.model.zero_grad(set_to_none=True)


def realise(configuration: Configuration, device: torch.device) -> BenchedModel:
    """The configuration on a device. Raises as `build_model` does."""
    plan = configuration.plan
    model = build_model(plan).to(device)
    if configuration.stored_blocks is not None:
        _store_last(model, configuration.stored_blocks)
    return BenchedModel(
        configuration=configuration,
        model=model,
        precision=precision.prepare(plan.train.precision, device),
    )


def _store_last(model: nn.Module, stored: int) -> None:
    """Make the last blocks of each stack store activations and reverse the others."""
    for stack in sequences(model):
        blocks = len(stack.backwards)
        reverse: list[Backward] = ["reversible"] * max(0, blocks - stored)
        keep: list[Backward] = ["stored"] * min(stored, blocks)
        stack.backward = (*reverse, *keep)


def images_of(
    configuration: Configuration, batch: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Noise in the shape of the plan's data: images (B, C, S, S) and labels (B,)."""
    plan, facts = configuration.plan, configuration.plan.facts
    generator = torch.Generator(device).manual_seed(key(plan.seed, "images"))
    shape = (batch, facts.channels, *plan.image_shape)
    images = torch.randn(shape, generator=generator, device=device)
    labels = torch.randint(0, facts.classes, (batch,), generator=generator, device=device)
    return images, labels


def share_weights(models: Iterable[nn.Module]) -> None:
    """Let all models share the first one's parameters of equal name and shape, so that they take the memory of one."""
    shared: dict[str, nn.Parameter] = {}
    for model in models:
        for name, parameter in list(model.named_parameters()):
            first = shared.setdefault(name, parameter)
            if first.shape == parameter.shape:
                owner, _, attribute = name.rpartition(".")
                setattr(model.get_submodule(owner), attribute, first)
