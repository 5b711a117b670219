"""Clock: the time where a store lies: a file server stamps files with its own clock, which may be days off."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 60.0
"""Seconds for which one reading of the other clock is used; meanwhile the monotonic clock counts."""

_readings: dict[int, tuple[float, float]] = {}
"""Readings by device: (monotonic time of the reading, time by the file system's clock at that moment)."""


def now_at(folder: Path) -> float:
    """Seconds since 1970 by the clock of a folder's file system; by this machine's if nothing can be written there."""
    with suppress(OSError):
        device, now = folder.stat().st_dev, time.monotonic()
        reading = _readings.get(device)
        if reading is None or not 0 <= now - reading[0] < KEPT_SECONDS:
            reading = _readings[device] = (now, _stamped(folder))
        return reading[1] + now - reading[0]
    return time.time()


def age(path: Path) -> float:
    """Seconds since a file was last changed; negative for a time in the future. Raises OSError."""
    stamp = path.stat()
    passed = now_at(path.parent) - stamp.st_mtime
    if passed < 0 and stamp.st_dev in _readings:  # the clock was set since it was read
        _readings.pop(stamp.st_dev)
        passed = now_at(path.parent) - stamp.st_mtime
    return passed


def _stamped(folder: Path) -> float:
    """The modification time that a new file in the folder gets. Raises OSError."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime
