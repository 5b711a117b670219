"""Foreseen: what is known of a plan before it is trained, read from the user's cache without torch, or made in a process."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from revconsole.records.foresight import cache, counts
from revconsole.records.foresight.foresight import Foresight, Kind
from revconsole.records.logs.events import Scalar
from revconsole.records.settings.plan import Plan

FITTED = "a support vector machine is fitted at once: its memory depends on the images"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Counts of a model and the memory of its step. why_not: why either is missing, or what is uncertain about it."""

    counts: Mapping[str, Scalar] | None = None
    foresight: Foresight | None = None
    why_not: str = ""

    def as_line(self) -> str:
        """As one line of JSON."""
        return _ADAPTER.dump_json(self).decode()

    @staticmethod
    def from_line(line: str) -> "Foreseen":
        """What `as_line` wrote. Raises ValidationError."""
        return _ADAPTER.validate_json(line)

    def keep(self, plan: Plan, kind: Kind) -> None:
        """Keep it in the user's cache. Raises as `cache.key` does."""
        if self.counts is not None:
            counts.keep(plan, self.counts)
        if self.foresight is not None:
            for backward, step in self.foresight.steps.items():
                cache.keep(cache.key(plan, backward, kind), step)
            for backward, reason in self.foresight.left_out.items():
                cache.keep(cache.key(plan, backward, kind), reason)


def known(plan: Plan, kind: Kind) -> Foreseen | None:
    """What the cache knows of a plan; None if its counts are missing, or its memory. Raises as `cache.key` does."""
    counted = counts.known(plan)
    if counted is None:
        return None
    if plan.fitted:
        return Foreseen(counts=counted, why_not=FITTED)
    foresight = cache.known(plan, kind)
    return None if foresight is None else Foreseen(counts=counted, foresight=foresight)


_ADAPTER: TypeAdapter[Foreseen] = TypeAdapter(Foreseen)
