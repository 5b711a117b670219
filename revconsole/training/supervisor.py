"""Supervisor: a small parent process that observes how trainers end, because a killed trainer cannot report it.

It holds no state and loads no torch. If the supervisor is killed, the trainers continue.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError, StoreError
from revconsole.records.notices.ends import tell_of_end
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.store import RunStore
from revconsole.records.runs.submission import LIMIT_SIGNAL

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.Signals[LIMIT_SIGNAL])
"""Signals that ask the trainer to stop, passed on to it."""
ANEW = 75
"""Exit status of a child whose remaining runs need a new process; EX_TEMPFAIL of sysexits.h."""
GROUPS, GROUP_OF_THIS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MACHINE = Path("/proc/vmstat")

Kills = dict[str, int]
"""Number of processes killed by the kernel for lack of memory, by counter ("group", "machine")."""


def supervised(
    store: RunStore,
    ids: Callable[[], Iterable[str]],
    works: Sequence[Callable[[], int]],
    *,
    again: bool = False,
    group: Path | None = None,
    machine: Path = MACHINE,
) -> int:
    """Run each of `works` in a child process until all have ended; returns the highest exit status, 128 + n for signal n.

    ids: of the runs that they may train. A signal that ended a child is recorded in the attempt it was writing. A child that exits with ANEW is followed by
    another one, unless it had been told to stop; again: so is one that was killed in the midst of a run. Call this before
    any thread is started. group, machine: where kills for memory are counted, by default for this process's control group
    and for the machine.
    """
    group = group_of(GROUP_OF_THIS) if group is None else group
    children = _Children(store, ids, works, partial(memory_kills, group, machine), again=again)
    former = {name: signal.signal(name, children.pass_on) for name in PASSED_ON}
    children.handlers = former
    for number in range(len(works)):
        children.start(number)
    status = children.await_all()
    for name, handler in former.items():
        signal.signal(name, handler)
    return status


class _Children:
    """The trainers of one supervisor. kills: reads the kill counters. handlers: those of signals in the children."""

    def __init__(
        self,
        store: RunStore,
        ids: Callable[[], Iterable[str]],
        works: Sequence[Callable[[], int]],
        kills: Callable[[], Kills],
        *,
        again: bool,
    ) -> None:
        self._store, self._ids, self._works, self._kills = store, ids, works, kills
        self._again = again
        self._running: dict[int, tuple[int, Identity, Kills]] = {}
        self._told = False
        self.handlers: Mapping[signal.Signals, Any] = {}

    def pass_on(self, number: int, _frame: object) -> None:
        """Signal handler: send the signal on to every trainer."""
        self._told = True
        for _, trainer, _ in [*self._running.values()]:
            trainer.send(number)

    def start(self, number: int) -> None:
        """Start the child with this work, unless all were told to stop; a signal waits until it can be passed on to it."""
        before = self._kills()
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        if self._told:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
            return
        child = os.fork()
        if child == 0:
            for name, handler in self.handlers.items():
                signal.signal(name, handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
            os._exit(_status_of(self._works[number]))
        self._running[child] = (number, Identity.of(child), before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)

    def await_all(self) -> int:
        """Wait for the children, starting others where some follow them; returns the highest status."""
        worst = int(self._told)
        while self._running:
            child, status = os.waitpid(-1, 0)
            if child not in self._running:
                continue
            number, trainer, before = self._running.pop(child)
            code = os.waitstatus_to_exitcode(status)
            killed = code < 0 and self._note(trainer, -code, before)
            if not self._told and (code == ANEW or (killed and self._again)):
                self.start(number)
            else:
                worst = max(worst, 1 if code == ANEW else code if code >= 0 else 128 - code)
        return worst

    def _note(self, trainer: Identity, number: int, before: Kills) -> bool:
        """Record the signal that ended a trainer; returns whether it was in the midst of a run."""
        exit_record = {"signal": number, **for_memory(number, before, self._kills())}
        ids: Iterable[str] = ()
        with suppress(StoreError):
            ids = self._ids()
        return any(note(self._store, run_id, trainer, exit_record) for run_id in ids)


def _status_of(work: Callable[[], int]) -> int:
    """The exit status of the child's work; never raises, so that the child cannot return into the parent's code."""
    try:
        return work()
    except RevconsoleError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except BaseException:  # noqa: BLE001  reported like any uncaught exception, then the child ends
        import traceback

        traceback.print_exc()
        return 1


def note(
    store: RunStore, run_id: str, trainer: Identity, exit_record: dict[str, int | bool]
) -> bool:
    """Write the exit record into the attempt that the trainer left open, and tell of its end; returns whether there is one.

    It is the newest one, or the one before if whoever killed the trainer has recorded that meanwhile.
    """
    with suppress(StoreError, OSError):
        folder = store.folder(run_id)
        for number in attempts.numbers(folder)[-2:]:
            over = attempts.last_event_ends(attempts.log_path(folder, number))
            if attempts.owner(folder, number) == trainer and not over:
                with suppress(OSError):  # a full disk is told of all the same
                    write_json(folder / "attempts" / f"{number:04d}" / "exit.json", exit_record)
                tell_of_end(store, run_id)
                return True
    return False


def for_memory(number: int, before: Kills, now: Kills) -> dict[str, bool]:
    """Whether the kernel ended the trainer for lack of memory, surely or possibly.

    The kernel does not say whom it killed. A kill counted in the trainer's own control group almost certainly was the
    trainer; one counted on the machine may have been any process.
    """
    increased = {where for where, kills in now.items() if kills > before.get(where, kills)}
    killed = number == signal.SIGKILL
    return {
        "memory": killed and "group" in increased,
        "possibly_memory": killed and "group" not in now and "machine" in increased,
    }


def memory_kills(group: Path, machine: Path) -> Kills:
    """Numbers of kills for memory in a control group, if it counts them, and on the machine."""
    files = {"group": group / "memory.events", "machine": machine}
    counts = {where: _counted(file, "oom_kill ") for where, file in files.items()}
    return {where: kills for where, kills in counts.items() if kills is not None}


def group_of(membership: Path) -> Path:
    """The folder of a process's version-2 control group, as named in its `/proc/PID/cgroup`."""
    with suppress(OSError):
        for line in membership.read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                return GROUPS / line.removeprefix("0::").lstrip("/")
    return Path("/nowhere")


def _counted(path: Path, word: str) -> int | None:
    """The number after a word at the beginning of a line of a file; None if there is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith(word)), None)
    except (OSError, ValueError, IndexError):
        return None
