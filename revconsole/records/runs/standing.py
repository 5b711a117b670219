"""Standing: the words for how a run stands, and what rules have said of it."""

from dataclasses import dataclass
from typing import Literal

State = Literal[
    "queued", "starting", "running", "stalled", "pausing", "paused", "stopping",
    "finished", "pruned", "stopped", "failed", "out of memory", "killed", "lost", "damaged",
]  # fmt: skip
ENDED: frozenset[str] = frozenset(
    {"finished", "pruned", "stopped", "failed", "out of memory", "killed", "lost", "damaged"}
)
"""States that only a resume can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAdvice:
    """What a rule said of a run at a step; see `Advised`."""

    level: Literal["note", "warning", "alarm"]
    rule: str
    step: int
    text: str
    command: str = ""
