"""Supervisor: a small process that sees how a trainer ends, for a trainer that is killed cannot say.

It is the trainer's parent, holds nothing and loads no torch. If it is killed itself the trainer goes on.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from revconsole.errors import StoreError
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.identity import Identity
from revconsole.records.runs.store import RunStore

PASSED_ON = (signal.SIGTERM, signal.SIGINT)
ANEW = 75
"""Exit status of a child that wants what it has left to be done in a new process; EX_TEMPFAIL of sysexits.h."""
GROUPS, GROUP_OF_THIS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MACHINE = Path("/proc/vmstat")

Kills = dict[str, int]
"""How many processes the kernel has killed for memory, by who counted."""


def supervised(
    store: RunStore,
    run_ids: list[str],
    work: Callable[[], int],
    *,
    group: Path | None = None,
    machine: Path = MACHINE,
) -> int:
    """Do `work` in a child process; returns its exit status, or that of a shell for a signal.

    A signal that ended it is noted in the attempt it was writing. A child that ends with ANEW is followed by another,
    unless it was told to go. Call it before any thread is started.
    group: folder of the control group that counts kills for memory, by default this process's; machine: the file
    that counts those of the machine.
    """
    group = group_of(GROUP_OF_THIS) if group is None else group
    kills = partial(memory_kills, group, machine)
    while True:
        told: list[int] = []
        code = _watched(store, run_ids, work, told, kills)
        if code != ANEW or told:
            return 1 if code == ANEW else code


def _watched(
    store: RunStore,
    run_ids: list[str],
    work: Callable[[], int],
    told: list[int],
    kills: Callable[[], Kills],
) -> int:
    """The same of one child. told: takes the signals that were passed on to it. kills: counts those for memory."""
    before = kills()
    child = os.fork()
    if child == 0:
        os._exit(_status_of(work))
    trainer = Identity.of(child)

    def pass_on(number: int, _frame: object) -> None:
        told.append(number)
        trainer.send(number)

    own = {name: signal.signal(name, pass_on) for name in PASSED_ON}
    _, status = os.waitpid(child, 0)
    for name, handler in own.items():  # or the next child would have those of its supervisor
        signal.signal(name, handler)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    seen = {"signal": -code, **_for_memory(-code, before, kills())}
    for run_id in run_ids:
        _note(store, run_id, trainer, seen)
    return 128 - code


def _status_of(work: Callable[[], int]) -> int:
    """Do the work of the child; whatever happens it must not return into the parent's code."""
    try:
        return work()
    except BaseException:  # noqa: BLE001  reported like any uncaught exception, then the child ends
        import traceback

        traceback.print_exc()
        return 1


def _note(store: RunStore, run_id: str, trainer: Identity, seen: dict[str, int | bool]) -> None:
    """Write what was seen into the attempt that the trainer did not end, if there is one."""
    with suppress(StoreError, OSError):
        folder = store.folder(run_id)
        number = max(attempts.numbers(folder), default=0)
        if attempts.owner(folder, number) == trainer:
            write_json(folder / "attempts" / f"{number:04d}" / "exit.json", seen)
            store.cache_row(run_id)


def _for_memory(number: int, before: Kills, now: Kills) -> dict[str, bool]:
    """Whether the kernel ended the trainer for want of memory, or possibly did: only it knows whom it killed.

    In the trainer's own control group nearly certainly the trainer; on the rest of the machine anybody.
    """
    rose = {where for where, kills in now.items() if kills > before.get(where, kills)}
    killed = number == signal.SIGKILL
    return {
        "memory": killed and "group" in rose,
        "possibly_memory": killed and "group" not in now and "machine" in rose,
    }


def memory_kills(group: Path, machine: Path) -> Kills:
    """How many processes the kernel has killed for memory: of a control group, where it counts them, and in all."""
    found = {
        "group": _counted(group / "memory.events", "oom_kill "),
        "machine": _counted(machine, "oom_kill "),
    }
    return {where: kills for where, kills in found.items() if kills is not None}


def group_of(membership: Path) -> Path:
    """The folder of a process's control group, of version 2, as its `/proc/PID/cgroup` names it."""
    with suppress(OSError):
        for line in membership.read_text(encoding="utf-8").splitlines():
            if line.startswith("0::"):
                return GROUPS / line.removeprefix("0::").lstrip("/")
    return Path("/nowhere")


def _counted(path: Path, word: str) -> int | None:
    """The number behind a word at the beginning of a line; None where there is none."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith(word)), None)
    except (OSError, ValueError, IndexError):
        return None
