"""Slurm job: what a trainer does because it runs in a job of Slurm.

The job names runs, not attempts: a job that Slurm requeues starts the same script again. What it has to do stands in the
run's launch.json, which holds the job and the attempt that it is to begin:

    first start                 the attempt that was queued with the job
    a signal before the limit   the next attempt is queued for the same job, the run stops with a checkpoint, and the job
                                asks Slurm to be requeued
    SIGTERM                     the same if Slurm preempts the job; if Slurm requeues it already, it is not asked again;
                                else somebody cancelled it, and the run has stopped
    started again without an    the attempt that the start before it left open is declared gone: Slurm starts a job again
    end (a node died)           only once nothing of it runs any more
"""

import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from revconsole.errors import RunFailed, StoreError
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import Outcome
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import (
    LIMIT_SIGNAL,
    MARK,
    NAME,
    SUBMITTED_WITH,
    holder,
    versions,
)

ANSWER_SECONDS = 20
STUCK = "Slurm job {job} reached its time limit without a step: raise place.slurm.time, then resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJob:
    """The job that this process runs in. id: as squeue lists it, so 71_3 for a task of an array. restarts: so far."""

    id: str
    restarts: int
    submitted_with: Mapping[str, str]

    @classmethod
    def of_this_process(cls, variables: Mapping[str, str] = os.environ) -> Self | None:
        """The job; None outside of one, and in one that revconsole did not submit."""
        if not variables.get(MARK) or not variables.get("SLURM_JOB_ID"):
            return None
        array, task = variables.get("SLURM_ARRAY_JOB_ID"), variables.get("SLURM_ARRAY_TASK_ID")
        words = [word.partition("=") for word in variables.get(SUBMITTED_WITH, "").split()]
        return cls(
            id=f"{array}_{task}" if array and task else variables["SLURM_JOB_ID"],
            restarts=int(variables.get("SLURM_RESTART_COUNT") or 0),
            submitted_with={name: number for name, _, number in words},
        )

    def to_begin(self, store: RunStore, run_ids: list[str]) -> list[str]:
        """The attempts that the job is to begin, each as RUN:ATTEMPT. Raises StoreError, and RunFailed for a node that cannot."""
        numbers = {run_id: self.number(store, run_id) for run_id in run_ids}
        try:
            self.other_versions()
        except RunFailed as error:
            for run_id, number in numbers.items():
                if number is not None:
                    store.refuse(run_id, number, str(error))
            raise
        return [f"{run_id}:{number}" for run_id, number in numbers.items() if number is not None]

    def number(self, store: RunStore, run_id: str) -> int | None:
        """The attempt that the job is to begin; None if the run was stopped, or goes on elsewhere. Raises StoreError."""
        folder, newest = store.folder(run_id), store.next_attempt(run_id) - 1
        queued = read_queued(folder / FILE)
        if queued is None or queued.refused or queued.job not in {self.id, ""}:
            return None
        if queued.attempt > newest:
            return queued.attempt
        over = attempts.last_event_ends(attempts.log_path(folder, newest))
        if not self.restarts or queued.attempt < newest or over:
            return None
        attempts.take_over(folder, newest, f"Slurm, which started job {self.id} again")
        self.queue(store, run_id, newest + 1)
        return newest + 1

    def queue(self, store: RunStore, run_id: str, number: int) -> None:
        """Let this job begin attempt `number` when it starts again. Raises StoreError."""
        store.queue(run_id, number, holder(self.id), NAME, job=self.id)

    def other_versions(self) -> str:
        """A sentence if torch is another one than where the job was submitted. Raises RunFailed if revconsole is."""
        here = versions()
        others = {n: v for n, v in self.submitted_with.items() if here.get(n, v) != v}
        if "revconsole" in others:
            raise RunFailed(
                f"Slurm job {self.id} was submitted with revconsole {others['revconsole']}, and its node has "
                f"{here['revconsole']}: let place.slurm.setup activate the same environment, and resume the run"
            )
        return "".join(
            f"submitted with {name} {number}, trained with {here[name]}: other versions compute other bits"
            for name, number in others.items()
        )

    def comes_again(self, signal_name: str) -> bool:
        """Whether the job starts again after a signal; it is requeued if nobody else does that. Raises RunFailed."""
        if signal_name != LIMIT_SIGNAL:
            facts = self._facts()
            if int(facts.get("Restarts", 0)) > self.restarts:
                return True
            if facts.get("PreemptTime", "None") == "None":
                return False
        self._scontrol("requeue")
        return True

    def leave(
        self, store: RunStore, run_id: str, number: int, signal_name: str, outcome: Outcome
    ) -> None:
        """After attempt `number` ended because of a signal: see to the job, and to what the next attempt waits for."""
        # Of ranks the outcome is that of the run's state, and the run waits for this job already.
        waits = outcome == "failed" and attempts.last_step(store.folder(run_id), number) is not None
        stopped, limit = outcome == "stopped" or waits, signal_name == LIMIT_SIGNAL
        if stopped and limit and not _moved_on(store.folder(run_id), number):
            store.refuse(run_id, number + 1, STUCK.format(job=self.id))
            return
        try:
            again = stopped and self.comes_again(signal_name)
        except RunFailed as error:
            store.refuse(run_id, number + 1, str(error))
            return
        if not again:
            with suppress(StoreError):  # on a full disk a lab finds out that the job is over
                self.queue(store, run_id, number)  # which has begun, so that nothing waits

    def _facts(self) -> dict[str, str]:
        """What Slurm says of the job: `Restarts`, `PreemptTime` and more."""
        return dict(re.findall(r"(\w+)=(\S+)", self._scontrol("--oneliner", "show", "job")))

    def _scontrol(self, *words: str) -> str:
        """The answer to a question about the job. Raises RunFailed."""
        try:
            answer = subprocess.run(  # noqa: S603  Slurm's own program
                # Never by SLURM_JOB_ID: that of an array's last task stands for the whole array.
                ["scontrol", *words, self.id],  # noqa: S607  as above
                capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True, errors="replace",
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            said = " ".join(str(getattr(error, "stderr", "") or error).split())[:200]
            raise RunFailed(f"Slurm cannot be asked to requeue job {self.id}: {said}") from None
        return answer.stdout


def _moved_on(run_folder: Path, number: int) -> bool:
    """Whether an attempt that was stopped got further than the one before, if that was stopped, too."""
    stopped, before = (attempts.last_step(run_folder, each) for each in (number, number - 1))
    return stopped is None or stopped > (before or 0)
