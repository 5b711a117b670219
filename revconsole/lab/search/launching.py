"""Launching a search: one background process, whose workers draw and train trials until none is left, and its end."""

import signal
from collections.abc import Sequence
from contextlib import suppress

from revconsole.errors import StoreError, WrongState
from revconsole.lab import killing
from revconsole.lab.lab import Lab
from revconsole.lab.launchers.process import NAME, Workers
from revconsole.lab.launchers.slurm import programs
from revconsole.lab.launchers.slurm.programs import OVER
from revconsole.lab.search.searching import Searching
from revconsole.records import child as children
from revconsole.records.printable import plural
from revconsole.records.runs.identity import Identity, mine
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.whereabouts import WAITS
from revconsole.records.search.launched import OUTPUT, SearchLaunch, folder_of, launches
from revconsole.records.settings import search_path

ALONE = Workers(slots=())


def launch(
    lab: Lab, searching: Searching, workers: Workers = ALONE, *, now: bool = False
) -> SearchLaunch:
    """Start the process. now: its runs do not wait for their turn.

    Raises WrongState if a process of this machine draws for the search already, and StoreError.
    """
    lab.refuse_changes()
    store, begun = lab.store, new_launch(searching, workers, now=now)
    with store.launching():
        refuse_second(store, begun.search)
        begun.write(store)
        try:
            _queue(store, begun, mine())  # before there is a process: a full disk starts nothing
            holder = _started(store, begun)
        except StoreError:
            begun.forget(store)
            raise
        begun = begun.noted(store, holder=holder)
        with suppress(StoreError):  # it trains all the same
            _queue(store, begun, holder)
    return begun


def _started(store: RunStore, begun: SearchLaunch) -> Identity:
    """The process, once it is started. Raises StoreError."""
    root = store.root.resolve()
    words = children.command("revconsole.training", str(root), killing.SEARCH, begun.address)
    try:
        with (folder_of(store, begun.search) / OUTPUT).open("wb") as log:
            return Identity.of(children.detached(words, root, log).pid)
    except OSError as error:
        raise StoreError(f"cannot start the search: {error.strerror}") from None


def new_launch(
    searching: Searching, workers: Workers = ALONE, *, now: bool = False
) -> SearchLaunch:
    """A launch of every run that is left; no process or job works for it yet."""
    planned = searching.planned
    return SearchLaunch(
        search=planned.like.search,
        path=str(search_path.path_of(planned.named, "study").resolve()),
        settings=planned.settings,
        quick=planned.quick,
        runs=tuple(
            (each.summary.id, planned.store.next_attempt(each.summary.id))
            for each in searching.to_go_on_with()
            if each.summary
        ),
        slots=workers.slots,
        now=now,
        need=max(workers.needs.values(), default=None),
    )


def _queue(store: RunStore, begun: SearchLaunch, holder: Identity) -> None:
    for run_id, number in begun.runs:
        store.queue(
            run_id, number, holder, NAME, now=begun.now, slots=begun.slots, needs=begun.need
        )


def at_work(store: RunStore, search: str) -> list[SearchLaunch]:
    """The launches of a search that have a living process or an unfinished job; the files of the others are removed."""
    found = []
    for each in launches(store, search):
        if _works(each):
            found.append(each)
        elif each.holder or each.job:
            each.forget(store)
    return found


def _works(each: SearchLaunch) -> bool:
    if each.job:
        return any(said.partition(":")[0] not in OVER for said in each.tasks.values())
    return each.holder is not None and each.holder.alive() is not False


def at_once(working: Sequence[SearchLaunch]) -> int:
    """How many runs the workers of some launches train at the same time."""
    return max(1, sum(max(1, len(each.slots), len(each.tasks)) for each in working))


def refuse_second(store: RunStore, search: str) -> None:
    """Raise WrongState if a process of this machine draws for a search."""
    for each in at_work(store, search):
        if each.holder is not None and each.holder.alive():
            raise WrongState(
                f"the search is trained already by process {each.holder.pid} of this machine: `revconsole study show` shows "
                "how far it is, `revconsole study stop` ends it"
            )


def described(each: SearchLaunch) -> str:
    """Who works for a launch, in words."""
    if each.job:
        words = [_task(said) for said in each.tasks.values()]
        counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
        return f"Slurm job {each.job}{f' ({counts})' if counts else ''}"
    holder = each.holder or mine()
    count = plural(max(1, len(each.slots)), "worker")
    on = f" on {', '.join(dict.fromkeys(each.slots))}" if each.slots else ""
    return f"{count}{on}, process {holder.pid} of {'this machine' if holder.host == mine().host else holder.host}"


def _task(said: str) -> str:
    """What Slurm said of a job, in words: running, pending (Priority), completed."""
    state, _, reason = said.partition(": ")
    known = reason not in {"", "None"} and state == WAITS
    return f"{state.lower()}{f' ({reason})' if known else ''}"


def stop(store: RunStore, search: str) -> str:
    """Let nobody draw for a search any more; what trains stops after its step. Returns a sentence on what will happen.

    Raises WrongState if nobody works for it, or only a process of another machine, and NotSubmitted.
    """
    stopped, elsewhere = list[str](), list[str]()
    for each in at_work(store, search):
        if each.job:
            programs.cancel([each.job])
            stopped.append(described(each))
        elif each.holder is not None:
            ours = each.holder.send(signal.SIGTERM)
            (stopped if ours else elsewhere).append(described(each))
    if not stopped:
        where = f"; stop it there: {'; '.join(elsewhere)}" if elsewhere else ""
        raise WrongState(f"nobody on this machine draws for the search{where}")
    return f"{'; '.join(stopped)}: what trains stops after its step with a checkpoint"
