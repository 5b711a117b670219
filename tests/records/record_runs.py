"""Records runs of every kind for `test_eta.py`: `python tests/records/record_runs.py runs.jsonl.gz`.

Each trains in this process, on one thread, by the processor's time, so that what else the machine does plays no part.
Of each event the kind, when it came and what an ETA depends on are kept.
"""

import gzip
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from revconsole.records.logs.block import LEFT, OF_STEPS, REPORTED
from revconsole.records.logs.events import (
    KIND_OF,
    Answered,
    EpochFinished,
    Event,
    Finished,
    Measured,
    Started,
)
from revconsole.records.logs.times import FORECAST
from revconsole.records.runs.control import Control
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.trainer import train

VIT = {"architecture": "vit", "patch": 4, "dim": 32, "depth": 4, "heads": 2}
DEEP = VIT | {"dim": 64, "depth": 8}
MLP = {"architecture": "mlp"}
SVM = {"architecture": "svm"}
DIGITS = {"dataset": "digits"}
NOISE = {"dataset": "synthetic"}
MOONS = {"dataset": "moons"}
FACTS = {"steps", "epochs", "steps_per_epoch", "validation_images", "test_images"} | FORECAST
VALUES = {"probe_seconds", "epoch_seconds", "validation_seconds", LEFT}
KEPT = {"started", "measured", "epoch", "answer", "finished"}

RUNS: dict[str, dict[str, Any]] = {
    "mlp-one-epoch": {"model": MLP, "train": {"epochs": 1, "batch": 1}},
    "mlp-batch-8": {"model": MLP, "train": {"epochs": 8, "batch": 8}},
    "mlp-fast": {"model": MLP, "train": {"epochs": 50, "batch": 64}},
    "mlp-checkpoints": {"model": MLP, "train": {"epochs": 8, "batch": 8, "checkpoint_steps": 20}},
    "moons-mlp": {"model": MLP, "data": MOONS, "train": {"epochs": 4, "batch": 4}},
    "vit": {"model": VIT, "train": {"epochs": 12, "batch": 64}},
    "vit-one-epoch": {"model": VIT, "train": {"epochs": 1, "batch": 8}},
    "vit-deep": {"model": DEEP, "train": {"epochs": 4, "batch": 32}},
    "vit-few-steps": {"model": DEEP | {"dim": 256}, "train": {"epochs": 1, "batch": 128}},
    "momentum": {
        "model": VIT,
        "scheme": {"name": "momentum"},
        "backward": "reversible",
        "train": {"epochs": 6, "batch": 64},
    },
    "cnn": {"model": {"architecture": "cnn"}, "train": {"epochs": 10, "batch": 64}},
    "large-validation": {
        "model": VIT,
        "data": DIGITS | {"validation": 0.7},
        "train": {"epochs": 16, "batch": 64},
    },
    "mae": {"model": VIT, "objective": {"name": "mae"}, "train": {"epochs": 5, "batch": 64}},
    "mae-one-epoch": {
        "model": VIT,
        "objective": {"name": "mae"},
        "train": {"epochs": 1, "batch": 8},
    },
    "dino": {
        "model": VIT | {"patch": 2, "pool": "mean"},
        "objective": {"name": "dino", "output": 64, "local_crops": 2, "local_size": 4},
        "train": {"epochs": 3, "batch": 64},
    },
    "svm-large": {"model": SVM, "data": NOISE | {"train_limit": 3000}},
    "svm-large-test": {"model": SVM, "data": NOISE | {"train_limit": 1500}},
    "svm-linear": {"model": SVM | {"kernel": "linear"}, "data": NOISE | {"train_limit": 2000}},
    "svm-unequal-classes": {"model": SVM, "data": {"dataset": "imagefolder", "image_size": 16}},
}


def record(name: str, given: dict[str, Any]) -> list[Any]:
    """Train one run; its events, as `test_eta.py` reads them."""
    given = {"scheme": {"name": "residual"}, "backward": "stored", "data": DIGITS} | given
    given["train"] = given.get("train", {}) | {"device": "cpu", "threads": 1}
    began, found = time.process_time(), []

    def emit(event: Event) -> None:
        kind = KIND_OF[type(event)]
        kind = kind if kind in KEPT else "log"
        found.append([kind, round(time.process_time() - began, 4), kept(event)])

    with tempfile.TemporaryDirectory() as folder:
        if given["data"]["dataset"] == "imagefolder":
            given["data"] |= {"folder": str(write_images(Path(folder) / "images"))}
        place = Path(folder) / name
        place.mkdir()
        train(
            Plan.model_validate(given | {"name": name}), emit, Control(place),
            checkpoints=CheckpointStore(place), data=Path(folder),
        )  # fmt: skip
    return found


def write_images(folder: Path) -> Path:
    """Noise of three classes, the first of which has most of the images."""
    random = np.random.default_rng(0)
    for name, number in {"a": 2400, "b": 600, "c": 600}.items():
        (folder / name).mkdir(parents=True)
        for index in range(number):
            pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.bmp")
    return folder


def kept(event: Event) -> dict[str, Any]:
    """What an ETA depends on."""
    names = ("step", "epoch", "outcome", "verb", "by")
    given = {name: getattr(event, name) for name in names if hasattr(event, name)}
    if isinstance(event, Started):
        return {
            "resumed_from": event.resumed_from,
            "facts": {k: v for k, v in event.facts.items() if k in FACTS},
        }
    if isinstance(event, Measured | EpochFinished):
        values = {k: round(v, 5) for k, v in event.values.items() if k in VALUES}
        marks = {"loss": not OF_STEPS.isdisjoint(event.values), REPORTED: REPORTED in event.values}
        return given | {"values": values | {name: 0 for name, there in marks.items() if there}}
    return given if isinstance(event, Finished | Answered) else {"text": ""}


def main(path: Path) -> None:
    """Record all runs, or the ones named behind the file, which are put beside what it holds."""
    time.perf_counter = time.process_time
    names = sys.argv[2:] or list(RUNS)
    held = (
        dict(map(json.loads, gzip.decompress(path.read_bytes()).splitlines()))
        if path.exists()
        else {}
    )
    for name in names:
        held[name] = record(name, RUNS[name])
        sys.stdout.write(f"{name}: {len(held[name])} events, {held[name][-1][1]} s\n")
        lines = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in held.items())
        path.write_bytes(gzip.compress(lines.encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
