"""Keeping: names, tags and notes of runs, and runs that are archived, deleted and put back."""

from collections.abc import Sequence

from revconsole.errors import WrongState
from revconsole.records.runs import notebook, trash
from revconsole.records.runs.notebook import Edit
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore


def edit(store: RunStore, run_ids: Sequence[str], change: Edit) -> None:
    """Change the notes of runs. Raises BadNote before anything is changed, NoSuchRun and StoreError."""
    notebook.check(change)
    if change.name and change.name in {run.id for run in store.list()}:
        raise notebook.BadNote(f"{change.name!r} is the id of a run: choose another name")
    for folder in [store.folder(run_id) for run_id in run_ids]:
        notebook.change(folder, change)


def discard(store: RunStore, runs: Sequence[Summary]) -> None:
    """Move runs into the trash of the store. Raises RevconsoleError before anything is moved if one has not ended or is only read."""
    for run in runs:
        store.folder(run.id)
        if not run.ended:
            raise WrongState(
                f"run {run.id} ({run.name}) is {run.state}: stop it before it is deleted"
            )
    for run in runs:
        trash.discard(store.root, run.id)


def restore(store: RunStore, run_ids: Sequence[str]) -> None:
    """Put runs back from the trash of the store. Raises NoSuchRun and StoreError."""
    for run_id in run_ids:
        trash.restore(store.root, run_id)
