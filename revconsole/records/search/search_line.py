"""Search line: the runs of a search as one of its workers sees them, which draws the next trial itself.

Nobody deals trials out. A trial's id follows from its number, so that the rename that creates its folder gives it to one worker
alone; a repeat of the best likewise. A trial whose process was lost is taken again by whoever is free. What a job of Slurm
began belongs to that job, which Slurm starts again.
"""

import os

from revconsole.errors import AlreadyClaimed, StoreError, WrongState
from revconsole.records.files.shared import create, make_folder
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import state
from revconsole.records.runs.identity import mine
from revconsole.records.runs.next_run import attempt_to_take
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import FOLDER, LISTS
from revconsole.records.search.asking import asked
from revconsole.records.search.launched import SearchLaunch
from revconsole.records.search.trials import SearchTrial, TrialReader, best_of
from revconsole.records.settings.own_profile import own_profile
from revconsole.records.settings.plan import Plan

LAUNCHER = "process"
PRIVATE = 0o700
LEAST_ROOM = 1 << 20
"""Bytes that have to be free for a run to be made."""


class SearchLine:
    """A line that grows. launch: that of this worker. job: the Slurm job in which it works, if it does."""

    def __init__(self, store: RunStore, launch: SearchLaunch, job: str | None = None) -> None:
        """Raises ProfileError, UnknownName, and WrongState if the search is another one by now."""
        self._store, self._launch, self._job = store, launch, job
        self._planned = launch.planned(store)
        self._reader = TrialReader(store, self._planned.like)
        self._left = dict(launch.runs)
        self._seen = set(self._left)
        self._going = self._lacks_room = False

    def open(self) -> list[tuple[str, int]]:
        """What was begun and may be taken, else the next trial, else the next repeat of the best, made for this worker.

        Raises NotLoaded, and StoreError if the store cannot be written, but for a full disk, on which nothing is made.
        """
        runs = self._runs()
        for run in runs:
            # One that is about to begin is left to whoever made it.
            if run.id not in self._seen and (run.attempt or run.state == "lost"):
                self._add(run.id)
        if found := self._takeable():
            return found
        self._going = any(not run.ended for run in runs)
        self._lacks_room = _full(self._store)
        new = None if self._lacks_room else self._new()
        if new is None:
            return []
        self._add(new)
        return [(new, 1)]

    def more_to_come(self) -> bool:
        """Whether trials still train, after which the best is repeated, or the disk is full.

        A job does not wait for other trials: others need its GPU.
        """
        return self._lacks_room or (self._going and self._job is None)

    def ids(self) -> list[str]:
        """The runs of the search that there are."""
        return [run.id for run in self._runs()]

    def _runs(self) -> list[Summary]:
        trials = self._trials()
        best, there = best_of(trials), self._store.ids()
        repeats = self._planned.repeats(best.summary.plan) if best else ()
        ids = [run_id for run_id in map(self._planned.id_of, repeats) if run_id in there]
        again = [self._store.follow(run_id, series=False).summary() for run_id in ids]
        return [*(run.summary for run in trials), *again]

    def _trials(self) -> tuple[SearchTrial, ...]:
        return self._reader.read(range(self._planned.search.trials))

    def _add(self, run_id: str) -> None:
        self._seen.add(run_id)
        self._left[run_id] = 1

    def _takeable(self) -> list[tuple[str, int]]:
        """The runs that were begun and may be taken, each with the attempt to claim."""
        found = []
        for run_id, first in [*self._left.items()]:
            if self._is_of_another_job(run_id, first):
                continue
            number = attempt_to_take(self._store, run_id, first)
            if number is None:
                del self._left[run_id]
            elif number:
                found.append((run_id, number))
        return found

    def _is_of_another_job(self, run_id: str, first: int) -> bool:
        """Whether a job has begun a run since this launch; what one had begun before is not waited for."""
        folder = self._store.root / run_id
        if not os.path.lexists(attempts.log_path(folder, first).parent):
            return False
        queued = read_queued(folder / FILE)
        return queued is not None and queued.job not in {None, "", self._job}

    def _new(self) -> str | None:
        """The id of a run that was made for this worker; None if nothing is left to make now."""
        while True:
            number = self._reader.next_number(self._planned.search.trials)
            plan = self._best_again() if number is None else self._draw(number)
            if plan is None:
                return None
            try:
                return self._made(plan)
            except AlreadyClaimed:
                continue

    def _draw(self, number: int) -> Plan | None:
        """The plan of a trial; None where nothing is left to try."""
        try:
            return asked(self._planned, number, self._trials())
        except WrongState:
            return self._best_again()

    def _best_again(self) -> Plan | None:
        """The first repeat of the best that nobody has made, once all trials have ended."""
        trials = self._trials()
        best = best_of(trials)
        if best is None or any(not run.summary.ended for run in trials):
            return None
        there = self._store.ids()
        repeats = self._planned.repeats(best.summary.plan)
        plans = [plan for plan in repeats if self._planned.id_of(plan) not in there]
        if not plans:
            return None
        done = {run.plan.digest() for run in self._store.list() if run.state == "finished"}
        return next((plan for plan in plans if plan.digest() not in done), None)

    def _made(self, plan: Plan) -> str:
        """Create a run and let it wait for this worker's turn. Raises AlreadyClaimed and StoreError."""
        run_id = self._store.create(plan, own_profile(plan), self._planned.id_of(plan))
        if self._job is not None:
            self._list(run_id)
        else:
            told = self._launch
            self._store.queue(
                run_id, 1, mine(), LAUNCHER, now=told.now, slots=told.slots, needs=told.need
            )
        return run_id

    def _list(self, run_id: str) -> None:
        """Let those who ask Slurm look after a run. Raises StoreError."""
        folder = self._store.root / FOLDER
        try:
            make_folder(folder, PRIVATE, exist_ok=True)
            create(folder / f"{run_id}{LISTS}", f"{run_id}\n".encode())
        except FileExistsError:
            return
        except OSError as error:
            raise StoreError(f"cannot write in {folder}: {error.strerror}") from None


def _full(store: RunStore) -> bool:
    """Whether the disk does not take another run."""
    try:
        disk = os.statvfs(store.root)
    except OSError:
        return False
    return bool(state.disk_warning(disk)) or 0 < disk.f_bavail * disk.f_frsize < LEAST_ROOM
