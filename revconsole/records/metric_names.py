"""Metric names: what programs call a metric that revconsole has a name for."""

import re

PARTS = {
    "train": "train", "training": "train", "tr": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "eval": "validation", "evaluation": "validation", "dev": "validation", "test": "test",
}  # fmt: skip
"""Which part of the data a word in a name means."""
WORDS = {"loss": "loss", "acc": "accuracy", "accuracy": "accuracy"}
"""What is measured, by the word for it."""
OURS = {
    ("train", "loss"): "loss", ("train", "accuracy"): "train_accuracy",
    ("validation", "loss"): "validation_loss", ("validation", "accuracy"): "validation_accuracy",
    ("test", "loss"): "test_loss", ("test", "accuracy"): "test_accuracy",
    ("", "loss"): "loss",
}  # fmt: skip
OTHERS = {"lr": "learning_rate", "grad_norm": "gradient_norm"}


def our_name(name: str) -> str:
    """Our name for a metric that is called so, in any case and with `_`, `/`, `.`, `-` or spaces between; `name` if we have none.

    `val_acc`, `eval/accuracy` and `accuracy-validation` are `validation_accuracy`; a name with any other word keeps it.
    """
    words = [word for word in re.split(r"[_/.\-\s]+", name.lower()) if word]
    parts = [PARTS[word] for word in words if word in PARTS]
    measured = [WORDS[word] for word in words if word in WORDS]
    if len(parts) + len(measured) != len(words) or len(parts) > 1 or len(measured) != 1:
        return OTHERS.get(name.lower(), name)
    return OURS.get((parts[0] if parts else "", measured[0]), name)
