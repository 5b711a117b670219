"""Killing: end the background process of a run at once and no other process; take a waiting run out of its queue."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from revconsole.errors import AlreadyClaimed, NotSubmitted, RevconsoleError, StoreError
from revconsole.lab.launchers import process
from revconsole.lab.launchers.slurm import programs
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import control
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.queued import FILE as QUEUED
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

TRAINER = "revconsole.training"
"""The module that a background process runs."""
SEARCH = "--search"
"""Option of that module for the workers of a search."""
KILL_SECONDS = 10.0
"""Seconds that a killed process may take to disappear."""


def kill_trainer(store: RunStore, run: Summary) -> str:
    """Kill the background process that trains a run, and record the run as stopped; returns a sentence on what will happen.

    A job of Slurm is cancelled, from whatever machine. Raises RevconsoleError if no such process is on this machine, or it
    belongs to another user.
    """
    folder = store.folder(run.id)
    queued = read_queued(folder / QUEUED)
    if queued is not None and queued.job and queued.attempt == run.attempt:
        programs.cancel([queued.job])
        return f"ends now: Slurm job {queued.job} is cancelled, and saves the run if it still can"
    holder = attempts.owner(folder, run.attempt)
    if (
        holder is None
        or not holder.alive()
        or attempts.launcher(folder, run.attempt) != process.NAME
    ):
        raise _not_here(run)
    if not _trains(holder.command(), folder):
        raise StoreError(
            f"process {holder.pid}, which the claim of run {run.id} names, does not train this run: its folder was copied "
            "or edited; no signal was sent"
        )
    with suppress(StoreError):  # without it, a worker of the same study might take the run again
        control.ask(folder, "stop", "at once")
    try:
        if not holder.send(signal.SIGKILL):
            raise _not_here(run)
    except PermissionError:
        raise StoreError(
            f"process {holder.pid}, which trains run {run.id}, belongs to another user; stop the run without --now"
        ) from None
    holder.wait(KILL_SECONDS)
    store.stop_queued(run.id, run.attempt + 1, "at once")
    return "ended at once; `revconsole resume` continues from its last checkpoint"


def _not_here(run: Summary) -> RevconsoleError:
    return RevconsoleError(
        f"run {run.id} ({run.name}) does not train in a background process of this machine; "
        "stop it without --now, or quit the console or the command that trains it"
    )


def _trains(command: list[str], folder: Path) -> bool:
    """Whether a process's command line is that of a trainer of the run in this folder, by whatever path."""
    if TRAINER not in command:
        return False
    root, *runs = command[command.index(TRAINER) + 1 :] or [""]
    try:
        same = (Path(root) / folder.name).samefile(folder)
    except (OSError, ValueError):
        return False
    # The workers of a search draw what they train.
    return same and (
        runs[:1] == [SEARCH] or folder.name in {each.partition(":")[0] for each in runs}
    )


def held_by_signal(store: RunStore, run: Summary) -> Identity | None:
    """The training process of a run if a signal (SIGSTOP, Ctrl-Z) has suspended it, else None."""
    holder = attempts.owner(store.folder(run.id), run.attempt)
    return holder if holder is not None and holder.held() else None


def take_out(store: RunStore, run_id: str, why: str, jobs: list[str] | None = None) -> bool:
    """Cancel the attempt that a run waits for, and its job; returns whether the attempt had not begun.

    jobs: takes the job, which the caller then cancels together with others.
    """
    queued = read_queued(store.folder(run_id) / QUEUED)
    number = store.next_attempt(run_id)
    if queued is not None and queued.attempt < number:
        return False
    try:
        store.stop_queued(run_id, number, why)
    except AlreadyClaimed:
        return False
    if queued is not None and queued.job:
        if jobs is None:
            cancel([queued.job])
        else:
            jobs.append(queued.job)
    return True


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs of runs that wait for them. Never raises: a job that begins all the same finds nothing to do."""
    if jobs:
        with suppress(NotSubmitted):
            programs.cancel(jobs)
