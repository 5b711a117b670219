"""Rule: when something is said of a running training, and what."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Literal

from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

Level = Literal["note", "warning", "alarm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule has found.

    evidence: the numbers, in a sentence. action: the one thing to do next. verb: of the command that does it, on the
    profile with the settings of this run. settings: what is typed behind those.
    """

    evidence: str
    action: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    verb: str = "train"

    @property
    def text(self) -> str:
        """Evidence and action in one sentence."""
        return f"{self.evidence}; {self.action}"


def with_rate(rate: float) -> Mapping[str, float]:
    """The setting of a learning rate, with as many digits as its advice names."""
    return {"optimizer.learning_rate": float(f"{rate:.2g}")}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRule:
    """One rule.

    name: what is wrong, in a word or two, as the state of the run shows it. look: a pure function of the run and what
    was seen of it; None where there is nothing to say. over: in words why it is over, None while it lasts; without it
    the rule speaks once per run, because its condition comes and goes with noise. unless: rules that tell more of the
    same: while one of them stands, this one is not asked.
    """

    name: str
    level: Level
    look: Callable[[WatchedRun, WatchedSoFar], Finding | None]
    over: Callable[[WatchedRun, WatchedSoFar], str | None] | None = None
    unless: AbstractSet[str] = frozenset()
