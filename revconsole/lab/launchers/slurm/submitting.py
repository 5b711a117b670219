"""Submitting: one run becomes a job of Slurm, several become an array with one run per task.

The runs are queued before there is a job, so that a full disk submits nothing, and again with the job once there is one.
What sbatch refuses leaves no run behind that did not exist before.
"""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from revconsole.errors import NotSubmitted, ProfileError, StoreError
from revconsole.lab.launchers.slurm import programs
from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.lab.launchers.slurm.script import FILE, job_name, script
from revconsole.records import ranks
from revconsole.records.files.shared import create, make_folder
from revconsole.records.runs.attempt import overwrite
from revconsole.records.runs.identity import mine
from revconsole.records.runs.queued import FILE as LAUNCH
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import FOLDER, LISTS, NAME, holder

MOST_TASKS = 1000
"""Most tasks of an array: one less than Slurm's usual MaxArraySize."""
PRIVATE = 0o700


@dataclass(frozen=True)
class SlurmLauncher:
    """Launches runs at a place."""

    place: SlurmPlace

    def launch(
        self,
        store: RunStore,
        run_ids: Sequence[str],
        changes: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[str]:
        """Submit the runs; returns the ids of the jobs. changes: see `settings.changes`. Raises NotSubmitted, StoreError."""
        programs.refuse_without_slurm()
        parts = [run_ids[n : n + MOST_TASKS] for n in range(0, len(run_ids), MOST_TASKS)]
        return [_Submission(self.place, store, ids, changes).submit() for ids in parts]


class _Submission:
    """One call of sbatch."""

    def __init__(
        self, place: SlurmPlace, store: RunStore, ids: Sequence[str], changes: Mapping[str, Any]
    ) -> None:
        self._place, self._store, self._ids, self._changes = place, store, ids, changes
        self._numbers = {run_id: store.next_attempt(run_id) for run_id in ids}
        self._root = store.root.resolve()
        self._list = self._root / FOLDER / f"{secrets.token_hex(4)}{LISTS}"
        self._notes = {run_id: _content(store.folder(run_id) / LAUNCH) for run_id in ids}

    def submit(self) -> str:
        """The id of the job."""
        try:
            for run_id, number in self._numbers.items():
                self._store.queue(run_id, number, mine(), NAME, self._changes, job="")
            job = programs.submit(self._write())
        except (NotSubmitted, ProfileError, StoreError, OSError) as error:
            self._undo()
            if isinstance(error, OSError):
                raise StoreError(f"cannot submit from {self._root}: {error.strerror}") from None
            raise
        for index, (run_id, number) in enumerate(self._numbers.items()):
            task = f"{job}_{index}" if len(self._ids) > 1 else job
            with suppress(StoreError):  # it trains all the same
                self._store.queue(run_id, number, holder(job), NAME, self._changes, job=task)
        return job

    def _write(self) -> Path:
        """Write the list of runs, and the script into every run's folder; returns that of the first. Raises OSError and ProfileError."""
        make_folder(self._list.parent, PRIVATE, exist_ok=True)
        create(self._list, "".join(f"{run_id}\n" for run_id in self._ids).encode())
        name = job_name(self._store.plan(self._ids[0]), len(self._ids))
        place = self._place.sized(max(ranks.count(self._store, run_id) for run_id in self._ids))
        text = script(place, self._root, self._list, name=name, count=len(self._ids))
        paths = [self._root / run_id / FILE for run_id in self._ids]
        for path in paths:
            path.unlink(missing_ok=True)
            create(path, text.encode())
        return paths[0]

    def _undo(self) -> None:
        """Remove runs that were created for this submission, and put back the notes of the others."""
        with suppress(OSError):
            self._list.unlink(missing_ok=True)
        for run_id, number in self._numbers.items():
            folder, note = self._root / run_id, self._notes[run_id]
            with suppress(OSError):
                if note is not None:
                    overwrite(folder / LAUNCH, note)
                elif number == 1:
                    shutil.rmtree(folder)
                else:
                    (folder / LAUNCH).unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
