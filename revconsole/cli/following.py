"""Following: lines about a run while it trains, until it ends, and the exit code that its end makes."""

import time
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from revconsole.cli import output
from revconsole.cli.progress import TrainProgress
from revconsole.errors import NoSuchRun

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab
    from revconsole.records.runs.run import Run, Summary
    from revconsole.records.runs.run_reader import RunReader

ELSEWHERE, UNRECORDED, DELETED = "elsewhere", "unrecorded", "deleted"
"""States that `followed` reports for runs without a recorded end in this process."""
POLL_SECONDS, WAITING_SECONDS = 0.25, 1.0
"""Seconds between two looks at a followed run, and at one that waits for its turn."""


def follow_to_end(
    tail: "RunReader",
    until: Callable[[], bool] = lambda: False,
    known: "Run | None" = None,
    said: AbstractSet[str] = frozenset(),
    waits: "Callable[[Summary], str]" = lambda _: "",
    look: Callable[[], None] = lambda: None,
    seen: "Callable[[Iterable[Summary]], object]" = lambda _: None,
) -> "Summary":
    """Print a line per finished epoch and per advice until the run ends or `until()` is true; returns the newest summary.

    known: the state of the run whose lines were printed before; they are not printed again, nor is the advice `said`.
    waits: says behind which runs a run waits, which is printed once. look: called before each look at the run. What Slurm says
    of a run that waits for its job is printed whenever it changes. seen: is called with each state of the run.
    """
    progress, waiting = TrainProgress(known, said), ""
    while True:
        look()
        over = until()
        run = tail.run()
        new = run.summary.reason if run.summary.state == "queued" else ""
        if (new := new or waiting or waits(run.summary)) != waiting:
            waiting = new
            output.say(f"{run.summary.name}  {waiting}")
        progress.show(run)
        seen([run.summary])
        if run.summary.ended:
            progress.close(run)
        if run.summary.ended or over:
            return run.summary
        time.sleep(WAITING_SECONDS if waiting and run.summary.state == "queued" else POLL_SECONDS)


def followed(
    lab: "Lab", run_id: str, known: "Run | None" = None, said: AbstractSet[str] = frozenset()
) -> str:
    """Follow a run of this process; returns its final state, or ELSEWHERE, UNRECORDED or DELETED.

    Prints a sentence for the last three. The result for a run that finished with an alarm is the alarm.
    """
    try:
        last = follow_to_end(
            lab.store.follow(run_id),
            until=lambda: run_id not in lab.busy(),
            known=known,
            said=said,
            waits=lambda run: waits_for(lab, run),
            seen=ends_of(lab),
        )
    except NoSuchRun:
        output.say(f"{run_id} was deleted; its training has ended")
        return DELETED
    problem = lab.unrecorded(run_id)
    if last.ended and (last.state != "finished" or not problem):
        return last.alarm if last.state == "finished" and last.alarm else last.state
    if problem:
        output.say(f"{run_id} ({last.name}) has no recorded end: {problem}")
        return UNRECORDED
    if lab.moved(run_id):
        output.say(f"{run_id} continues in the background; `revconsole watch {run_id}` follows it")
    else:
        output.say(f"{run_id} was taken over by another process, and is {last.state}")
    return ELSEWHERE


def still_there(lab: "Lab", ids: Sequence[str]) -> list[str]:
    """The ids among these whose runs have not been deleted."""
    ids_left = []
    for run_id in ids:
        with suppress(NoSuchRun):
            ids_left.append(lab.summary(run_id).id)
    return ids_left


def ends_of(lab: "Lab") -> "Callable[[Iterable[Summary]], object]":
    """What is to be called with the runs that are followed, so that their ends are told."""
    from revconsole.lab.ends import SeenEnds  # the records: no `--help` waits for them
    from revconsole.records.config.config import read_config

    return SeenEnds(lab, read_config(), output.ring).look


def waits_for(lab: "Lab", run: "Summary") -> str:
    """Behind which runs a run waits; empty if it does not."""
    from revconsole.lab import queue  # the records: no `--help` waits for them

    return queue.waits(lab.store, run)


def end_as(states: Sequence[str]) -> None:
    """Raise typer.Exit with 130 if a run was stopped, with 1 if one failed or ended in an alarm; return if all finished."""
    if "stopped" in states:
        raise typer.Exit(130)
    if set(states) - {"finished", "pruned", ELSEWHERE}:
        raise typer.Exit(1)
