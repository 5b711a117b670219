"""Names of metrics by which other programs mean ours."""

import pytest

from revconsole.records.metric_names import our_name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("train_loss", "loss"), ("train/loss", "loss"), ("Loss/train", "loss"), ("loss", "loss"), ("training loss", "loss"),
        ("val_loss", "validation_loss"), ("eval/loss", "validation_loss"), ("valid-loss", "validation_loss"),
        ("val_acc", "validation_accuracy"), ("eval_accuracy", "validation_accuracy"), ("Accuracy/Val", "validation_accuracy"),
        ("test.acc", "test_accuracy"), ("train_acc", "train_accuracy"), ("lr", "learning_rate"), ("grad_norm", "gradient_norm"),
    ],
)  # fmt: skip
def test_what_others_call_ours(theirs: str, ours: str) -> None:
    assert our_name(theirs) == ours


@pytest.mark.parametrize(
    "name",
    [
        "val_acc_top5",
        "accuracy",
        "loss_scale",
        "train_val_loss",
        "val",
        "",
        "loss/loss",
        "val/loss/head0",
        "validation_accuracy",
    ],
)
def test_any_other_name_stays(name: str) -> None:
    assert our_name(name) == name
