"""Clock: what time it is where a store lies, for times of change are stamped there, by a file server say.

The clocks of two machines differ by seconds or, set wrongly, by days; the age of a file is told by one of them alone.
"""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 60.0
"""How long a look at the other clock is good for; meanwhile time is counted by one that nobody sets."""

_looks: dict[int, tuple[float, float]] = {}
"""By device: when it was looked at, by the clock that nobody sets, and what the file system said then."""


def now_at(folder: Path) -> float:
    """Seconds since 1970 by the clock of the file system of a folder.

    A file without a name is made there, once a minute at most. Where nothing can be written, the clock of this machine.
    """
    with suppress(OSError):
        device, now = folder.stat().st_dev, time.monotonic()
        look = _looks.get(device)
        if look is None or not 0 <= now - look[0] < KEPT_SECONDS:
            look = _looks[device] = (now, _stamped(folder))
        return look[1] + now - look[0]
    return time.time()


def age(path: Path) -> float:
    """Seconds since a file was last changed; below 0 for one of the future. Raises OSError."""
    return now_at(path.parent) - path.stat().st_mtime


def _stamped(folder: Path) -> float:
    """The time that a new file gets. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime
