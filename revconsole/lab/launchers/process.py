"""Process launcher: runs train in a process with its own session, which outlives the terminal.

The child process gets no terminal and no inherited descriptors. Its working folder is the store, from which nothing is
imported. It claims its runs itself and writes its output into their folders. Output before the claim goes to
`launch.log` of the first run, and from there into the attempt.
"""

import contextlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from revconsole.errors import StoreError
from revconsole.records import child as children
from revconsole.records.runs.attempt import LAUNCH_LOG
from revconsole.records.runs.identity import Identity, mine
from revconsole.records.runs.store import RunStore

NAME = "process"
Child = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Several workers of one process, which take one run after the other.

    slots: the device of each. needs: bytes of its device's memory that a run takes, by digest of its plan, where known.
    """

    slots: tuple[str, ...]
    needs: Mapping[str, int] = field(default_factory=dict)

    def need(self, store: RunStore, run_id: str) -> int | None:
        """Bytes that have to be free for a run to begin; None if that is not known."""
        return self.needs.get(store.plan(run_id).digest()) if self.needs else None


def launch(
    store: RunStore,
    run_ids: list[str],
    changes: Mapping[str, Any] = MappingProxyType({}),
    *,
    now: bool = False,
    turn: int | None = None,
    workers: Workers | None = None,
) -> Child:
    """Start one detached process that trains `run_ids` one after the other, or several at once with `workers`.

    changes: the changed settings of each run; see `changes`. now: they do not wait for their turn on the device. turn: the
    descriptor of the turn that the process is to inherit; it is its standard input, which is empty in any case.
    Raises StoreError if the store cannot be written or no process can be started.
    """
    numbered = [(run_id, store.next_attempt(run_id)) for run_id in run_ids]

    slots = workers.slots if workers else ()

    def queue(run_id: str, number: int, holder: Identity) -> None:
        need = workers.need(store, run_id) if workers else None
        store.queue(run_id, number, holder, NAME, changes, now=now, slots=slots, needs=need)

    for each in numbered:  # before there is a process: a full disk starts nothing
        queue(*each, mine())
    wanted = [f"{run_id}:{number}" for run_id, number in numbered]
    if slots:
        wanted = ["--slots", ",".join(slots), *wanted]
    root = store.root.resolve()
    try:
        with (store.folder(run_ids[0]) / LAUNCH_LOG).open("wb") as log:
            words = children.command("revconsole.training", str(root), *wanted)
            child = children.detached(words, root, log, stdin=turn)
    except OSError as error:
        raise StoreError(f"cannot start a training process: {error.strerror}") from None
    holder = Identity.of(child.pid)
    for each in numbered:
        with contextlib.suppress(StoreError):  # it trains all the same
            queue(*each, holder)
    return child
