"""Predicting: what a run's network says of images, as values and as files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from revconsole.errors import StoreError, UnknownName, WrongState
from revconsole.lab.exports import BadTarget
from revconsole.lab.report.formats import as_csv
from revconsole.lab.torch_api import training
from revconsole.lab.writable import require_folder_of
from revconsole.records.findings.predictions import Predictions
from revconsole.records.printable import json_text
from revconsole.records.runs.run import Confusion, refuse_given
from revconsole.records.runs.store import RunStore

FORMATS = {"csv", "json"}


def predicted(
    store: RunStore,
    run_id: str,
    source: str,
    *,
    say: Callable[[str], None],
    attention: Path | None = None,
) -> Predictions:
    """The predictions for a source; see `training.predicted`. attention: a new .png of what the network looks at."""
    refuse_given(store.follow(run_id).summary().plan)
    try:
        return training.predicted(store, run_id, source, say=say, attention=attention)
    except OSError as error:
        raise StoreError(f"cannot write {attention}: {error.strerror or error}") from None


def refuse_targets(*, to: Path | None, attention: Path | None) -> None:
    """Raise BadTarget, UnknownName or StoreError for a file that could not be written at the end."""
    for path, known in ((to, FORMATS), (attention, {"png"})):
        if path is None:
            continue
        if path.suffix.removeprefix(".") not in known:
            raise UnknownName("format", path.suffix.removeprefix(".") or path.name, known)
        if path.exists():
            raise BadTarget(f"{path} exists: choose another name")
        require_folder_of(path)


def confusion_of(found: Predictions) -> Confusion:
    """The confusion matrix of the images. Raises WrongState if the class of none is known."""
    if found.confusion is None:
        raise WrongState(f"the classes of {found.source} are not known, so nothing is confused")
    return Confusion(names=found.classes, counts=found.confusion)


def write(found: Predictions, path: Path) -> None:
    """Write every probability as CSV or JSON, whole or not at all. Raises StoreError."""
    text = _csv(found) if path.suffix == ".csv" else f"{json_text(as_json(found))}\n"
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        path.unlink(missing_ok=True)  # a new file: half of it helps nobody
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def as_json(found: Predictions) -> dict[str, Any]:
    """The predictions as a table of JSON."""
    return {
        "source": found.source,
        "step": found.step,
        "classes": found.classes,
        "accuracy": found.accuracy,
        "confusion": found.confusion,
        "images": [
            {
                "image": each.image,
                "is": each.truth,
                "called": each.called(found.classes)[0],
                "probabilities": each.shares,
            }
            for each in found.images
        ],
        "left_out": [{"file": name, "why": why} for name, why in found.left_out],
    }


def _csv(found: Predictions) -> str:
    """A row for each image, a column for the probability of each class."""
    headings = ["image", "is", "called", "probability", *(f"p({name})" for name in found.classes)]
    rows = [
        [each.image, each.truth, *each.called(found.classes), *each.shares] for each in found.images
    ]
    return as_csv.written(headings, rows)
