"""Each rule of `advice` is triggered by a real run of a second or so, and what it says to type can be typed."""

import random
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from revconsole.records.logs.events import Advised
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import parse_assignments
from revconsole.training.advice.rules import RULES, data_slow, memory_grows

MODELS = """
import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, first=None, seconds=0.0, leak=0, shaken=0.0, pooled=0, classes=10):
        super().__init__()
        self.first, self.seconds, self.leak, self.shaken = first, seconds, leak, shaken
        self.kept, self.calls = [], 0
        if pooled:
            layers = [nn.AdaptiveAvgPool2d(pooled), nn.Flatten(), nn.Linear(pooled**2, classes)]
        else:
            layers = [nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        time.sleep(self.seconds)
        images = images[:, :1]
        if self.leak:
            self.kept.append(torch.ones(self.leak))
        logits = self.layers(images if self.first is None else self.first(images))
        self.calls += self.training
        if self.shaken and self.calls > 100:
            logits = logits + 0.01 * torch.sin(self.shaken * logits)
        return logits

def never_updated():
    net = Net(first=nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, momentum=0.0)))
    nn.init.constant_(net.first[0].bias, 50.0)
    return net

def sleepy():
    return Net(seconds=0.04)

def leaky():
    return Net(leak=2_500_000)

def shaken():
    return Net(shaken=1e6)

def pooled():
    return Net(pooled=2)

def linear():
    return Net(pooled=8)

def three():
    return Net(pooled=8, classes=3)
"""
MLP = {"architecture": "mlp", "width": 16, "depth": 1}
SLOW_DATA = {"rand_augment": 9, "image_size": 160, "prefetch": 0, "train_limit": 120}
"""Augmenting takes many times as long as a step, on a machine of any speed."""


def own(function: str) -> dict[str, str]:
    return {"architecture": "python", "function": f"sick_models:{function}"}


def adamw(rate: float) -> dict[str, object]:
    return {"name": "adamw", "learning_rate": rate}


def sgd(rate: float, momentum: float = 0.9) -> dict[str, object]:
    return {"name": "sgd", "learning_rate": rate, "momentum": momentum}


CASES = {
    "diverged": {"optimizer": sgd(100.0), "train": {"epochs": 3}},
    "at chance": {"optimizer": adamw(1e-7), "train": {"epochs": 14}},
    "class share": {"data": "unequal", "optimizer": adamw(1e-6), "train": {"epochs": 30, "batch": 8}},
    "random labels": {"data": "random", "optimizer": adamw(5e-4), "train": {"epochs": 20}},
    "noisy labels": {"data": "noisy", "model": own("linear"), "schedule": {"name": "cosine"}, "train": {"epochs": 12, "batch": 16}},
    "class unpredicted": {"data": "twins", "model": own("three"), "optimizer": adamw(1e-3), "train": {"epochs": 10, "batch": 8}},
    "over-fitting": {"data": {"train_limit": 60, "validation": 0.5}, "optimizer": adamw(0.1), "train": {"epochs": 40, "batch": 8}},
    "under-fitting": {"model": MLP | {"width": 1}, "train": {"epochs": 25}},
    "plateau": {"model": own("pooled"), "data": {"train_limit": 200}, "optimizer": adamw(0.1), "train": {"epochs": 70, "batch": 16}},
    "rate too low": {"optimizer": adamw(2e-5), "train": {"epochs": 16}},
    "rate too high": {"optimizer": adamw(1.0), "train": {"epochs": 14}},
    "warm-up only": {"train": {"epochs": 3}, "schedule": {"name": "constant", "warmup_epochs": 2.95}},
    "rate decayed": {"train": {"epochs": 5}, "schedule": {"name": "exponential", "factor": 0.01}},
    "gradient explodes": {"model": own("shaken"), "train": {"epochs": 12}},
    "gradient vanishes": {"model": MLP | {"depth": 30}, "train": {"epochs": 9}, "data": {"train_limit": 200}},
    "dead units": {"model": {"architecture": "cnn"}, "optimizer": adamw(0.1), "train": {"epochs": 12}, "data": {"train_limit": 120}},
    "memory grows": {"model": own("leaky"), "data": {"train_limit": 160}, "train": {"epochs": 7}},
    "data slow": {"data": SLOW_DATA, "train": {"epochs": 7}},
    "device idle": {"model": own("sleepy"), "data": {"train_limit": 80}, "train": {"epochs": 12}},
    "BatchNorm apart": {"model": own("never_updated"), "train": {"epochs": 9}},
    "test below validation": {"data": "wrong test", "train": {"epochs": 8}},
    "reconstruction rises": {
        "model": {"architecture": "vit", "patch": 4, "dim": 16, "depth": 4, "heads": 2, "mlp_ratio": 1.0},
        "scheme": {"name": "additive"}, "backward": "reversible", "optimizer": adamw(0.1),
        "data": {"train_limit": 80}, "train": {"epochs": 6, "probe_epochs": 1},
    },
    "accumulation idle": {"model": MLP | {"width": 512}, "train": {"epochs": 2, "batch": 8, "accumulate": 2}, "data": {"train_limit": 200}},
    "clipping": {"optimizer": sgd(0.1), "train": {"epochs": 15, "clip": 0.01}},
}  # fmt: skip
"""By rule the run that triggers it, as it differs from a small network on digits that learns."""
NAMED = {"class unpredicted": "class 'nought' is never predicted"}
"""By rule words that its text has."""
DATA_SECONDS = 0.02
"""Of slow data, for a run of a second or, on a fast machine, much less; `test_rules` asks for the rule's own second."""


@pytest.fixture
def folder(tmp_path):
    """A function: a folder of digits that are labelled as its name says."""
    return lambda kind: drawn(tmp_path / kind.replace(" ", "-"), kind)


def drawn(root: Path, kind: str) -> dict[str, object]:
    draw, digits = random.Random(0), load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        if number >= (900 if kind != "twins" else 1797) or not (
            place := labelled(kind, number, int(label), draw)
        ):
            continue
        into = root / place
        into.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9).astype(np.uint8)).save(into / f"{number}.png")
    return {"dataset": "imagefolder", "folder": str(root), "image_size": 8, "train_limit": None}


def labelled(kind: str, number: int, label: int, draw: random.Random) -> str:
    wrong = draw.randrange(10)
    match kind:
        case "unequal":
            return f"c{label}" if label == 0 or (label == 1 and number % 9 == 0) else ""
        case "random":
            return f"c{wrong}"
        case "noisy":
            return f"c{wrong if draw.random() < 0.4 else label}"
        case "twins":  # a quarter of the zeros under a name of their own
            return (
                {0: "zero" if number % 4 else "nought", 1: "one"}.get(label, "")
                if label < 2
                else ""
            )
        case "wrong test":
            return f"test/c{wrong}" if number % 5 == 0 else f"train/c{label}"
    raise AssertionError(kind)


@pytest.fixture
def sick(folder):
    """A function: the plan that triggers a rule."""
    Path("sick_models.py").write_text(MODELS)

    def made(rule: str) -> Plan:
        case = dict(CASES[rule])
        data, train = case.pop("data", {}), case.pop("train")
        usual = {"dataset": "digits", "train_limit": 600, "validation": 0.2}
        table = {
            "name": "sick",
            "profile": "vit-mnist",
            "model": MLP,
            "schedule": {"name": "constant"},
            "optimizer": adamw(3e-3),
            "data": usual | (folder(data) if isinstance(data, str) else data),
            "train": {
                "batch": 32, "device": "cpu", "threads": 1, "audit": False, "probe_epochs": 0
            } | train,
        }  # fmt: skip
        return Plan.model_validate(table | case)

    return made


@pytest.mark.slow
@pytest.mark.parametrize("rule", CASES)
def test_a_real_run_triggers_the_rule_and_its_command_can_be_typed(
    rule, sick, runner, unjudged, monkeypatch
):
    monkeypatch.setattr(data_slow, "SECONDS", DATA_SECONDS if rule == "data slow" else 1.0)
    # what else this process holds is of other tests, and would be what a hundredth is taken of
    monkeypatch.setattr(memory_grows, "SHARE", 0.0)
    plan = sick(rule)
    log = runner(plan)

    told = [advised for advised in log.of(Advised) if advised.rule == rule]
    assert len(told) == 1, [a.text for a in log.of(Advised)]
    assert NAMED.get(rule, "") in told[0].text
    verb, *words = shlex.split(told[0].command)[1:]
    if verb == "train":
        (again,) = search_path.find(words[0]).plans(parse_assignments(words[1:]))
        assert again.digest() != plan.digest()


def test_every_rule_has_a_run_that_triggers_it_but_for_the_scaler_which_needs_a_gpu():
    assert {rule.name for rule in RULES} - CASES.keys() == {"scaler skips"}
