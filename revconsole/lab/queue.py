"""Queue: what trains and what waits on each device, in order, with the time that is left; and other orders of it.

Everything is read from the folders of the runs, so that every process of a store sees the same queue; who may begin is
decided by `records.runs.turns`.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from revconsole.errors import WrongState
from revconsole.lab import format as form
from revconsole.lab import study as studies
from revconsole.lab.study import RunKeys, Standing
from revconsole.records.runs.identity import mine
from revconsole.records.runs.queued import FILE, Queued, read_queued
from revconsole.records.runs.run import Summary
from revconsole.records.runs.store import RunStore

LEAST_STEP = 0.001
"""Least difference of two places in a queue, in seconds."""
MOST_NAMED = 2
"""Runs before another that are named."""
MOST_DEVICES = 4
"""Devices of a queue that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InQueue:
    """A run that trains or waits. seconds: it still trains so long, as far as that is known."""

    run: Summary
    number: int
    """The attempt that it waits for, or is in."""
    place: float
    seconds: float | None
    now: bool = False
    """Whether it does not wait for its turn."""
    slots: int = 0
    """Workers that may take it; 0 if one process has it for itself."""
    at_once: tuple[str, ...] = ()
    """The devices on which it trains at once; empty for a run on one."""

    @property
    def width(self) -> int:
        """Devices that it takes."""
        return len(self.at_once) or 1

    @property
    def waits(self) -> bool:
        """Whether it has not begun."""
        return self.run.state == "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQueue:
    """What trains and what waits on a device, or on cards of which any will do, in order. host: empty for this machine."""

    devices: tuple[str, ...]
    host: str
    training: tuple[InQueue, ...]
    waiting: tuple[InQueue, ...]
    slots: int = 0
    """Workers that share them; 0 for runs of which each device trains one at a time."""

    @property
    def places(self) -> int:
        """Number of runs that train at a time."""
        return max(self.slots, len(self.devices))

    @property
    def named(self) -> str:
        """The device in words."""
        where = f" of {self.host}" if self.host else ""
        many = len(self.devices) > MOST_DEVICES
        return (
            f"any of {len(self.devices)} devices" if many else " or ".join(self.devices)
        ) + where

    @property
    def sentence(self) -> str:
        """How many runs train and wait, and how long all of them take."""
        counts = ((len(self.training), "train"), (len(self.waiting), "wait"))
        parts = [f"{count} {verb}{'s' * (count == 1)}" for count, verb in counts if count]
        return f"{' and '.join(parts)} on {self.named}: {self._time(*self._all())}"

    @property
    def ids(self) -> frozenset[str]:
        """The runs that wait."""
        return frozenset(each.run.id for each in self.waiting)

    @property
    def seconds(self) -> float:
        """How long all of them take, as far as that is known."""
        return self._all()[0]

    @property
    def known(self) -> bool:
        """Whether it is known of every run how long it takes."""
        return all(each.seconds is not None for each in (*self.training, *self.waiting))

    def begins(self) -> dict[str, float | None]:
        """Seconds until each waiting run begins, by id; None if it is not known how long a run before it takes."""
        taken, known = [0.0] * self.places, True
        found: dict[str, float | None] = {}
        for each in (*self.training, *self.waiting):
            if each.waits:
                start = heapq.nsmallest(each.width, taken)[-1]
                found[each.run.id] = 0.0 if each.now else start if known else None
            if not (each.waits and each.now):
                _take(taken, each)
                known = known and each.seconds is not None
        return found

    def waits(self) -> dict[str, str]:
        """Behind which runs each waiting run waits, and how long, by id; not of the next one where nothing trains."""
        taken, unknown, names = [0.0] * self.places, 0, list[str]()
        found: dict[str, str] = {}
        for count, each in enumerate((*self.training, *self.waiting)):
            if each.waits and count:
                more = [f"{count - MOST_NAMED} more"] if count > MOST_NAMED else []
                behind = " and ".join([*names, *more])
                time = self._time(max(taken), unknown, count)
                where = " and ".join(each.at_once) or self.named
                found[each.run.id] = f"waits for {where} behind {behind}: {time}"
            if count < MOST_NAMED:
                names.append(f"{each.run.name} ({each.run.id}, {each.run.state})")
            _take(taken, each)
            unknown += each.seconds is None
        return found

    def _all(self) -> tuple[float, int, int]:
        """Seconds of all runs, each in the place that is free first; how many are of unknown time; and how many there are."""
        taken, every = [0.0] * self.places, (*self.training, *self.waiting)
        for each in every:
            _take(taken, each)
        return max(taken), sum(each.seconds is None for each in every), len(every)

    def _time(self, seconds: float, unknown: int, count: int) -> str:
        """How long so many runs take, as far as that is known."""
        if unknown == count:
            return "how long is not known"
        rest = f", not counting {unknown} of unknown time" if unknown else ""
        return f"about {form.duration(seconds)}{rest}"


def _take(taken: list[float], entry: InQueue) -> None:
    """Let a run take as many of the places as it needs, those that are free first, all from the same moment on."""
    places = [heapq.heappop(taken) for _ in range(min(entry.width, len(taken)))]
    for _ in places:
        heapq.heappush(taken, places[-1] + (entry.seconds or 0.0))


def explained(runs: Iterable[Summary], found: Iterable[DeviceQueue]) -> tuple[Summary, ...]:
    """The rows of runs; those of runs that wait say behind which runs. found: the queues of the store."""
    why = {run_id: text for queue in found for run_id, text in queue.waits().items()}
    return tuple(
        replace(run, reason=why[run.id])
        if run.state == "queued" and not run.reason and run.id in why
        else run
        for run in runs
    )


class QueueReader:
    """Reads the queues of a store again and again."""

    def __init__(self, store: RunStore) -> None:
        self._store, self._keys = store, RunKeys()

    def read(self, runs: Sequence[Summary]) -> tuple[DeviceQueue, ...]:
        """The queues in which something waits or trains. runs: those of the store."""
        found: list[tuple[Queued, InQueue]] = []
        going = [run for run in runs if not run.ended and not run.beside]
        if not going:
            return ()
        left = studies.seconds_left(
            [Standing(plan=s.plan, summary=s) for s in going], runs, self._keys
        )
        for run, seconds in zip(going, left, strict=True):
            queued = read_queued(self._store.root / run.id / FILE)
            waits = run.state == "queued"
            if queued is None or not queued.devices or queued.attempt < run.attempt + waits:
                continue
            known = seconds if waits or run.eta_seconds is None else run.eta_seconds
            entry = InQueue(
                run=run,
                number=queued.attempt,
                place=queued.place,
                seconds=known,
                now=queued.now,
                slots=len(queued.slots),
                at_once=queued.devices if queued.at_once else (),
            )
            found.append((queued, entry))
        return tuple(_queue(devices, members) for devices, members in _grouped(found))

    def of(self, run: Summary, runs: Sequence[Summary]) -> DeviceQueue | None:
        """The queue in which a run waits; None if it waits in none."""
        for queue in self.read(runs):
            if run.id in queue.ids:
                return queue
        return None


def waits(store: RunStore, run: Summary) -> str:
    """Behind which runs a run waits, and how long; empty if it waits for none."""
    if run.state != "queued":
        return ""
    queue = QueueReader(store).of(run, store.list())
    return queue.waits().get(run.id, "") if queue is not None else ""


def move(store: RunStore, run_id: str, *, to: int = 0, by: int = 0) -> str:
    """Move a waiting run to a place of its queue, 0 is the first, or `by` places from where it is; says where it is then.

    Raises WrongState if it does not wait, and StoreError.
    """
    queue, entry = _waiting(store, run_id)
    order = list(queue.waiting)
    here = order.index(entry)
    there = min(max(here + by if by else to, 0), len(order) - 1)
    order.insert(there, order.pop(here))
    for each, place in zip(order, _places(queue.waiting), strict=True):
        if each.place != place:
            store.move(each.run.id, each.number, place=place)
    return f"is number {there + 1} of {len(order)} that wait for {queue.named}"


def place_of(store: RunStore, run_id: str) -> int:
    """The place of a waiting run in its queue, from 0. Raises WrongState."""
    queue, entry = _waiting(store, run_id)
    return queue.waiting.index(entry)


def begin_now(store: RunStore, run_id: str) -> str:
    """Let a waiting run begin beside the runs that train on its device. Raises WrongState, StoreError."""
    _, entry = _waiting(store, run_id)
    store.move(run_id, entry.number, now=True)
    return (
        "begins as soon as its process has nothing else to train, beside what trains on the device"
    )


def _waiting(store: RunStore, run_id: str) -> tuple[DeviceQueue, InQueue]:
    runs = store.list()
    for queue in QueueReader(store).read(runs):
        for entry in queue.waiting:
            if entry.run.id == run_id:
                return queue, entry
    run = store.follow(run_id).summary()
    raise WrongState(
        f"run {run_id} ({run.name}) is {run.state}: only a run that waits has a place in a queue"
    )


def _grouped(
    found: Iterable[tuple[Queued, InQueue]],
) -> list[tuple[tuple[str, str, frozenset[str]], list[InQueue]]]:
    """The runs of each machine, by the devices they compete for."""
    groups: list[tuple[tuple[str, str, frozenset[str]], list[InQueue]]] = []
    for queued, entry in found:
        machine, host = queued.holder.boot or queued.holder.host, queued.holder.host
        devices, members = frozenset(queued.devices), list[InQueue]()
        for group in [g for g in groups if g[0][0] == machine and g[0][2] & devices]:
            groups.remove(group)
            devices, members = devices | group[0][2], [*group[1], *members] if members else group[1]
        members.append(entry)
        groups.append(((machine, host, devices), members))
    return groups


def _queue(key: tuple[str, str, frozenset[str]], members: Sequence[InQueue]) -> DeviceQueue:
    """The runs in their order; a run that does not wait for its turn comes first."""
    machine, host, devices = key
    here = mine()
    ordered = sorted(members, key=lambda each: (not each.now, each.place, each.run.id))
    return DeviceQueue(
        devices=tuple(sorted(devices)),
        host="" if machine == (here.boot or here.host) else host,
        training=tuple(each for each in ordered if not each.waits),
        waiting=tuple(each for each in ordered if each.waits),
        slots=max(each.slots for each in members),
    )


def _places(waiting: Sequence[InQueue]) -> list[float]:
    """The places of the queue, each higher than the one before."""
    places: list[float] = []
    for each in waiting:
        least = places[-1] + LEAST_STEP if places else each.place
        places.append(max(each.place, least))
    return places
