"""Identity: which process, of which boot, of which machine, and whether it still runs.

A process id alone is not enough: it is reused, and it has no meaning on another host or in another pid namespace (a
container) of this one. Start ticks (field 22 of /proc/PID/stat, counted since boot) do not move when the wall clock
is set.
"""

import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process, distinguished from every other that ever ran."""

    host: str
    boot: str
    pid: int
    start: int
    namespace: str = ""
    """Pid namespace in which `pid` is valid; empty if unknown."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """The identity of a process of this machine."""
        return cls(
            host=socket.gethostname(),
            boot=_boot(),
            pid=pid,
            start=_start(pid) or 0,
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
        """Send a signal to this process and to no other with its pid. Returns False if it is gone or not on this
        machine.

        Raises PermissionError if it belongs to another user.
        """
        if not self.alive():
            return False
        try:
            process = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        except (AttributeError, OSError):  # macOS, or Linux before 5.3
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
        import psutil  # needed only on systems without pidfd

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
        import psutil  # needed only before a signal

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
        return bool(self.alive()) and _stat(self.pid)[:1] in (["T"], ["t"])


UNKNOWN = Identity(host="", boot="", pid=0, start=0)
"""Identity read from a claim that cannot be read now; whether that process runs is unknown."""


def mine() -> Identity:
    """The identity of this process."""
    return Identity.of(os.getpid())


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil  # only where there is no /proc

        return str(int(psutil.boot_time()))


@cache
def _namespace() -> str:
    """The pid namespace of this process; empty on systems without namespaces."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start(pid: int) -> int | None:
    """Start ticks of a running process; None if there is none or only a zombie."""
    fields = _stat(pid)
    if not fields:
        return None if Path("/proc/self/stat").exists() else _start_elsewhere(pid)
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the process state on; empty if the process or /proc does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _start_elsewhere(pid: int) -> int | None:
    """Start time in milliseconds on systems without /proc; None if there is no such process."""
    import psutil  # only where there is no /proc

    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return None
