"""Makes the recorded runs that the tests of the rules read again: `python tests/training/watched/record.py [NAME …]`.

Each is a real training of some seconds. Kept of it are what is known beforehand, the steps with their loss, rate and
gradient norm, what the meter and the probes report, the epochs and the end. `healthy` ones must get no advice; among them
are the shipped profiles, cut short and on images that need no download.
"""

import json
import os
import random
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from revconsole.errors import RevconsoleError
from revconsole.records.datasets.facts import data_folder
from revconsole.records.logs.events import EpochFinished, Finished, Measured
from revconsole.records.runs.control import Control
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile
from revconsole.training.advice import subject_of
from revconsole.training.advice.seen import OF_STEPS
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.learning.preparing import prepare
from revconsole.training.trainer import train

HERE = Path(__file__).parent
SMALL = """
[model]
patch = 2
dim = 32
depth = 2
heads = 2
[data]
train_limit = 1200
test_limit = 100
[train]
epochs = 12
batch = 64
threads = 1
audit = false
probe_epochs = 0
[optimizer]
learning_rate = 2e-3
"""
HEALTHY: dict[str, dict[str, Any]] = {
    "vit": {},
    "vit-warm-up-long": {"schedule.warmup_epochs": 8, "train.epochs": 14},
    "vit-one-cycle": {"schedule.name": "one-cycle"},
    "vit-step": {"schedule.name": "step", "schedule.every_epochs": 4},
    "vit-exponential": {"schedule.name": "exponential", "schedule.factor": 0.8},
    "vit-constant": {"schedule.name": "constant"},
    "vit-slow": {"optimizer.learning_rate": 2e-4},
    "vit-no-validation-gain": {"data.train_limit": 300, "train.epochs": 20},
    "vit-mixup-smoothing": {"data.mixup": 0.8, "train.label_smoothing": 0.1},
    "vit-dropout": {"model.dropout": 0.3, "model.drop_path": 0.2},
    "vit-small-batch": {"train.batch": 8, "train.epochs": 3, "optimizer.learning_rate": 5e-4},
    "vit-large-batch": {"train.batch": 512, "train.epochs": 30},
    "vit-bf16": {"train.precision": "bf16", "train.epochs": 6},
    "vit-average": {"train.average": 0.98},
    "vit-sgd": {"optimizer.name": "sgd", "optimizer.learning_rate": 0.5, "train.clip": 1.0},
    "vit-lamb": {"optimizer.name": "timm", "optimizer.learning_rate": 5e-3},
    "vit-accumulated": {"train.accumulate": 4, "train.epochs": 6},
    "vit-augmented": {"data.augment": "crop", "data.rotation": 10},
    "revvit": {"scheme.name": "additive"},
    "momentum": {"scheme.name": "momentum"},
    "bdia": {"scheme.name": "bdia", "scheme.grid_bits": 9},
    "midpoint": {"scheme.name": "midpoint"},
    "mlp": {"model.architecture": "mlp", "optimizer.name": "sgd", "train.epochs": 20},
    "cnn": {"model.architecture": "cnn", "train.epochs": 6},
    "batch-norm": {"model.architecture": "timm", "model.name": "test_resnet", "train.epochs": 8},
    "batch-norm-sgd": {
        "model.architecture": "timm", "model.name": "test_resnet", "train.epochs": 8,
        "optimizer.name": "sgd", "optimizer.learning_rate": 0.2,
    },
    "circles": {"data.dataset": "circles", "model.architecture": "mlp", "train.epochs": 30},
    "spirals": {"data.dataset": "spirals", "model.architecture": "mlp", "train.epochs": 30},
    "mae": {"objective.name": "mae", "train.epochs": 6},
    "dino": {"objective.name": "dino", "train.epochs": 4},
    "probe": {"train.freeze": "backbone", "train.epochs": 15, "optimizer.learning_rate": 2e-2},
    "two-classes-9-to-1": {"data.folder": "unequal", "train.epochs": 20},
    "one-in-fifty-smoothed": {
        "data.folder": "rare", "train.label_smoothing": 0.3, "train.epochs": 60, "train.batch": 32,
    },
    "average-of-first-weights": {"train.average": 0.9999, "train.epochs": 14},
    "ten-images-to-judge-by": {
        "data.train_limit": 100, "train.epochs": 120, "train.batch": 32, "schedule.name": "constant",
        "model.patch": 4,
    },
}  # fmt: skip
MOST_REPORTS = 40
ON_DIGITS = {"data.dataset": "digits", "train.threads": 1, "train.audit": False}
SHIPPED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "demo-residual": ("demo", 0, {"train.epochs": 8}),
    "demo-additive": ("demo", 1, {"train.epochs": 8}),
    "demo-momentum": ("demo", 2, {"train.epochs": 8}),
    "demo-bdia": ("demo", 3, {"train.epochs": 8}),
    "circles-mlp": ("circles-mlp", 0, {"train.epochs": 15}),
    "circles-by-hand": ("circles-by-hand", 0, {"train.epochs": 15}),
    "vit-mnist": ("vit-mnist", 0, ON_DIGITS | {"model.patch": 2, "train.epochs": 15}),
    "mlp-mnist": ("mlp-mnist", 0, ON_DIGITS | {"train.epochs": 15}),
    "revvit-fashion-mnist": ("revvit-fashion-mnist", 0, ON_DIGITS | {"model.patch": 2, "train.epochs": 6}),
    "momentum-fashion-mnist": ("momentum-fashion-mnist", 0, ON_DIGITS | {"model.patch": 2, "train.epochs": 6}),
}  # fmt: skip
"""Shipped profiles: which of the runs of a profile, and what is changed."""
SICK: dict[str, dict[str, Any]] = {
    "rate-100-sgd": {
        "optimizer.name": "sgd", "optimizer.learning_rate": 100.0, "train.clip": 1.0,
    },
    "rate-10-sgd": {
        "optimizer.name": "sgd", "optimizer.learning_rate": 10.0, "train.clip": 1.0,
    },
    "rate-1-adamw": {"optimizer.learning_rate": 1.0, "schedule.name": "constant"},
    "rate-5-mlp": {
        "model.architecture": "mlp", "optimizer.name": "sgd", "optimizer.learning_rate": 5.0,
    },
    "diverged-in-few-steps": {
        "optimizer.name": "sgd", "optimizer.learning_rate": 100.0, "train.batch": 512, "train.epochs": 4,
        "train.clip": 1.0,
    },
    "mae-diverged": {
        "objective.name": "mae", "train.epochs": 6, "optimizer.name": "sgd", "optimizer.learning_rate": 50.0,
        "train.clip": 1.0,
    },
    "rate-too-low": {"optimizer.learning_rate": 1e-7},
    "rate-too-low-sgd": {"optimizer.name": "sgd", "optimizer.learning_rate": 1e-6},
    "vit-sgd-slow": {"optimizer.name": "sgd", "optimizer.learning_rate": 0.02},
    "deep-without-warm-up": {
        "model.depth": 12, "optimizer.learning_rate": 3e-2, "schedule.name": "constant",
    },
    "rate-decays": {
        "schedule.name": "exponential", "schedule.factor": 0.01, "optimizer.learning_rate": 3e-5,
    },
    "rate-decays-late": {"schedule.name": "exponential", "schedule.factor": 0.2, "train.epochs": 16},
    "only-the-shares": {
        "data.folder": "unequal", "optimizer.learning_rate": 1e-6, "train.epochs": 20, "train.batch": 8,
    },
    "labels-40-percent-wrong": {"data.folder": "noisy", "train.epochs": 20},
    "labels-at-random": {
        "data.folder": "random", "train.epochs": 20, "optimizer.learning_rate": 5e-4,
    },
    "memorised-labels": {
        "data.folder": "random", "train.epochs": 40, "model.dim": 64,
    },
    "over-fitting": {
        "data.train_limit": 150, "train.epochs": 60, "model.dim": 64, "train.batch": 16,
        "schedule.name": "constant",
    },
    "memory-grows": {
        "model.architecture": "python", "model.function": "leaky:model", "train.epochs": 8,
    },
}  # fmt: skip
LEAKY = """
from torch import nn
import torch
class Leaky(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, 10))
        self.layers(torch.zeros(1, 1, 8, 8))
        self.kept = []
    def forward(self, images):
        self.kept.append(torch.rand(500_000))
        return self.layers(images)
def model():
    return Leaky()
"""


def main(names: list[str]) -> None:
    """Record the named runs, all without a name."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("leaky.py").write_text(LEAKY)
        _folders(Path(folder))
        made = {
            name: lambda s=s, n=name: _plan(n, s, Path(folder))
            for name, s in (HEALTHY | SICK).items()
        }
        made |= {name: lambda of=of: _shipped(*of) for name, of in SHIPPED.items()}
        for name, plan in made.items():
            if not names or name in names:
                body = _recorded(name, plan(), Path(folder))
                (HERE / f"{name}.json").write_text(json.dumps(body, separators=(",", ":")))
                sys.stdout.write(f"{name} {body['epochs'][-1:]} {body['failed']}\n")


def _shipped(profile: str, number: int, settings: dict[str, Any]) -> Plan:
    return search_path.find(profile).plans(settings)[number]


def _plan(name: str, settings: dict[str, Any], folder: Path) -> Plan:
    table = tomllib.loads(SMALL)
    settings = dict(settings)
    if "data.folder" in settings:
        settings |= {
            "data.folder": str(folder / settings["data.folder"]),
            "data.dataset": "imagefolder",
        }
        settings |= {"data.image_size": 8, "data.train_limit": "none", "data.test_limit": "none"}
    if settings.get("model.architecture", "vit") != "vit":
        table["model"] = {}
    if settings.get("data.dataset") in {"circles", "spirals"}:
        table["data"] = {}
    if settings.get("model.architecture") == "timm":
        settings |= {"data.image_size": 32}
    kinds = {
        k: v for k, v in settings.items() if k.endswith((".name", ".architecture", ".dataset"))
    }
    kinds.pop("model.name", None)
    profile = Profile(name=name, where=name, table=table).overridden(kinds | settings)
    (plan,) = profile.plans()
    return plan


def _recorded(name: str, plan: Plan, folder: Path) -> dict[str, Any]:
    place = folder / f"run-{name}"
    place.mkdir()
    subject = subject_of(prepare(plan, data=data_folder()))
    events: list[Any] = []
    failed = ""
    try:
        train(
            plan,
            events.append,
            Control(place),
            checkpoints=CheckpointStore(place),
            data=data_folder(),
        )
    except RevconsoleError as error:
        failed = str(error)
    return {
        "healthy": name not in SICK,
        "subject": asdict(subject),
        "steps": [_step(e) for e in events if isinstance(e, Measured) and "loss" in e.values],
        "reports": _reports(events),
        "epochs": [
            {"epoch": e.epoch, "step": e.step}
            | {k: _short(v) for k, v in e.values.items() if k != "epoch_seconds"}
            for e in events
            if isinstance(e, EpochFinished)
        ],
        "ending": next((_shorts(e.values) for e in events if isinstance(e, Finished)), {}),
        "failed": failed,
    }


def _reports(events: list[Any]) -> list[dict[str, float | None]]:
    """What is measured once per report and by probes, of at most MOST_REPORTS reports evenly spread.

    Without the cores that were used where others wanted them: that is not of the run.
    """
    measured = [e for e in events if isinstance(e, Measured) and "resident_bytes" in e.values]
    probes = [e for e in measured if "reconstruction_error" in e.values or not e.step]
    reports = [e for e in measured if e not in probes]
    every = -(-len(reports) // MOST_REPORTS)
    left_out = OF_STEPS | {"images_per_second", "resident_peak_bytes", "probe_seconds"}
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        left_out |= {"cores_used"}
    return [
        {"step": e.step} | _shorts({k: v for k, v in e.values.items() if k not in left_out})
        for e in measured
        if e in probes or reports.index(e) % every == every - 1
    ]


def _shorts(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _short(value) for name, value in values.items()}


def _step(event: Measured) -> list[float | None]:
    names = ("loss", "learning_rate", "gradient_norm")
    return [event.step, event.epoch, *(_short(event.values.get(name)) for name in names)]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _folders(root: Path) -> None:
    """Folders of digits: 9 of one class for 1 of the other, 50 for 1 (each of the many twice), with 4 of 10 labels wrong, with labels drawn."""
    draw = random.Random(0)
    digits = load_digits()
    images, labels = digits.images, digits.target
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        picture = Image.fromarray((image * 15.9).astype(np.uint8))
        wrong = draw.randrange(10)
        noisy = wrong if draw.random() < 0.4 else label
        placed = [("noisy", noisy), ("random", wrong)]
        if label in {0, 1} and (label == 0 or number % 9 == 0):
            placed.append(("unequal", label))
        if label == 0 or (label == 1 and number % 40 == 0):
            placed.append(("rare", label))
        for kind, where in placed:
            into = root / kind / f"class-{where}"
            into.mkdir(parents=True, exist_ok=True)
            picture.save(into / f"{number}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
