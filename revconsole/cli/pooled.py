"""Pooled: a study that trains several runs at once: which devices, how many on each, and the lines printed meanwhile."""

import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revconsole.cli import output
from revconsole.cli.progress import TrainProgress
from revconsole.errors import NoSuchRun, ProfileError

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab
    from revconsole.lab.launchers.process import Workers
    from revconsole.lab.pool import Pool
    from revconsole.records.runs.run import Summary
    from revconsole.records.runs.run_reader import RunReader
    from revconsole.records.settings.plan import Plan

Devices = Annotated[
    str,
    typer.Option(
        metavar="DEVICES",
        help="Train several runs at once, one on each device: all, a number of devices, or a list as cuda:0,cuda:1; "
        "cpu:2 is two at once on the CPU.",
    ),
]
PerDevice = Annotated[
    str,
    typer.Option(
        "--per-device",
        metavar="NUMBER",
        help="Runs at once on each device: a number, or auto for as many as surely fit into its memory.",
    ),
]
LOOK_SECONDS = 0.5
GONE = frozenset({"lost", "killed"})
"""States from which a run is taken again while the others train."""


def chosen(devices: str, per_device: str) -> tuple[str, ...]:
    """The devices to train on; empty for a study that trains one run after the other in this process. Raises ProfileError."""
    from revconsole.lab import slots  # no `--help` waits for it

    names = slots.slots(devices or slots.ALL) if devices or per_device else ()
    if per_device:
        slots.wanted_each(per_device, names)
    return names


def settled(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The settings, with the kind of the devices. Raises ProfileError if they name another device."""
    from revconsole.records.settings.profile import COMMAND_LINE  # as above

    if not names:
        return dict(settings)
    if "train.device" in settings:
        raise ProfileError(
            COMMAND_LINE, "train.device", "does not go with --devices, which says where to train"
        )
    return {**settings, "train.device": names[0].partition(":")[0]}


def workers(
    lab: "Lab", plans: "Sequence[Plan]", names: tuple[str, ...], per_device: str
) -> "Workers | None":
    """The workers of a study, as many on each device as is wanted; None if there are none. Says how many fit, and why.

    Raises ProfileError if so many do not fit, or a run needs several devices.
    """
    from revconsole.lab import slots  # as above

    if not names:
        return None
    found, why = slots.workers(plans, lab.store.list(), names, per_device)
    if why:
        output.say(why)
    return found


def follow(
    lab: "Lab",
    pool: "Pool",
    said: AbstractSet[str],
    left: "Callable[[Mapping[str, Summary], Mapping[str, str]], str]",
) -> list[str]:
    """Print what the runs of a pool do until all are over; returns their final states.

    said: notes that were printed. left: a sentence on what is left, of the rows and of the states of those that have ended; empty for none.
    """
    lines = _Lines(lab, said)
    waits = ""
    while True:
        rows = pool.rows()
        over = pool.over(rows)
        ended = len(lines.states)
        for run in rows.values():
            lines.show(run, over=over)
        if ended < len(lines.states) and (sentence := left(rows, lines.states)):
            output.say(sentence)
        if not lines.begun and not waits and rows and (waits := _waits(lab, rows)):
            output.say(waits)
        if over:
            return [lines.states.get(run_id, "gone") for run_id in pool.ids]
        time.sleep(LOOK_SECONDS)


def _waits(lab: "Lab", rows: "Mapping[str, Summary]") -> str:
    """Behind what the first of the runs waits; empty if it does not."""
    from revconsole.lab import queue  # as above

    first = next(iter(rows.values()))
    why = first.reason or queue.waits(lab.store, first)
    return f"{first.name}  {why}" if why else ""


class _Lines:
    """The lines of several runs, as those of one are printed; the device of each when it begins. states: of ended runs."""

    def __init__(self, lab: "Lab", said: AbstractSet[str]) -> None:
        self._lab, self._said = lab, said
        self._followed: dict[str, tuple[RunReader, TrainProgress]] = {}
        self._devices: set[tuple[str, int]] = set()
        self.begun = False
        self.states: dict[str, str] = {}

    def show(self, row: "Summary", *, over: bool) -> None:
        """Print what is new of a run. over: whether no run will be taken again."""
        if row.id in self.states or row.state == "queued":
            return
        self.begun = True
        if row.device and (row.id, row.attempt) not in self._devices:
            self._devices.add((row.id, row.attempt))
            again = f", attempt {row.attempt}" if row.attempt > 1 else ""
            output.say(f"{row.name}  trains on {row.device}{again}")
        if row.id not in self._followed:
            self._followed[row.id] = self._lab.store.follow(row.id), TrainProgress(said=self._said)
        tail, progress = self._followed[row.id]
        try:
            run = tail.run()
        except NoSuchRun:
            self.states[row.id] = "deleted"
            return
        progress.show(run)
        if row.ended and (over or row.state not in GONE):
            progress.close(run)
            self.states[row.id] = row.alarm if row.state == "finished" and row.alarm else row.state
            del self._followed[row.id]
