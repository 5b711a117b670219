"""Classification: cross-entropy of the labels, smoothed if the plan says so. The learner is the network itself."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import dominant
from revconsole.records.settings.plan import Plan
from revconsole.training.objectives.objective import Inputs, Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The objective of classification; see `Objective`. smoothing: share of the target spread over all classes."""

    smoothing: float
    labelled: bool = True
    unit: str = "nats"
    meaning: str = "cross-entropy"
    prefix: str = ""

    def learner(self, network: nn.Module, *, seed: int) -> nn.Module:
        """The network itself: classification wraps it into nothing."""
        del seed
        return network

    def encoder(self, learner: nn.Module) -> nn.Module:
        """The network, including its head."""
        return learner

    def inputs(self, images: Tensor, labels: Tensor, *, seed: int) -> Inputs:
        """Images, and labels as classes (B,) or class shares (B, K)."""
        del seed
        return images, labels

    def loss(self, learner: nn.Module, inputs: Inputs, *, progress: float) -> Loss:
        """Mean cross-entropy with label smoothing."""
        del progress
        images, targets = inputs
        logits = learner(images)  # (M, K)
        mean = F.cross_entropy(logits.float(), targets, label_smoothing=self.smoothing)
        return Loss(mean=mean, correct=(logits.detach().argmax(dim=1) == dominant(targets)).sum())

    def update(self, learner: nn.Module, carried: Tensor | None, *, progress: float) -> None:
        """No update besides the optimiser's."""


def objective_of(plan: Plan) -> Classification:
    """The objective with the plan's label smoothing."""
    return Classification(smoothing=plan.train.label_smoothing)
