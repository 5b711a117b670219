"""Slot: the place of one of the workers that share the runs of a study: its device, and its share of the processor."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from revconsole.records import devices, host
from revconsole.records.printable import size
from revconsole.records.runs import state
from revconsole.records.runs.queued import FILE, read_queued
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.turns import DeviceTurns, NextRun

THREADS = "OMP_NUM_THREADS"
"""Environment variable from which torch takes its number of threads when it is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """device: by the name that all processes share. threads: those of its arithmetic, if the run names none.

    together: the name under which workers share a device; empty for one that has its device alone.
    """

    device: str
    threads: int
    together: str = ""

    def enter(self) -> None:
        """Let this process see no other card, and use no more threads; called before torch is loaded."""
        os.environ |= devices.alone(self.device)
        os.environ.setdefault(THREADS, str(self.threads))

    def turns(self, root: Path) -> DeviceTurns:
        """The turns of this worker."""
        return DeviceTurns(root, only=self.device, together=self.together)

    def lacks(self, store: RunStore, begun: NextRun) -> str:
        """Why a run cannot begin although it is its turn: the disk or the device has no room. Empty if it can."""
        if full := _full(store.root):
            return full
        queued, room = read_queued(store.root / begun.run_id / FILE), devices.memory(self.device)
        if queued is None or queued.needs is None or room is None:
            return ""
        free, total = room
        # What no device of this kind can hold does not wait: it fails, with the reason.
        if not free < queued.needs <= total:
            return ""
        return (
            f"waits for {size(queued.needs)} of {self.device}: others hold {size(total - free)} of its "
            f"{size(total)}"
        )


def slots_of(names: Sequence[str], together: str) -> list[Slot]:
    """A slot on each of these devices. together: a name that no other workers of this machine share."""
    threads, several = max(1, host.cores() // max(1, len(names))), Counter(names)
    return [
        Slot(device=name, threads=threads, together=together if several[name] > 1 else "")
        for name in names
    ]


def _full(root: Path) -> str:
    try:
        return state.disk_warning(os.statvfs(root))
    except OSError:
        return ""
