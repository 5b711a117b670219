"""A rank of a run: what `python -m revconsole.training STORE RUN_ID[:ATTEMPT]` is under torchrun.

The first rank claims the attempt and writes it; the others wait for the claim. Each has its output in the attempt, so
also where torchrun starts them on several hosts with the same store.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from revconsole.errors import AlreadyClaimed, NotLoaded, RunFailed, StoreError
from revconsole.records.logs.events import Advised, Failed
from revconsole.records.ranks import LAUNCHER, NOTE
from revconsole.records.runs import control, tracking
from revconsole.records.runs.attempt import Attempt, Outcome
from revconsole.records.runs.process_output import OUTPUT_LOG
from revconsole.records.runs.store import RunStore
from revconsole.training.together.notes import RankEnd, RankNotes
from revconsole.training.together.watch import RankWatch

RANK, LOCAL_RANK = "RANK", "LOCAL_RANK"
NAME = "torchrun"
CLAIM_SECONDS = 120.0
"""Seconds that the first rank may take to claim the attempt."""
Redirect = Callable[[Path], None]
"""Sends the output of this process to a file."""
Train = Callable[[RunStore, str, Attempt | None, RankWatch, RankNotes], Outcome]
"""Trains the run on this rank: the first one has the attempt."""


def started_by_torchrun() -> bool:
    """Whether torchrun has started this process as one of its ranks."""
    return RANK in os.environ and "MASTER_ADDR" in os.environ


def work(store: RunStore, address: str, redirect: Redirect, train: Train) -> int:
    """Take part in RUN_ID:ATTEMPT; returns the exit status. Raises RunFailed without an attempt, and NoSuchRun."""
    run_id, _, number = address.partition(":")
    if not number.isdecimal():
        raise RunFailed(f"ranks agree on an attempt beforehand: name {run_id}:1 for the first")
    rank, folder = int(os.environ[RANK]), store.folder(run_id)
    place = folder / "attempts" / f"{int(number):04d}"
    try:
        attempt = _claimed(store, run_id, int(number)) if rank == 0 else None
        if attempt is not None:
            tracking.begin(store, run_id, attempt)
        _await_claim(place)
    except (AlreadyClaimed, StoreError, TimeoutError) as error:
        sys.stderr.write(f"rank {rank}: {error}\n")
        return 1
    notes = RankNotes(place, rank)
    with suppress(OSError):  # on a full disk this rank is not watched, and its output is lost
        notes.join()
        redirect(notes.log() if attempt is None else place / OUTPUT_LOG)
    watch = RankWatch(
        notes, end=lambda why: _leave_at_once(notes, attempt, why), stop=lambda: _stop(folder, rank)
    )
    watch.begin()
    try:
        outcome = train(store, run_id, attempt, watch, notes)
    except NotLoaded as error:
        notes.end(str(error), traceback.format_exc())
        if attempt is not None:
            attempt.fail(Failed(reason=str(error)), traceback.format_exc())
            attempt.close()
        outcome = "failed"
    watch.finish()
    notes.leave()
    return int(outcome == "failed")


def _claimed(store: RunStore, run_id: str, number: int) -> Attempt:
    attempt = store.claim(run_id, number, os.environ.get(LAUNCHER, NAME))
    if note := os.environ.get(NOTE):
        attempt.emit(Advised(level="warning", text=note))
    return attempt


def _await_claim(place: Path) -> None:
    """Wait for the first rank's claim. Raises TimeoutError."""
    until = time.monotonic() + CLAIM_SECONDS
    while not place.is_dir():
        if time.monotonic() > until:
            raise TimeoutError(f"no rank has claimed {place} for {CLAIM_SECONDS:.0f} s")
        time.sleep(0.1)


def _leave_at_once(notes: RankNotes, attempt: Attempt | None, why: RankEnd) -> None:
    """End this process wherever it waits; the first rank records the reason."""
    if attempt is not None:
        attempt.fail(why.failure(), why.report)
        attempt.close()
    notes.leave()
    os._exit(1)


def _stop(folder: Path, rank: int) -> None:
    """Let the run stop after its step: SIGTERM reached every rank, and the first one asks."""
    if rank:
        return
    try:
        control.ask(folder, "stop", "SIGTERM")
    except StoreError:
        control.tell(folder, "stop", "SIGTERM")
