"""Host: processors, memory, disk and cards of this machine at one moment, read without torch."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from revconsole.records.nvml import Gpu, Nvml

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
CONTAINER_USED = Path("/sys/fs/cgroup/memory.current")
"""Files in which Linux keeps the memory limit of a container, and what counts against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a machine has, and how much of it is in use, by every process. Bytes; None is unknown.

    use: share of the time of all cores since the last reading; None at the first. load: processes that run or wait for a
    core, over the last minute. memory_free, memory_total: within the limit of the container, if there is one. disk_free,
    disk_total: of the file system with the store.
    """

    host: str
    cores: int
    use: float | None
    load: float | None
    memory_free: int
    memory_total: int
    swap_used: int | None
    disk_free: int | None
    disk_total: int | None
    gpus: tuple[Gpu, ...] = ()
    driver: bool = False
    """Whether NVIDIA's driver answered."""

    @property
    def memory_used(self) -> int:
        """Bytes that are not free."""
        return self.memory_total - self.memory_free


class HostReader:
    """Reads the machine again and again. folder: a folder, perhaps still to be made, on the disk of interest."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._nvml = folder, Nvml.open()
        self._times = _core_seconds()

    def read(self) -> Host:
        """The machine now; takes about a millisecond, and a few for each card."""
        free, total = memory()
        disk = _disk(self._folder)
        return Host(
            host=socket.gethostname(),
            cores=cores(),
            use=self.use(),
            load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            memory_free=free,
            memory_total=total,
            swap_used=_swap(),
            disk_free=disk.f_bavail * disk.f_frsize if disk else None,
            disk_total=disk.f_blocks * disk.f_frsize if disk else None,
            gpus=self.gpus(),
            driver=self._nvml is not None,
        )

    def use(self) -> float | None:
        """Share of the time of all cores in which they computed since the last call; None if no time has passed."""
        before, self._times = self._times, _core_seconds()
        busy, all_ = (now - then for now, then in zip(self._times, before, strict=True))
        return min(1.0, max(0.0, busy / all_)) if all_ > 0 else None

    def gpus(self) -> tuple[Gpu, ...]:
        """The cards now."""
        return self._nvml.gpus() if self._nvml else ()

    def close(self) -> None:
        """End the session with the driver."""
        if self._nvml:
            self._nvml.close()


def threads_of_rank(ranks: int) -> int:
    """Threads of each of so many ranks, which share the cores of this machine."""
    return max(1, (os.cpu_count() or 1) // ranks)


def cores() -> int:
    """Cores that this process may use."""
    import psutil  # as in `memory`

    try:
        allowed = psutil.Process().cpu_affinity()
    except AttributeError:  # macOS ties no process to cores
        allowed = None
    return len(allowed or ()) or os.cpu_count() or 1


def memory() -> tuple[int, int]:
    """Free and total bytes of this machine, or of its container."""
    import psutil  # 50 ms: only when the machine is read

    now = psutil.virtual_memory()
    free, total = int(now.available), int(now.total)
    try:
        limit, used = (int(path.read_text("ascii")) for path in (CONTAINER_LIMIT, CONTAINER_USED))
    except (OSError, ValueError):  # no container, or "max"
        return free, total
    return max(0, min(free, limit - used)), min(total, limit)


def _core_seconds() -> tuple[float, float]:
    """Seconds in which cores computed, and all seconds, over every core since the boot."""
    import psutil  # as in `memory`

    times = psutil.cpu_times()._asdict()
    idle = times.get("idle", 0.0) + times.get("iowait", 0.0)
    inside = times.get("guest", 0.0) + times.get("guest_nice", 0.0)  # Linux counts it twice
    all_ = sum(times.values()) - inside
    return all_ - idle, all_


def _swap() -> int | None:
    import psutil  # as in `memory`

    try:
        return int(psutil.swap_memory().used)
    except (OSError, RuntimeError):  # some containers hide it
        return None


def _disk(folder: Path) -> os.statvfs_result | None:
    """The file system of the folder, or of the nearest one above it that exists."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            return os.statvfs(place)
        except OSError:
            continue
    return None
