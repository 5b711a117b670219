"""Measured: the pace of plans whose steps were measured once on a device, in the user's cache beside what was foreseen.

`plan --time`, the form and studies measure; the runs launched later record what was measured as their prediction.
"""

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from revconsole.records.foresight import cache

FORMAT = 2
"""Number of the way of measuring and of what is kept; another number is another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPace:
    """Seconds of an epoch with its evaluation and checkpoint, of what happens once, at the end, and how they were measured.

    step_seconds: of a training step, quartile, median, quartile. steps: those that were timed; 0 for a fit, of which a part
    was. at: Unix time. load, cores: load average of the machine when it began, and its cores.
    """

    epoch_seconds: float
    end_seconds: float
    step_seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)
    steps: int = 0
    at: float = 0.0
    load: float = 0.0
    cores: int = 1

    def seconds(self, epochs: int) -> float:
        """Seconds of a run of so many epochs."""
        return self.epoch_seconds * epochs + self.end_seconds


def known(pace_key: str, device_name: str) -> KeptPace | None:
    """What was measured on this device of plans with that key; None if nothing, or if the file is damaged."""
    return cache.read_as(_ADAPTER, _name(pace_key, device_name))


def keep(pace_key: str, device_name: str, pace: KeptPace) -> None:
    """Keep what was measured, or do nothing if the folder cannot be written."""
    cache.write(_name(pace_key, device_name), json.dumps(asdict(pace)).encode())


def _name(pace_key: str, device_name: str) -> str:
    return cache.digest(["pace", FORMAT, pace_key, device_name, cache.versions()])


_ADAPTER: TypeAdapter[KeptPace] = TypeAdapter(KeptPace)
