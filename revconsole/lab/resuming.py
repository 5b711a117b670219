"""Resuming: whether an ended run may be resumed and with which changes, and whether it was."""

import time
from collections.abc import Mapping
from typing import Any

from revconsole.errors import AlreadyClaimed, StoreError, WrongState
from revconsole.lab import format as form
from revconsole.lab.launchers.process import Child
from revconsole.records.files import clock
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.control import whoami
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.turns import lined_up
from revconsole.records.settings import changes

BEGIN_SECONDS = 60.0
"""Seconds to wait for a background process to begin an attempt; on a loaded machine it may begin later."""
LOOK_SECONDS = 0.02


def prepare(store: RunStore, run: Summary, wanted: Mapping[str, Any], *, take_over: bool) -> str:
    """Check that a run may be resumed with these changes; returns a sentence about the changes, empty if there are none.

    take_over: treat a process that cannot be checked from here as gone; this is recorded in the run.
    Raises RevconsoleError with the reason if it may not be resumed.
    """
    if run.state != "damaged":
        changes.check_keys(run.plan, wanted)
    _refuse_ended_or_alive(store, run, wanted, take_over=take_over)
    sentence = ""
    if wanted:
        finished = run.state == "finished"
        early = finished and run.epoch < run.plan.epochs
        changes.check_length(run.plan, wanted, finished=finished, early=early)
        changes.changed(run.plan, wanted)
        _keep_fingerprint(store, run)
        sentence = _sentence(run, wanted)
    if take_over and attempts.alive(store.folder(run.id), run.attempt) is None:
        attempts.take_over(store.folder(run.id), run.attempt, whoami())
    return sentence


def await_begin(store: RunStore, run_id: str, number: int, child: Child) -> None:
    """Wait until a background process has begun an attempt, or waits for its turn to. Raises RevconsoleError if it did not and will not."""
    folder, end = store.folder(run_id), time.monotonic() + BEGIN_SECONDS
    while time.monotonic() < end:
        over = child.poll() is not None
        if number in attempts.numbers(folder):
            if attempts.parent(folder, number) in {child.pid, None}:
                return
            raise AlreadyClaimed(
                f"run {run_id} was taken by another process meanwhile; this command began nothing"
            )
        if over:
            row = store.follow(run_id).summary()
            why = f": {row.reason}" if row.reason else ""
            raise StoreError(f"run {run_id} ({row.name}) was not resumed{why}")
        if lined_up(store.root, run_id):
            return
        time.sleep(LOOK_SECONDS)


def _refuse_ended_or_alive(
    store: RunStore, run: Summary, wanted: Mapping[str, Any], *, take_over: bool
) -> None:
    named = f"run {run.id} ({run.name})"
    if run.state == "damaged":
        raise StoreError(f"{named} is damaged and cannot be resumed: {run.reason}")
    if run.state == "finished":
        if not any(key in wanted for key in changes.LENGTHS):
            raise WrongState(
                f"{named} is finished; there is nothing to resume (a larger {changes.LENGTHS[0]} would lengthen it)"
            )
        return
    if known := unasked(store, run):
        if not take_over:
            raise WrongState(
                f"{named} is {run.state}: {known}. If that process is gone, `revconsole resume {run.id} "
                "--take-over` continues from the last checkpoint"
            )
    elif not run.ended:
        raise WrongState(f"{named} is {run.state}; stop it first")


def unasked(store: RunStore, run: Summary) -> str:
    """A sentence on the process of a run that cannot be checked from here; empty for any other run."""
    folder, waits = store.folder(run.id), run.state in {"queued", "starting"}
    if not run.attempt or waits or attempts.alive(folder, run.attempt) is not None:
        return ""
    ended = attempts.last_event_ends(attempts.log_path(folder, run.attempt))
    return "" if ended else _known(store, run)


def _known(store: RunStore, run: Summary) -> str:
    """A sentence on a process that cannot be checked from here."""
    folder = store.folder(run.id)
    holder = attempts.owner(folder, run.attempt)
    try:
        silent = clock.age(attempts.log_path(folder, run.attempt))
        heard = f"it was last heard of {form.duration(max(0.0, silent))} ago, at step {run.step}"
    except OSError:
        heard = f"its last step known here is {run.step}"
    why = attempts.why_unknown(holder) if holder is not None else "no process holds it"
    return f"{why}; {heard}"


def _keep_fingerprint(store: RunStore, run: Summary) -> None:
    """Require the data with which a run began, even if a full disk kept the fingerprint out of its plan."""
    if run.plan.data_fingerprint is None and run.fingerprint is not None:
        store.keep_fingerprint(run.id, run.fingerprint)


def _sentence(run: Summary, wanted: Mapping[str, Any]) -> str:
    """A sentence with the old and new value of each change."""
    parts = []
    for key, value in wanted.items():
        section, _, name = key.partition(".")
        parts.append(f"{key} was {getattr(getattr(run.plan, section), name)}, is {value}")
    if any(key in wanted for key in changes.LENGTHS):
        unit = "step" if run.plan.train.steps else "epoch"
        parts.append(
            f"up to {unit} {changes.length(run.plan):,} nothing changes, beyond it the {run.plan.schedule.name} schedule "
            "is that of the new length"
        )
    return "; ".join(parts)
