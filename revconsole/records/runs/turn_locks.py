"""Turn locks: locks on files by which processes of one machine take turns; the kernel releases them when a process ends."""

import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from revconsole.records.files.shared import set_mode


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock of this process on a file."""

    path: Path
    descriptor: int


def locked(path: Path, kind: int, *, wait: bool = False) -> HeldLock:
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
    return HeldLock(path, descriptor)


def alone(path: Path) -> HeldLock:
    """The turn of a device for this process alone. Raises BlockingIOError if another has it, OSError."""
    return locked(path, fcntl.LOCK_EX)


def beside(path: Path) -> HeldLock:
    """A place beside whoever trains. Raises BlockingIOError while somebody looks who does, OSError."""
    return locked(path, fcntl.LOCK_SH)


def all_locked(paths: Sequence[Path], lock: Callable[[Path], HeldLock]) -> list[HeldLock]:
    """All of the locks, or none. Raises as `lock` does."""
    held: list[HeldLock] = []
    try:
        held.extend(lock(path) for path in paths)
    except BaseException:
        for each in held:
            unlock(each)
        raise
    return held


def shared(path: Path, together: str) -> HeldLock:
    """The turn of a device, together with whoever has it under the same name. Raises BlockingIOError, OSError."""
    name = together.encode()
    try:
        held = alone(path)
    except BlockingIOError:
        held = locked(path, fcntl.LOCK_SH)
        if os.pread(held.descriptor, len(name) + 1, 0) == name:
            return held
        unlock(held)
        raise
    os.truncate(held.descriptor, 0)
    os.pwrite(held.descriptor, name, 0)
    try:
        fcntl.flock(held.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # somebody was faster in the moment between the two locks
        os.close(held.descriptor)
        raise
    return held


def unlock(held: HeldLock) -> None:
    """End a lock, also for processes that have inherited its descriptor."""
    with suppress(OSError):
        fcntl.flock(held.descriptor, fcntl.LOCK_UN)
    os.close(held.descriptor)


def is_there(held: HeldLock) -> bool:
    """Whether its file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(held.descriptor), held.path.stat())
    except OSError:
        return False


def left_over(path: Path) -> bool:
    """Whether nobody holds a lock on the file, which is then removed."""
    try:
        held = locked(path, fcntl.LOCK_EX)
    except BlockingIOError:
        return False
    path.unlink(missing_ok=True)
    unlock(held)
    return True
