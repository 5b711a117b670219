"""What the training loop knows of an objective.

Shapes: B images of a batch, M of a micro-batch, C channels, S pixels of height and width.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

Inputs = tuple[Tensor, ...]
"""What the loss of some images is computed from; each tensor has the images first, so that all are split alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The loss of a micro-batch.

    mean: over its images, with a gradient. correct: images whose class came first, int64 (); None without labels.
    carried: a mean over its images that the update of the learner wants of the whole batch.
    """

    mean: Tensor
    correct: Tensor | None = None
    carried: Tensor | None = None


class Objective(Protocol):
    """How a network is trained and judged. Holds no state: what changes is in the learner, and so in checkpoints."""

    @property
    def labelled(self) -> bool:
        """Whether it reads labels; if not, the learner's forward pass gives features (B, D) and no logits."""

    @property
    def unit(self) -> str:
        """Of the loss."""

    @property
    def meaning(self) -> str:
        """Of the loss, as the middle of a sentence."""

    @property
    def prefix(self) -> str:
        """Of the encoder that is to be used later, in the learner's `state_dict`."""

    def learner(self, network: nn.Module, *, seed: int) -> nn.Module:
        """The network with whatever it learns by, which is drawn from the seed."""

    def encoder(self, learner: nn.Module) -> nn.Module:
        """The part whose blocks are wired and trained: the network, or what is left of it."""

    def inputs(self, images: Tensor, labels: Tensor, *, seed: int) -> Inputs:
        """Whatever is random about images (B, C, S, S), drawn from the seed for all of them at once, on the CPU."""

    def loss(self, learner: nn.Module, inputs: Inputs, *, progress: float) -> Loss:
        """Of a micro-batch; changes nothing. progress: the share of the run that is over, from 0 to 1."""

    def update(self, learner: nn.Module, carried: Tensor | None, *, progress: float) -> None:
        """What follows the optimiser's step. carried: over the whole batch."""
