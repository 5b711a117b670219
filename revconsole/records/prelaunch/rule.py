"""LaunchRule: when something is said of a run before it trains."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from revconsole.records.prelaunch.planned_run import PlannedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRule:
    """One rule.

    name: what is odd, in a word or two. level: a warning is recorded by the run as well. look: a function of the
    planned run; the sentence has the figures, what is usual with its source, and the setting to change. Empty where
    there is nothing to say.
    """

    name: str
    level: Literal["note", "warning"]
    look: Callable[[PlannedRun], str]
