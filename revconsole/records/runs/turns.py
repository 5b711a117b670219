"""Turns: on each device of a machine one run trains at a time, whatever processes of the store ask for it.

    <store>/.queue/<boot>/<device>/turn       locked by the process that trains there, or together by workers of one study
                                   beside     locked by those that train without waiting; several at once
                                   <run id>   locked by a process whose next run this is
                    launch                    locked while the runs of a study are created

Only the locks count, which the kernel releases when a process ends, however it ends; the files are empty, but for a turn
that several workers share, which holds the name by which they know each other. The order is
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
from revconsole.records.files.shared import make_folder, set_mode
from revconsole.records.runs.identity import UNKNOWN, mine
from revconsole.records.runs.queued import FILE, Queued, read_queued

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


@dataclass(frozen=True, slots=True)
class _Held:
    """A lock of this process on a file."""

    path: Path
    descriptor: int


_all: "weakref.WeakSet[DeviceTurns]" = weakref.WeakSet()


class DeviceTurns:
    """The turns of one process on the devices of a store. Thread-safe. A forked process holds none of them.

    only: the one device on which this process trains; empty for any. together: the name under which it shares the turns with
    other workers; empty for a process that trains alone on its device.
    """

    def __init__(self, root: Path, *, only: str = "", together: str = "") -> None:
        self._root, self._only, self._together = root, only, together
        self._alone = threading.Lock()
        self._held: _Held | None = None
        self._lined_up: dict[Path, _Held] = {}
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
            self._hold(None)
            self._line_up(runs)
            return None

    def leave(self) -> None:
        """Give back the device, and leave every queue."""
        with self._alone:
            self._hold(None)
            self._line_up([])

    def pass_on(self) -> int | None:
        """The descriptor of the turn that is held, to be inherited by a process; `passed` follows. None without one."""
        return self._held.descriptor if self._held and self._held.path.name == TURN else None

    def passed(self) -> None:
        """Let go of a turn that another process has inherited, without ending it."""
        with self._alone:
            if self._held is not None:
                os.close(self._held.descriptor)
                self._held = None

    def inherit(self, descriptor: int) -> None:
        """Take over the turn that the process before this one held, if the descriptor is one; it then reads nothing."""
        with self._alone, suppress(OSError):
            status = os.fstat(descriptor)
            for path in (self._root / FOLDER / _machine()).glob(f"*/{TURN}"):
                if os.path.samestat(status, path.stat()):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._held = _Held(path, os.dup(descriptor))
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
        for device in self._devices(run):
            if device in tried and not (queued and queued.now):
                continue
            try:
                folder = self._folder(device)
                if queued and queued.now:
                    self._hold(_locked(folder / BESIDE, fcntl.LOCK_SH))
                    return NextRun(run.run_id, run.number)
                if self._first(run, folder) and self._taken(folder):
                    return NextRun(run.run_id, run.number)
                tried.add(device)
            except (BlockingIOError, FileNotFoundError):
                continue  # another process just looks whether a run trains beside, or sweeps this folder
            except OSError as error:
                self._hold(None)
                return NextRun(run.run_id, run.number, NO_LOCKS.format(why=error.strerror or error))
        return None

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
            if other is None or _order(_Waiting(name, 0, other)) > _order(run) or _left_over(path):
                continue
            if not other.holder.held():  # a process that Ctrl-Z suspended holds up nobody
                return False
        return True

    def _taken(self, folder: Path) -> bool:
        """Take the device, or keep it; False if another run trains there. Raises OSError."""
        path = folder / TURN
        if self._held is None or self._held.path != path:
            try:
                turn = _shared(path, self._together) if self._together else _alone(path)
            except BlockingIOError:
                return False
            self._hold(turn)
        try:
            _unlock(_locked(folder / BESIDE, fcntl.LOCK_EX))
        except BlockingIOError:
            self._hold(None)
            return False
        os.utime(folder.parent)  # the age by which folders of earlier boots are swept
        return True

    def _hold(self, held: _Held | None) -> None:
        """Hold this lock from now on, and give back the one before."""
        before, self._held = self._held, held
        if before is not None:
            _unlock(before)

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
            _unlock(self._lined_up.pop(path))
        for path in set(wanted.values()) - self._lined_up.keys():
            with suppress(OSError):  # whoever is asked next second stands there
                held = _locked(path, fcntl.LOCK_EX)
                if not _is_there(held):  # another process took it for left over, and removed it
                    os.close(held.descriptor)
                    continue
                self._lined_up[path] = held

    def forget(self) -> None:
        """Close what a forked process has inherited, without unlocking it for the process that it comes from."""
        held = [*self._lined_up.values(), *([self._held] if self._held else [])]
        self._held, self._lined_up, self._alone = None, {}, threading.Lock()
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
        held = _locked(root / FOLDER / LAUNCH, fcntl.LOCK_EX, wait=True)
    try:
        yield
    finally:
        if held is not None:
            _unlock(held)


def lined_up(root: Path, run_id: str) -> bool:
    """Whether a process of this machine waits with this run as its next one."""
    return any(not _left_over(path) for path in (root / FOLDER / _machine()).glob(f"*/{run_id}"))


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


def _locked(path: Path, kind: int, *, wait: bool = False) -> _Held:
    """Lock a file, which is created if there is none. wait: until it is free.

    Raises BlockingIOError if it is locked, OSError if it cannot be.
    """
    how = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, how)
    except FileNotFoundError:
        descriptor = os.open(path, how | os.O_CREAT, 0o600)
        set_mode(descriptor, path.parent.stat().st_mode & 0o666)
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BaseException:  # Ctrl-C, too
        os.close(descriptor)
        raise
    return _Held(path, descriptor)


def _alone(path: Path) -> _Held:
    """The turn of a device for this process alone. Raises BlockingIOError if another has it, OSError."""
    return _locked(path, fcntl.LOCK_EX)


def _shared(path: Path, together: str) -> _Held:
    """The turn of a device, together with whoever has it under the same name. Raises BlockingIOError, OSError."""
    name = together.encode()
    try:
        held = _alone(path)
    except BlockingIOError:
        held = _locked(path, fcntl.LOCK_SH)
        if os.pread(held.descriptor, len(name) + 1, 0) == name:
            return held
        _unlock(held)
        raise
    os.truncate(held.descriptor, 0)
    os.pwrite(held.descriptor, name, 0)
    try:
        fcntl.flock(held.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # somebody was faster in the moment between the two locks
        os.close(held.descriptor)
        raise
    return held


def _unlock(held: _Held) -> None:
    """End a lock, also for processes that have inherited its descriptor."""
    with suppress(OSError):
        fcntl.flock(held.descriptor, fcntl.LOCK_UN)
    os.close(held.descriptor)


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
                if path.lstat().st_size or not _left_over(path):
                    return
            device.rmdir()
        boot.rmdir()


def _is_there(held: _Held) -> bool:
    try:
        return os.path.samestat(os.fstat(held.descriptor), held.path.stat())
    except OSError:
        return False


def _left_over(path: Path) -> bool:
    """Whether nobody holds a lock on the file, which is then removed."""
    try:
        held = _locked(path, fcntl.LOCK_EX)
    except BlockingIOError:
        return False
    path.unlink(missing_ok=True)
    _unlock(held)
    return True
