"""Identity: which process, of which boot, of which machine; and whether it still lives.

A pid alone lies: it is reused, and it means nothing on another host, or in another pid namespace (a container) of this
one. Start ticks (field 22 of /proc/PID/stat, counted since boot) do not move when the wall clock is set.
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
    """One process, told apart from every other that ever ran."""

    host: str
    boot: str
    pid: int
    start: int
    namespace: str = ""
    """Where the pid counts; empty where that is not known."""

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
        """For a JSON file."""
        return asdict(self)

    def alive(self) -> bool | None:
        """Whether the process still runs; None if it cannot be asked from here, as it is of another host or namespace."""
        if self.host != socket.gethostname():
            return None
        if self.boot != _boot():
            return False
        if self.namespace and self.namespace != _namespace():
            return None
        return _start(self.pid) == self.start

    def of_earlier_boot(self) -> bool:
        """Whether this machine was restarted since."""
        return self.host == socket.gethostname() and self.boot != _boot()

    def send(self, number: int) -> bool:
        """Send a signal to this very process and to no other that got its pid; False if it is gone, or not of here.

        Raises PermissionError if it is somebody else's.
        """
        if not self.alive():
            return False
        try:
            process = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        except (AttributeError, OSError):  # macOS, or a kernel before 5.3
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
        import psutil  # only where a process has no descriptor

        try:
            process = psutil.Process(
                self.pid
            )  # which knows when it began, and signals no later one
            if not self.alive():
                return False
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied as error:
            raise PermissionError(str(error)) from None
        return True

    def command(self) -> list[str]:
        """The words that the process was started with; none if it is gone, or not of here."""
        import psutil  # only to signal it

        if not self.alive():
            return []
        try:
            return psutil.Process(self.pid).cmdline()
        except psutil.Error:
            return []

    def wait(self, seconds: float) -> bool:
        """Wait until the process of this machine is gone; False if `seconds` passed first."""
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def held(self) -> bool:
        """Whether a signal (SIGSTOP, Ctrl-Z) keeps the living process of this machine from running."""
        return bool(self.alive()) and _stat(self.pid)[:1] in (["T"], ["t"])


UNKNOWN = Identity(host="", boot="", pid=0, start=0)
"""Whoever made a claim that cannot be read now: nobody can tell whether they live."""


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
    """The pid namespace of this process; empty where there is no such thing."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start(pid: int) -> int | None:
    """Start ticks of a living process; None if there is none, or only its unreaped remains."""
    fields = _stat(pid)
    if not fields:
        return None if Path("/proc/self/stat").exists() else _start_elsewhere(pid)
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _stat(pid: int) -> list[str]:
    """What /proc says of a process, from its state on; empty if it says nothing."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _start_elsewhere(pid: int) -> int | None:
    import psutil  # only where there is no /proc

    try:
        return int(psutil.Process(pid).create_time() * 1000)
    except psutil.Error:
        return None
