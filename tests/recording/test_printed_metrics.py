"""Metrics are picked from printed lines by the rules that the page states, and by nobody's guess."""

import shlex

import pytest

from revconsole.recording.printed_metrics import PrintedMetrics, PrintedValues, WrongPattern
from revconsole.recording.started_command import name_of, settings_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("loss=0.3", (None, None, {"loss": 0.3})),
        ("step 3/100 loss=1e-2 acc: 50% lr=1.5e-3", (3, None, {"loss": 0.01, "acc": 0.5, "lr": 0.0015})),
        ("[Epoch 2] val_loss: nan", (None, 2, {"val_loss": float("nan")})),
        ("{'loss': '0.3214', 'grad_norm': 2.05, 'epoch': 1.25}", (None, 1, {"loss": 0.3214, "grad_norm": 2.05})),
        ("Train: 0 [  10/11 ( 91%)]  Loss: 2.30 (2.31)  Time: 0.466s,  272.0/s  LR: 5.000e-02", (None, None, {"Loss": 2.3, "LR": 0.05})),
        ("100/100 - 3s - loss: 0.35 - accuracy: 0.91 - val_accuracy: 0.88", (None, None, {"loss": 0.35, "accuracy": 0.91, "val_accuracy": 0.88})),
        ("iteration=7 tokens=1,024", (7, None, {"tokens": 1024.0})),
        ("global_step: 12, reward=-3", (12, None, {"reward": -3.0})),
    ],
)  # fmt: skip
def test_a_line_of_a_training_says_its_numbers(line, expected):
    found = PrintedMetrics({}).of(line)

    assert found is not None
    assert repr((found.step, found.epoch, dict(found.values))) == repr(expected)


@pytest.mark.parametrize(
    "line",
    [
        "port: 8080, host=1.2.3.4", "epoch 3", "step 10", "", "loss is falling", "http://a.b:80/loss", "12:30:01 begun",
        "loss=a", "Time: 0.466s",
    ],
)  # fmt: skip
def test_any_other_line_says_nothing(line):
    assert PrintedMetrics({}).of(line) is None


def test_a_pattern_of_ones_own_is_looked_for_in_every_line():
    metrics = PrintedMetrics({"top5": r"top-5 is ([0-9.]+)"})

    assert metrics.of("the top-5 is 0.97!") == PrintedValues(None, None, {"top5": 0.97})
    assert metrics.of("the top-5 is .") is None
    for wrong in ("(", "no group", "(a)(b)"):
        with pytest.raises(WrongPattern, match="--metric n="):
            PrintedMetrics({"n": wrong})


def test_a_long_line_without_an_end_is_read_in_no_time():
    assert PrintedMetrics({}).of("a" * 10**7) is None
    assert PrintedMetrics({}).of("loss=" * 10**6) is None


def test_the_settings_of_a_command_are_what_it_is_given():
    words = shlex.split("train.py --lr 0.1 --amp --opt=sgd -b -3 depth=4 data --warm-up 1e-3 --x")

    assert settings_of(words) == {
        "lr": 0.1, "amp": True, "opt": "sgd", "b": -3, "depth": 4, "warm_up": 1e-3, "x": True,
    }  # fmt: skip
    assert name_of(["python", "-m", "x/train.py", "--a", "b.py"]) == "train"
    assert name_of(["/bin/ls", "-l"]) == "ls"
