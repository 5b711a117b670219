"""Identity: which process, of which boot, of which machine, and whether it still runs.

A process id alone is not enough: it is reused, and it has no meaning on another host or in another pid namespace (a
container) of this one. The boot of the machine and the start time of the process stand beside it. Linux has the start
time in a file; elsewhere psutil tells it, and the part of it that moves when the wall clock is set is taken off.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from revconsole.records.sysctl import sysctl

BOOT_ID, NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
"""Files in which Linux identifies its boot and the pid namespace of the reader."""
HUNDREDTHS = 100
"""Ticks per second of a start time; Linux counts in the same unit."""
HELD, OVER = {"T", "t"}, {"Z", "X", "x"}
"""Letters of Linux for a process that a signal or a debugger holds, and for one that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Identity of a process, which distinguishes it from every other that ever ran."""

    host: str
    boot: str
    pid: int
    start: int
    namespace: str = ""
    """Pid namespace in which `pid` is valid; empty if unknown."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """The identity of a process of this machine, also of one that has ended and that its parent has not awaited."""
        return cls(
            host=socket.gethostname(),
            boot=_boot(),
            pid=pid,
            start=_start_now(pid, ended=True) or 0,
            namespace=_namespace(),
        )

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises TypeError or KeyError if `body` is something else."""
        return cls(
            host=str(body["host"]),
            boot=str(body["boot"]),
            pid=int(body["pid"]),
            start=int(body["start"]),
            namespace=str(body.get("namespace", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)

    def alive(self) -> bool | None:
        """Whether the process runs; None if it belongs to another host or pid namespace."""
        if self.host != socket.gethostname():
            return None
        if self.boot != _boot():
            return False
        if self.namespace and self.namespace != _namespace():
            return None
        return _start(self.pid) == self.start

    def of_earlier_boot(self) -> bool:
        """Whether this machine has restarted since the process began."""
        return self.host == socket.gethostname() and self.boot != _boot()

    def send(self, number: int) -> bool:
        """Send a signal to this process and no other; returns False if it is gone or elsewhere. Raises PermissionError."""
        if not self.alive():
            return False
        if sys.platform == "linux":
            with suppress(AttributeError):  # a Python built for an older kernel
                return self._send_by_descriptor(number)
        return self._send_by_pid(number)

    if sys.platform == "linux":

        def _send_by_descriptor(self, number: int) -> bool:
            """Send through a pidfd, which stays with its process when the pid is reused."""
            try:
                process = os.pidfd_open(self.pid)
            except OSError:  # the process is gone, or Linux is older than 5.3
                return self._send_by_pid(number)
            try:
                if not self.alive():
                    return False
                signal.pidfd_send_signal(process, number)
            except ProcessLookupError:
                return False
            finally:
                os.close(process)
            return True

    def _send_by_pid(self, number: int) -> bool:
        import psutil  # as in `_start_now`

        try:
            process = psutil.Process(self.pid)  # psutil checks the start time before a signal
            if not self.alive():
                return False
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied as error:
            raise PermissionError(str(error)) from None
        return True

    def command(self) -> list[str]:
        """Command line of the process; empty if it is gone or not on this machine."""
        import psutil  # as in `_start_now`

        if not self.alive():
            return []
        try:
            return psutil.Process(self.pid).cmdline()
        except psutil.Error:
            return []

    def wait(self, seconds: float) -> bool:
        """Wait until the process of this machine has ended; returns False after `seconds`."""
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def held(self) -> bool:
        """Whether the process of this machine is suspended by a signal (SIGSTOP, Ctrl-Z)."""
        if not self.alive():
            return False
        if _on_linux():
            return (_of_linux(self.pid) or ("", 0))[0] in HELD
        import psutil  # as in `_start_now`

        try:
            status = psutil.Process(self.pid).status()
        except psutil.Error:
            return False
        return status in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}


UNKNOWN = Identity(host="", boot="", pid=0, start=0)
"""Identity read from a claim that cannot be read now; whether that process runs is unknown."""


def mine() -> Identity:
    """The identity of this process."""
    return Identity.of(os.getpid())


@cache
def _boot() -> str:
    """Identifier of this boot of the machine, of Linux or macOS; empty on systems that have none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return sysctl("kern.bootsessionuuid")


@cache
def _namespace() -> str:
    """The pid namespace of this process; empty on systems without namespaces."""
    try:
        return str(NAMESPACE.readlink())
    except OSError:
        return ""


@contextmanager
def asked_once() -> Iterator[None]:
    """A context in which this thread asks for each process once: a thousand waiting runs have one process in common."""
    _asked.starts = {}
    try:
        yield
    finally:
        _asked.starts = None


_asked = threading.local()
"""`starts`: of the processes that this thread has asked for, by pid; None outside of `asked_once`."""


def _start(pid: int) -> int | None:
    """As `_start_now`, which is asked once for each process in `asked_once`."""
    known: dict[int, int | None] | None = getattr(_asked, "starts", None)
    if known is None:
        return _start_now(pid)
    if pid not in known:
        known[pid] = _start_now(pid)
    return known[pid]


def _start_now(pid: int, *, ended: bool = False) -> int | None:
    """Start of a process in hundredths of a second since the boot (Linux) or 1970; None if none runs. ended: a zombie counts."""
    if _on_linux():
        seen = _of_linux(pid)
        return None if seen is None or (seen[0] in OVER and not ended) else seen[1]
    import psutil  # 50 ms, which a list of ended runs does not need

    try:
        process = psutil.Process(pid)
        with process.oneshot():  # one reading for both
            if not ended and process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
                return None
            shift = _shift()
            began = process.create_time() - shift
    except (psutil.Error, ValueError):  # ValueError: a claim may name any number
        return None
    return round(began * HUNDREDTHS) if shift == _shift() else _start_now(pid, ended=ended)


def _on_linux() -> bool:
    return sys.platform == "linux"


def _of_linux(pid: int) -> tuple[str, int] | None:
    """The letter for what a process does and its start in hundredths of a second since the boot; None if there is none.

    psutil reads the same file, but its import takes longer than the console has for its first frame.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (OSError, ValueError):  # ValueError: a claim may name any number
        return None
    after_name = text.rpartition(b")")[2].split()  # which may hold blanks and brackets
    return after_name[0].decode(), int(after_name[19]) * HUNDREDTHS // os.sysconf("SC_CLK_TCK")


def _shift() -> float:
    """Seconds by which setting the wall clock moves every creation time that psutil returns."""
    import psutil  # as in `_start_now`

    here = os.getpid()
    return psutil.Process(here).create_time() - _own_start(here)


@cache
def _own_start(here: int) -> float:
    """Creation time of this process as psutil first returned it. here: its pid, which a fork changes."""
    import psutil  # as in `_start_now`

    return psutil.Process(here).create_time()
