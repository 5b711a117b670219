"""Batches: runs that were launched together and train one after the other."""

from collections.abc import Sequence

from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

WAITING = frozenset({"queued"})


def newest(store: RunStore, runs: Sequence[Summary]) -> tuple[str, ...]:
    """What is left of one batch: the run that trains, then those that wait for it in their order.

    It is the batch of the newest run that trains or waits, of those that train where some do. Empty if none does.
    """
    going = [s for s in runs if not s.ended]
    training = [s for s in going if s.state not in WAITING]
    if not going:
        return ()
    leader = (training or going)[0]
    mates = [s for s in going if _launch(store, s) == _launch(store, leader)]
    ordered = sorted(mates, key=lambda s: (s.state in WAITING, s.created))
    return tuple(s.id for s in ordered)


def _launch(store: RunStore, run: Summary) -> object:
    """The process that a run was queued in; a run of which that is not known is alone."""
    queued = attempts.read_queued(store.root / run.id / "launch.json")
    return run.id if queued is None else queued[0]
