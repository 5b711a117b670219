"""Watching: what became of submitted jobs, from squeue into small notes in the folders of their runs.

Everybody reads the notes, also where there is no Slurm. Slurm is asked at most every ten seconds for a store, whoever looks,
and only while a run of the store has a job that is not known to be over.
"""

import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from revconsole.errors import AlreadyClaimed, NotSubmitted, StoreError
from revconsole.lab.launchers.slurm import programs
from revconsole.lab.launchers.slurm.programs import OVER, JobState
from revconsole.records.files import bounded, clock
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.notices.ends import tell_of_end
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import FOLDER, LISTS, NAME, holder
from revconsole.records.runs.whereabouts import WAITS, Whereabouts, write_whereabouts
from revconsole.records.search.launched import SearchLaunch, every_launch

EVERY_SECONDS, AFTER_SILENCE_SECONDS = 10.0, 60.0
"""Least seconds between two questions to Slurm, and after one that was not answered."""
ASKED, SILENT = "asked", "silent"
"""Files whose times say when Slurm was last asked, and when it last did not answer."""
SUBMITTING_SECONDS = 600.0
"""Age from which a list of runs that no job has belongs to a submission that was cut off."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A run with a job that is not known to be over. begun: whether a job has begun its attempt."""

    run_id: str
    job: str
    number: int
    begun: bool


class SlurmJobs:
    """The jobs of a store. readonly: note nothing, so ask nothing."""

    def __init__(self, store: RunStore, readonly: bool) -> None:
        self._store, self._folder, self._readonly = store, store.root / FOLDER, readonly
        self._aside = threading.Thread()

    def look_aside(self) -> None:
        """Look in a thread of its own, unless one still does: whoever reads the store does not wait for Slurm."""
        if self._readonly or self._aside.is_alive() or not self._folder.is_dir() or not self._due():
            return
        self._aside = threading.Thread(target=self.look, name="slurm", daemon=True)
        self._aside.start()

    def look(self) -> None:
        """Ask Slurm if it is time to, and note what it says. Takes seconds if Slurm is slow; never raises."""
        with suppress(StoreError, *UNREADABLE):
            lists = [self._folder / name for name in bounded.files(self._folder) if name.endswith(LISTS)]  # fmt: skip
            launched = [each for each in every_launch(self._store) if each.job]
            if (
                self._readonly
                or not (lists or launched)
                or not self._due()
                or shutil.which("squeue") is None
            ):
                return
            (self._folder / ASKED).touch()
            submitted = [each for path in lists for each in self._submitted(path)]
            jobs = [each.job for each in submitted] + [
                task
                for each in launched
                for task, said in each.tasks.items()
                if said.partition(":")[0] not in OVER
            ]
            if not jobs:
                return
            try:
                found = programs.jobs(jobs)
            except NotSubmitted:
                (self._folder / SILENT).touch()
                return
            for each in submitted:
                with suppress(StoreError, OSError):  # deleted meanwhile, or of somebody else
                    self._note(each, found[each.job])
            for launch in launched:
                _note_workers(self._store, launch, found)

    def _due(self) -> bool:
        for name, least in ((ASKED, EVERY_SECONDS), (SILENT, AFTER_SILENCE_SECONDS)):
            with suppress(FileNotFoundError):
                if 0 <= clock.age(self._folder / name) < least:
                    return False
        return True

    def _submitted(self, path: Path) -> Iterator[_Submitted]:
        """The runs of a list whose jobs may still do something; without one, the list is removed."""
        left, young = False, clock.age(path) < SUBMITTING_SECONDS
        for run_id in bounded.read(path, RECORD_BYTES).decode(errors="replace").split():
            with suppress(StoreError):  # deleted
                folder = self._store.folder(run_id)
                queued = read_queued(folder / FILE)
                if queued is None or not queued.job or queued.refused:
                    continue
                newest = self._store.next_attempt(run_id) - 1
                over = attempts.last_event_ends(attempts.log_path(folder, newest))
                if queued.attempt > newest or (queued.attempt == newest and not over):
                    left = True
                    yield _Submitted(run_id, queued.job, queued.attempt, queued.attempt == newest)
        if not left and not young:
            path.unlink(missing_ok=True)

    def _note(self, each: _Submitted, now: JobState) -> None:
        """Note what Slurm says of a job. Whether it had begun was looked up before Slurm was asked, never after."""
        folder = self._store.folder(each.run_id)
        write_whereabouts(folder, Whereabouts(job=each.job, state=now.state, reason=now.reason, node=now.node))  # fmt: skip
        if now.state in OVER:
            self._note_end(folder, each, now)
            tell_of_end(self._store, each.run_id)
        elif now.state == WAITS and each.begun:
            attempts.take_over(folder, each.number, f"Slurm, which requeued job {each.job}")
            number = each.number + 1
            self._store.queue(each.run_id, number, holder(each.job), NAME, job=each.job)

    def _note_end(self, folder: Path, each: _Submitted, now: JobState) -> None:
        """Note that a job is over whose run has no recorded end."""
        on = f" on {now.node}" if now.node else ""
        sentence = f"Slurm job {each.job} ended{on} as {now.state}"
        if each.begun:
            if attempts.last_event_ends(attempts.log_path(folder, each.number)):
                return  # meanwhile
            memory = now.state == "OUT_OF_MEMORY"
            body = {"signal": int(signal.SIGKILL), "memory": memory, "slurm": sentence}
            record = attempts.log_path(folder, each.number).with_name("exit.json")
            if not record.exists():  # a supervisor that saw the end knows more of it
                write_json(record, body)
            attempts.take_over(folder, each.number, f"Slurm, whose job {each.job} is over")
        elif now.state == "CANCELLED":
            with suppress(AlreadyClaimed):
                self._store.stop_queued(each.run_id, each.number, f"Slurm job {each.job} was cancelled")  # fmt: skip
        else:
            why = f"{sentence} before the run began{self._output(folder, now)}; `revconsole resume` starts it"
            self._store.refuse(each.run_id, each.number, why)

    def _output(self, folder: Path, now: JobState) -> str:
        """The last line that the job wrote before the run began, in brackets; without a log, the question whether it sees the store."""
        try:
            text = bounded.read(folder / attempts.LAUNCH_LOG, RECORD_BYTES).decode(errors="replace")
        except OSError:
            where = f" with {now.node}" if now.node else " with the nodes"
            return f" and left no trace: is {self._store.root} shared{where}?"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f" ({lines[-1][:300]})" if lines else ""


def _note_workers(store: RunStore, launch: SearchLaunch, found: Mapping[str, JobState]) -> None:
    """Note what Slurm says of the jobs of a search's workers, if that is new."""
    now = {
        task: f"{found[task].state}: {found[task].reason}" if task in found else said
        for task, said in launch.tasks.items()
    }
    if now != launch.tasks:
        launch.noted(store, tasks=now)
