"""Going on: what is left of a study is created and queued by one command at a time, so that two do not train it twice."""

from collections.abc import Callable, Sequence

from revconsole.errors import WrongState
from revconsole.lab import study as studies
from revconsole.lab.study import RunKeys, Standing
from revconsole.records.printable import plural
from revconsole.records.runs.identity import UNKNOWN, mine
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.own_profile import own_profile


def go_on(
    store: RunStore,
    standing: Sequence[Standing],
    keys: RunKeys,
    start: Callable[[list[str]], object],
) -> list[str]:
    """Create what is to be created of the runs that are left, and start all of them; returns their ids in order.

    Raises WrongState if other processes train all that is left, saying which.
    """
    wanted = studies.to_launch(standing)
    if not wanted:
        return _nothing(store, standing)
    with store.launching():
        now = studies.standings([each.plan for each in wanted], store.list(), keys)
        left = studies.to_launch(now)
        if not left:
            return _nothing(store, now)
        ids = [
            each.summary.id if each.summary else store.create(each.plan, own_profile(each.plan))
            for each in left
        ]
        start(ids)
    return ids


def _nothing(store: RunStore, standing: Sequence[Standing]) -> list[str]:
    """No run, if all are done. Raises WrongState if some process has them, saying which."""
    going = [each.summary for each in standing if each.progress == "running" and each.summary]
    if not going:
        return []
    queued = read_queued(store.root / going[0].id / FILE)
    by = ""
    if queued is not None and queued.holder != UNKNOWN:
        here = queued.holder.host == mine().host
        where = "this machine" if here else queued.holder.host
        by = f" by process {queued.holder.pid} of {where}"
    verb = "is" if len(going) == 1 else "are"
    raise WrongState(
        f"what is left of the study, {plural(len(going), 'run')}, {verb} trained already{by}: `revconsole queue` lists what "
        "trains and waits, `revconsole watch` follows it"
    )


def at_once(store: RunStore, standing: Sequence[Standing]) -> int:
    """How many runs of a study train at the same time: the workers of the process that has them."""
    for each in standing:
        if each.progress == "running" and each.summary is not None:
            queued = read_queued(store.root / each.summary.id / FILE)
            return max(1, len(queued.slots)) if queued is not None else 1
    return 1
