"""Evaluation: mean loss and accuracy over a whole split, in evaluation mode."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from revconsole.data import Split
from revconsole.training.setting import Setting


def evaluate(setting: Setting, split: Split, listen: Callable[[], object]) -> tuple[float, float]:
    """Mean cross-entropy (without smoothing) and accuracy, a fraction, over the split.

    listen: called between batches; what it raises ends the evaluation, with the model in training mode.
    """
    loss = torch.zeros((), device=setting.device)
    correct = torch.zeros((), dtype=torch.int64, device=setting.device)
    setting.model.eval()
    try:
        with torch.inference_mode():
            for images, labels in setting.evaluation_batches(split):
                with setting.precision.autocast():
                    logits = setting.model(images)
                loss += F.cross_entropy(logits.float(), labels, reduction="sum")
                correct += (logits.argmax(dim=1) == labels).sum()
                listen()
    finally:
        setting.model.train()
    return loss.item() / len(split), correct.item() / len(split)
