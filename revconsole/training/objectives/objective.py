"""Objective: the interface between the training loop and what is minimised.

Shapes: B images of a batch, M of a micro-batch, C channels, S pixels of height and width, D width of the features.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

Inputs = tuple[Tensor, ...]
"""The inputs of the loss for some images; the first dimension of each tensor is the images, so that all split alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The loss of a micro-batch.

    mean: over its images, with a gradient. correct: images predicted correctly, int64 (); None without labels.
    carried: a mean over its images; the update of the learner receives its mean over the whole batch.
    """

    mean: Tensor
    correct: Tensor | None = None
    carried: Tensor | None = None


class Objective(Protocol):
    """How a network is trained and judged. Holds no state: what changes is in the learner, and so in checkpoints."""

    @property
    def labelled(self) -> bool:
        """Whether the loss uses labels. Otherwise the learner's forward pass gives features (B, D) instead of logits."""

    @property
    def unit(self) -> str:
        """Unit of the loss."""

    @property
    def meaning(self) -> str:
        """Meaning of the loss, as the middle of a sentence."""

    @property
    def prefix(self) -> str:
        """Prefix of the encoder's keys in the learner's `state_dict`; fine-tuning strips it."""

    def learner(self, network: nn.Module, *, seed: int) -> nn.Module:
        """The network with the objective's additions, which are drawn from `seed`."""

    def encoder(self, learner: nn.Module) -> nn.Module:
        """The part of the learner whose blocks are wired."""

    def inputs(self, images: Tensor, labels: Tensor, *, seed: int) -> Inputs:
        """All random inputs (masks, crops) for images (B, C, S, S) of the whole batch, drawn on the CPU from `seed`."""

    def loss(self, learner: nn.Module, inputs: Inputs, *, progress: float) -> Loss:
        """The loss of a micro-batch. Has no side effects. progress: finished fraction of the run."""

    def update(self, learner: nn.Module, carried: Tensor | None, *, progress: float) -> None:
        """Update the learner after the optimiser's step. carried: mean over the whole batch."""
