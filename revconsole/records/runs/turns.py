"""Turns: on each device of a machine one run trains at a time, whatever processes of the store ask for it.

    <store>/.queue/<boot>/<device>/turn       locked by the process that trains there, or together by workers of one study
                                   beside     locked by those that train without waiting; several at once
                                   <run id>   locked by a process whose next run this is
                    launch                    locked while the runs of a study are created

Only the locks count, which the kernel releases when a process ends, however it ends; the files are empty, but for a turn
that several workers share, which holds the name by which they know each other. A run on several ranks takes the turns
of all its devices at once, or none of them: nobody holds one while it waits for another. The order is
that of `place` in the runs' launch.json. A boot of a machine has a folder of its own, because its devices are no other
machine's; so the locks need to reach no further than one kernel, which network file systems manage, too. The folders of
boots that are long over are removed when a new one is made.
"""

import fcntl
import os
import re
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from revconsole.records.files import clock
from revconsole.records.files.shared import make_folder
from revconsole.records.runs.identity import UNKNOWN, mine
from revconsole.records.runs.queued import FILE, Queued, read_queued
from revconsole.records.runs.turn_locks import (
    HeldLock,
    all_locked,
    alone,
    beside,
    is_there,
    left_over,
    locked,
    shared,
    unlock,
)

FOLDER, TURN, BESIDE, LAUNCH = ".queue", "turn", "beside", "launch"
SWEPT_AFTER_SECONDS = 30 * 86400.0
"""Age of the newest turn of another boot after which its folder is removed: a store may serve several machines."""
POLL_SECONDS = 1.0
"""Seconds after which a waiting process looks again whether it is its turn."""
NO_LOCKS = (
    "no lock can be taken in the store ({why}): this run did not wait for other runs on its device, and they do not "
    "wait for it"
)


class NextRun(NamedTuple):
    """A run whose turn it is. note: why it did not wait; empty if there is nothing to say."""

    run_id: str
    number: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A waiting run of this process; `queued` is None if it waits no more: it was stopped, deleted, or never queued."""

    run_id: str
    number: int
    queued: Queued | None


_all: "weakref.WeakSet[DeviceTurns]" = weakref.WeakSet()


class DeviceTurns:
    """The turns of one process on the devices of a store. Thread-safe. A forked process holds none of them.

    only: the one device on which this process trains; empty for any. together: the name under which it shares the turns with
    other workers; empty for a process that trains alone on its device.
    """

    def __init__(self, root: Path, *, only: str = "", together: str = "") -> None:
        self._root, self._only, self._together = root, only, together
        self._alone = threading.Lock()
        self._held: tuple[HeldLock, ...] = ()
        self._lined_up: dict[Path, HeldLock] = {}
        self._read: dict[str, tuple[tuple[int, ...], _Waiting]] = {}
        _all.add(self)

    def next(self, waiting: Sequence[tuple[str, int]]) -> NextRun | None:
        """The run that may begin now, with its device held; None, with nothing held, if all have to wait.

        waiting: ids and attempt numbers of the runs that this process is to train. A device that is held already is kept
        for the next run if that run is the first in the queue. A run that waits no more, because it was stopped or
        deleted, is returned at once. Never raises.
        """
        with self._alone:
            self._read = {
                run_id: self._read[run_id] for run_id, _ in waiting if run_id in self._read
            }
            runs = [self._looked_up(run_id, number) for run_id, number in waiting]
            for run in runs:
                if run.queued is None or not run.queued.devices:
                    return NextRun(run.run_id, run.number)
            runs.sort(key=_order)
            tried: set[str] = set()
            for run in runs:
                begun = self._begun(run, tried)
                if begun is not None:
                    self._line_up([])
                    return begun
            self._hold()
            self._line_up(runs)
            return None

    def leave(self) -> None:
        """Give back what is held, and leave every queue."""
        with self._alone:
            self._hold()
            self._line_up([])

    def pass_on(self) -> int | None:
        """The descriptor of the turn that is held, to be inherited by a process; `passed` follows. None without one.

        Of several it is the first; the others are free until that process takes them, before whoever waits with it.
        """
        return next((held.descriptor for held in self._held if held.path.name == TURN), None)

    def passed(self) -> None:
        """Let go of a turn that another process has inherited, without ending it."""
        with self._alone:
            for held in self._held:
                os.close(held.descriptor)
            self._held = ()

    def inherit(self, descriptor: int) -> None:
        """Take over the turn that the process before this one held, if the descriptor is one; it then reads nothing."""
        with self._alone, suppress(OSError):
            status = os.fstat(descriptor)
            for path in (self._root / FOLDER / _machine()).glob(f"*/{TURN}"):
                if os.path.samestat(status, path.stat()):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._held = (HeldLock(path, os.dup(descriptor)),)
                    nothing = os.open(os.devnull, os.O_RDWR)
                    os.dup2(
                        nothing, descriptor
                    )  # or every process that is started from here held the turn, too
                    os.close(nothing)
                    return

    def _looked_up(self, run_id: str, number: int) -> _Waiting:
        """What is written of a waiting run; read again only if it has changed."""
        folder = self._root / run_id
        try:
            note = (folder / FILE).stat()
            stamp = (note.st_ino, note.st_mtime_ns, note.st_size)
            begun = os.path.lexists(folder / "attempts" / f"{number:04d}")
        except OSError:
            return _Waiting(run_id, number, None)
        if begun:
            return _Waiting(run_id, number, None)
        if run_id not in self._read or self._read[run_id][0] != stamp:
            queued = read_queued(folder / FILE)
            if queued is not None and (queued.attempt != number or queued.holder == UNKNOWN):
                queued = None
            self._read[run_id] = (stamp, _Waiting(run_id, number, queued))
        return self._read[run_id][1]

    def _begun(self, run: _Waiting, tried: set[str]) -> NextRun | None:
        """The run, if a device of those it may train on is free and no other run comes before it.

        tried: devices on which a run of this process has to wait, so that the later ones have to, too.
        """
        queued = run.queued
        now = queued is not None and queued.now
        for devices in self._choices(run):
            if not now and tried.intersection(devices):
                continue
            try:
                folders = [self._folder(device) for device in sorted(devices)]
                if now:
                    self._hold(*all_locked([folder / BESIDE for folder in folders], beside))
                    return NextRun(run.run_id, run.number)
                if all(self._first(run, folder) for folder in folders) and self._taken(folders):
                    return NextRun(run.run_id, run.number)
                tried.update(devices)
            except (BlockingIOError, FileNotFoundError):
                continue  # another process just looks whether a run trains beside, or sweeps this folder
            except OSError as error:
                self._hold()
                return NextRun(run.run_id, run.number, NO_LOCKS.format(why=error.strerror or error))
        return None

    def _choices(self, run: _Waiting) -> Iterable[tuple[str, ...]]:
        """The devices on which the run may begin: all of its own at once, or any one of them."""
        devices = tuple(self._devices(run))
        if run.queued is not None and run.queued.at_once:
            return [devices] if devices == run.queued.devices else []
        return [(device,) for device in devices]

    def _devices(self, run: _Waiting) -> Iterable[str]:
        """The devices on which this process may train the run."""
        every = run.queued.devices if run.queued else ()
        return [device for device in every if self._only in {"", device}]

    def _folder(self, device: str) -> Path:
        """The folder of a device, which whoever may create runs may write in. Raises OSError."""
        folder = self._root / FOLDER / _machine() / re.sub(r"[^A-Za-z0-9]+", "-", device)[:60]
        if not folder.is_dir():
            mode = self._root.stat().st_mode & 0o777
            for each in (folder.parent.parent, folder.parent, folder):
                make_folder(each, mode, exist_ok=True)
            _sweep(folder.parent.parent)
        return folder

    def _first(self, run: _Waiting, folder: Path) -> bool:
        """Whether no process that waits for the device has a run with a lower place. Raises OSError."""
        for name in os.listdir(folder):  # noqa: PTH208  once a second
            path = folder / name
            if name in {TURN, BESIDE, run.run_id} or path in self._lined_up:
                continue
            other = read_queued(self._root / name / FILE)
            if other is None or _order(_Waiting(name, 0, other)) > _order(run) or left_over(path):
                continue
            if not other.holder.held():  # a process that Ctrl-Z suspended holds up nobody
                return False
        return True

    def _taken(self, folders: Sequence[Path]) -> bool:
        """Take the devices, or keep them; False, with none of them, if another run trains on one. Raises OSError."""
        kept = {held.path: held for held in self._held}
        paths = [folder / TURN for folder in folders]
        try:
            new = all_locked([path for path in paths if path not in kept], self._turn)
        except BlockingIOError:
            return False
        self._hold(*(kept[path] for path in paths if path in kept), *new)
        try:
            for held in all_locked([folder / BESIDE for folder in folders], alone):
                unlock(held)
        except BlockingIOError:
            self._hold()
            return False
        os.utime(folders[0].parent)  # the age by which folders of earlier boots are swept
        return True

    def _turn(self, path: Path) -> HeldLock:
        """The turn of a device. Raises BlockingIOError if another has it, OSError."""
        return shared(path, self._together) if self._together else alone(path)

    def _hold(self, *held: HeldLock) -> None:
        """Hold these locks from now on, and give back the others."""
        before, self._held = self._held, held
        for each in before:
            if each not in held:
                unlock(each)

    def _line_up(self, runs: Sequence[_Waiting]) -> None:
        """Show in the folder of each device which run of this process is the next one there. runs: in their order."""
        wanted: dict[Path, Path] = {}
        for run in runs:
            for device in self._devices(run):
                with suppress(OSError):
                    folder = self._folder(device)
                    wanted.setdefault(folder, folder / run.run_id)
        for path in self._lined_up.keys() - set(wanted.values()):
            path.unlink(missing_ok=True)
            unlock(self._lined_up.pop(path))
        for path in set(wanted.values()) - self._lined_up.keys():
            with suppress(OSError):  # whoever is asked next second stands there
                held = locked(path, fcntl.LOCK_EX)
                if not is_there(held):  # another process took it for left over, and removed it
                    os.close(held.descriptor)
                    continue
                self._lined_up[path] = held

    def forget(self) -> None:
        """Close what a forked process has inherited, without unlocking it for the process that it comes from."""
        held = [*self._lined_up.values(), *self._held]
        self._held, self._lined_up, self._alone = (), {}, threading.Lock()
        for each in held:
            with suppress(OSError):
                os.close(each.descriptor)


@contextmanager
def launching(root: Path) -> Iterator[None]:
    """A context in which no other process of this machine creates the runs of a study in this store.

    Where no lock can be taken, nobody waits.
    """
    held = None
    with suppress(OSError):
        make_folder(root / FOLDER, root.stat().st_mode & 0o777, exist_ok=True)
        held = locked(root / FOLDER / LAUNCH, fcntl.LOCK_EX, wait=True)
    try:
        yield
    finally:
        if held is not None:
            unlock(held)


def lined_up(root: Path, run_id: str) -> bool:
    """Whether a process of this machine waits with this run as its next one."""
    return any(not left_over(path) for path in (root / FOLDER / _machine()).glob(f"*/{run_id}"))


def _forget_all() -> None:
    for turns in _all:
        turns.forget()


os.register_at_fork(after_in_child=_forget_all)


def _order(run: _Waiting) -> tuple[float, str]:
    return (run.queued.place if run.queued else 0.0), run.run_id


def _machine() -> str:
    """A name of this machine since it was started."""
    here = mine()
    return re.sub(r"[^A-Za-z0-9]+", "-", here.boot or here.host)[:60]


def _sweep(queues: Path) -> None:
    """Remove the folders of earlier boots in which no turn was taken for long, and no process holds a lock."""
    with suppress(OSError):
        for boot in queues.iterdir():
            old = boot.name != _machine() and not boot.is_symlink()
            if old and clock.age(boot) > SWEPT_AFTER_SECONDS:
                _remove(boot)


def _remove(boot: Path) -> None:
    """Remove a boot's folder; what is locked, or is no empty file of two folders below, stays with all around it."""
    with suppress(OSError):
        for device in boot.iterdir():
            if device.is_symlink():
                return
            for path in device.iterdir():
                if path.lstat().st_size or not left_over(path):
                    return
            device.rmdir()
        boot.rmdir()
