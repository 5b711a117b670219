"""Weights out: a run's network in a folder for others, with a card that says where it is from and how to load it."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from revconsole import __version__
from revconsole.errors import StoreError
from revconsole.lab.exports import BadTarget
from revconsole.lab.report.formats.as_markdown import escape
from revconsole.lab.torch_api import training
from revconsole.lab.writable import require_folder_of
from revconsole.records.findings.exported import Exported, Target
from revconsole.records.runs.run import Summary, refuse_given
from revconsole.records.runs.store import RunStore

CARD = "README.md"


def export_run(store: RunStore, run_id: str, folder: Path, *, to: Target) -> Exported:
    """Write the best epoch of a run into a new folder, which appears when it is whole and compared.

    Raises BadTarget for a folder that exists, StoreError if it cannot be written, and as `training.exported` does.
    """
    run = store.read(run_id)
    refuse_given(run.summary.plan)
    if folder.exists() or not folder.name:
        raise BadTarget(f"{folder} exists: choose a new folder")
    require_folder_of(folder)
    try:
        with _unfinished(folder) as hidden:
            found = training.exported(store, run_id, to=to, folder=hidden)
            (hidden / CARD).write_text(card(run.summary, found), encoding="utf-8")
            hidden.rename(folder)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from None
    return found


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A hidden folder beside one that is to appear whole; removed at the end, with those that killed exports of that name left.

    Whoever writes one holds a lock on it, which no process outlives; without effect on file systems that have no locks.
    """
    beginning = f".{folder.name}.part-"
    for left in folder.parent.iterdir():
        if left.name.startswith(beginning) and left.is_dir() and not left.is_symlink():
            with suppress(OSError), _locked(left):
                shutil.rmtree(left)
    hidden = folder.with_name(f"{beginning}{secrets.token_hex(4)}")
    hidden.mkdir()
    try:
        with _locked(hidden):
            yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. Raises OSError if another process does, or it cannot be held."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def card(run: Summary, found: Exported) -> str:
    """The model card: what it is, where it is from, how well it does, how to load it, how it was compared."""
    library = {"hf": "transformers", "timm": "timm"}.get(found.to)
    front = ["---", *([f"library_name: {library}"] if library else [])]
    front += ["pipeline_tag: image-classification", "---"]
    facts = [f"- **{word}:** {escape(text)}" for word, text in _facts(run, found)]
    names = ", ".join(escape(name) for name in found.names)
    compared = (
        f"Read back from these files by {found.of}, the network was given {found.images} test images: its logits differ "
        f"from those of the run by {found.difference:.2g} at most."
    )
    parts = [
        "\n".join(front),
        f"# {escape(run.name)}",
        "\n".join(facts),
        "## Load it",
        "\n".join(["```python", *found.loading, "```"]),
        f"`FOLDER` is this folder. Images: {found.preparation}, {_shape(found)}.",
        "## Classes",
        f"In the order of the logits: {names}.",
        "## Compared",
        compared,
    ]
    return "\n\n".join(parts) + "\n"


def _shape(found: Exported) -> str:
    return f"{found.channels} × {found.side} × {found.width}"


def _facts(run: Summary, found: Exported) -> list[tuple[str, str]]:
    plan = run.plan
    name = getattr(plan.model, "name", plan.model.architecture)
    return [
        ("Network", f"{name}, scheme {plan.scheme.name}, trained with backward {plan.backward}"),
        ("Parameters", "unknown" if run.parameters is None else f"{run.parameters:,}"),
        (
            "Data",
            f"{plan.data.dataset}, {plan.image_shape[0]}×{plan.image_shape[1]} pixels, {len(found.names)} classes",
        ),
        ("Fingerprint of the data", run.fingerprint or "unknown"),
        ("Test accuracy", _percent(run.test_accuracy)),
        ("Best validation accuracy", _percent(run.best_validation_accuracy)),
        ("Weights", f"of step {found.step}, the best epoch's"),
        ("Run", f"{run.id}, seed {plan.seed}, {run.state}"),
        ("Written by", f"revconsole {__version__}"),
    ]


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{share:.2%}"
