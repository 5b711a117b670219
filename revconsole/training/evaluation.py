"""Evaluation: loss, accuracy and confusion over a whole split, in evaluation mode.

Shapes: B images of a batch, K classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data import Split
from revconsole.training.setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Mean cross-entropy without smoothing, and how many images of each class (row) were called what: int64 (K, K)."""

    loss: float
    confusion: Tensor

    @property
    def accuracy(self) -> float:
        """The fraction of images whose class came first."""
        return self.confusion.trace().item() / self.confusion.sum().item()


def evaluate(setting: Setting, split: Split, listen: Callable[[], object]) -> Scores:
    """Judge the model, or the moving average of its weights where there is one, on a split.

    listen: called between batches; what it raises ends the evaluation, with the model in training mode.
    """
    model, classes = setting.judged, setting.data.facts.classes
    loss = torch.zeros((), device=setting.device)
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=setting.device)
    model.eval()
    try:
        with torch.inference_mode():
            for images, labels in setting.evaluation_batches(split):
                with setting.precision.autocast():
                    logits = model(images)
                loss += F.cross_entropy(logits.float(), labels, reduction="sum")
                cells = labels * classes + logits.argmax(dim=1)
                counts.index_add_(0, cells, torch.ones_like(cells))
                listen()
    finally:
        model.train()
    return Scores(loss=loss.item() / len(split), confusion=counts.view(classes, classes).cpu())
