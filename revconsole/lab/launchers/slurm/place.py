"""A place of the configuration where Slurm jobs train: `slurm` is `[place.slurm]`, `slurm:big` is `[place.slurm.big]`."""

from dataclasses import dataclass, replace
from typing import Any, Self

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.config.config import Config
from revconsole.records.config.slurm_options import NAMED, SECTION, SLURM_OPTIONS, seconds

KIND = "slurm"
EARLY_SECONDS = 60
"""Slurm sends the signal before the limit up to so long too early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmPlace:
    """What sbatch is asked for; see `slurm_options` for each. Empty texts and zeros leave it to the cluster."""

    name: str
    partition: str = ""
    account: str = ""
    time: str = ""
    gpus: str = "1"
    nodes: int = 1
    cpus: int = 0
    at_once: int = 0
    signal_seconds: int = 120
    setup: tuple[str, ...] = ()
    python: str = ""
    options: tuple[str, ...] = ()

    @property
    def seconds(self) -> int | None:
        """The time limit; None if the partition decides."""
        return seconds(self.time) if self.time else None

    def sized(self, ranks: int) -> Self:
        """The place with one GPU for each rank. Raises ProfileError if its nodes cannot share them."""
        kind, _, count = self.gpus.rpartition(":")
        if ranks % self.nodes:
            near = max(self.nodes, ranks - ranks % self.nodes)
            raise ProfileError(
                "the plan",
                "train.gpus",
                f"{ranks} cannot be shared alike by the {self.nodes} nodes of {self.name}: set it to {near}",
            )
        if ranks == 1 or count == "0":
            return self
        each = str(ranks // self.nodes)
        return replace(self, gpus=f"{kind}:{each}" if kind else each)

    @classmethod
    def of(cls, config: Config, name: str) -> Self:
        """The place of that name. Raises UnknownName, and ProfileError for a limit that leaves no time to train."""
        known = names(config)
        if name not in known:
            raise UnknownName("place", name, known)
        section = SECTION if name == KIND else f"{SECTION}.{name.partition(':')[2]}"
        values: dict[str, Any] = {}
        for option in SLURM_OPTIONS:
            key = option.key.removeprefix(f"{SECTION}.")
            values[key] = config.values.get(f"{section}.{key}", config.values[option.key])
        place = cls(name=name, **values)
        least = place.signal_seconds + EARLY_SECONDS
        if place.seconds is not None and place.seconds <= least:
            raise ProfileError(
                "the configuration",
                f"{section}.time",
                f"{place.time} leaves no time to train: the run saves itself up to {least} s before the limit; ask for "
                "more, or lower signal_seconds",
            )
        return place


def names(config: Config) -> tuple[str, ...]:
    """The names of all places."""
    matches = [NAMED.fullmatch(key) for key in config.values]
    return (KIND, *dict.fromkeys(f"{KIND}:{match['place']}" for match in matches if match))
