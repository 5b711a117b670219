"""Metric names: what programs call a metric that revconsole has a name for."""

import re
from dataclasses import dataclass

from revconsole.records.logs.events import Direction, MetricDeclared

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
OTHERS = {
    "lr": "learning_rate", "grad_norm": "gradient_norm", "samples_per_second": "images_per_second",
}  # fmt: skip


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


PERCENT = frozenset({"top1", "acc1", "acc@1"})
"""Words for an accuracy that programs give in percent."""
OF_TRAINING = frozenset({"accuracy", "acc", *PERCENT})
"""Names that, in a training loop, are of the training."""
UNITS = {"accuracy": "fraction", "bytes": "B", "seconds": "s"}
"""Units by the last word of a name of ours."""


@dataclass(frozen=True, slots=True)
class MetricName:
    """Our name for a metric, and the factor by which its values become ours."""

    name: str
    factor: float = 1.0


def our_metric(name: str) -> MetricName:
    """The name under which what a training loop measures is kept."""
    low = name.lower()
    if low in OF_TRAINING:
        return MetricName("train_accuracy", 0.01 if low in PERCENT else 1.0)
    before = re.split(r"[_/.\-\s]+", low)[-1]
    if before in PERCENT:
        found = our_name(f"{low.removesuffix(before)}accuracy")
        return MetricName(found, 0.01) if found in OURS.values() else MetricName(name)
    return MetricName(our_name(name))


def declared(metric: MetricName, theirs: str) -> MetricDeclared:
    """The declaration of a metric of another program. theirs: its program's name for it."""
    last = metric.name.rpartition("_")[2]
    direction: Direction = "up" if last == "accuracy" else "down" if last == "loss" else "none"
    percent = " in percent" if metric.factor != 1.0 else ""
    meaning = f"What its program calls {theirs}{percent}."
    per = "epoch" if metric.name.startswith(("validation_", "test_")) else "step"
    return MetricDeclared(
        name=metric.name, unit=UNITS.get(last, ""), per=per, direction=direction, meaning=meaning
    )
