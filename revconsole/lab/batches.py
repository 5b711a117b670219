"""Batches: runs that were launched together and train one after the other."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from revconsole.errors import RevconsoleError
from revconsole.lab import killing
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

WAITING = frozenset({"queued"})


def newest(store: RunStore, runs: Sequence[Summary]) -> tuple[str, ...]:
    """The remaining runs of one batch: the run that trains, then the waiting runs in their order; empty if nothing trains or waits.

    The batch is that of the newest run that trains, or of the newest that waits if none trains.
    """
    going = [s for s in runs if not s.ended and not s.beside]
    training = [s for s in going if s.state not in WAITING]
    if not going:
        return ()
    leader = (training or going)[0]
    mates = [s for s in going if _launch(store, s) == _launch(store, leader)]
    ordered = sorted(mates, key=lambda s: (s.state in WAITING, s.place, s.created))
    return tuple(s.id for s in ordered)


def _launch(store: RunStore, run: Summary) -> object:
    """A key of the process that queued a run; a run whose process is unknown has a key of its own."""
    queued = read_queued(store.root / run.id / "launch.json")
    return run.id if queued is None else queued[0]


def stop(runs: Iterable[Summary], ask: Callable[..., object]) -> str:
    """Stop runs, the waiting ones first and the last of them before the others; returns a sentence on what will happen.

    ask: is called with the id of each, and with `jobs`, a list for the Slurm jobs that are then cancelled together.
    """
    jobs: list[str] = []
    going = [s for s in runs if not s.ended and s.state != "stopping"]
    waiting = [s for s in going if s.state in {"queued", "starting"}]
    begun = [s for s in going if s not in waiting]
    for each in [*reversed(waiting), *begun]:
        with suppress(RevconsoleError):  # it has ended by itself meanwhile
            ask(each.id, jobs=jobs)
    killing.cancel(jobs)
    parts = [f"{len(waiting)} taken out of the queue"] if waiting else []
    parts += [f"{len(begun)} will stop after this step with a checkpoint"] if begun else []
    return ", ".join(parts) or "nothing trains or waits"
