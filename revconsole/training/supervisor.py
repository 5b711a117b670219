"""Supervisor: a small parent process that observes how a trainer ends, because a killed trainer cannot report it.

It holds no state and loads no torch. If the supervisor is killed, the trainer continues.
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
    run_ids: list[str],
    work: Callable[[], int],
    *,
    group: Path | None = None,
    machine: Path = MACHINE,
) -> int:
    """Run `work` in a child process; returns its exit status, or 128 + n if signal n ended it.

    A signal that ended the child is recorded in the attempt it was writing. A child that exits with ANEW is followed by
    another one, unless it had been told to stop. Call this before any thread is started. group, machine: where kills for
    memory are counted, by default for this process's control group and for the machine.
    """
    group = group_of(GROUP_OF_THIS) if group is None else group
    kills = partial(memory_kills, group, machine)
    while True:
        forwarded: list[int] = []
        code = _watched(store, run_ids, work, forwarded, kills)
        if code != ANEW or forwarded:
            return 1 if code == ANEW else code


def _watched(
    store: RunStore,
    run_ids: list[str],
    work: Callable[[], int],
    forwarded: list[int],
    kills: Callable[[], Kills],
) -> int:
    """Run one child and return its exit status. forwarded: receives the forwarded signals. kills: reads the kill counters."""
    before = kills()
    child = os.fork()
    if child == 0:
        os._exit(_status_of(work))
    trainer = Identity.of(child)

    def pass_on(number: int, _frame: object) -> None:
        forwarded.append(number)
        trainer.send(number)

    former = {name: signal.signal(name, pass_on) for name in PASSED_ON}
    _, status = os.waitpid(child, 0)
    # Otherwise the next child would inherit the supervisor's handlers.
    for name, handler in former.items():
        signal.signal(name, handler)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    exit_record = {"signal": -code, **_for_memory(-code, before, kills())}
    for run_id in run_ids:
        _note(store, run_id, trainer, exit_record)
    return 128 - code


def _status_of(work: Callable[[], int]) -> int:
    """The exit status of the child's work; never raises, so that the child cannot return into the parent's code."""
    try:
        return work()
    except BaseException:  # noqa: BLE001  reported like any uncaught exception, then the child ends
        import traceback

        traceback.print_exc()
        return 1


def _note(
    store: RunStore, run_id: str, trainer: Identity, exit_record: dict[str, int | bool]
) -> None:
    """Write the exit record into the attempt that the trainer left open, if there is one."""
    with suppress(StoreError, OSError):
        folder = store.folder(run_id)
        number = max(attempts.numbers(folder), default=0)
        if attempts.owner(folder, number) == trainer:
            write_json(folder / "attempts" / f"{number:04d}" / "exit.json", exit_record)


def _for_memory(number: int, before: Kills, now: Kills) -> dict[str, bool]:
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
