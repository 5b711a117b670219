"""Sharing: on how many GPUs of this machine a run fits that does not fit on one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from revconsole.errors import RevconsoleError
from revconsole.lab.outlook import Outlook, outlook
from revconsole.lab.room import kind_of
from revconsole.records import devices
from revconsole.records.runs.run import Summary
from revconsole.records.sections.rule import Rule
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFit:
    """The fewest GPUs that a run fits on. found: the outlook of one of them."""

    ranks: int
    shard: bool
    found: Outlook

    @property
    def settings(self) -> dict[str, Any]:
        """What is to be set for it."""
        return {"train.gpus": self.ranks} | ({"train.shard": True} if self.shard else {})


def shared_fit(too_large: Outlook, runs: Sequence[Summary] = ()) -> SharedFit | None:
    """How a run that does not fit on one GPU fits on several of those here; None if it need not, or does not.

    First with whole weights on each, then with shared ones; each try is a trace. runs: earlier ones, which correct.
    """
    plan = too_large.plan
    if too_large.verdict != "does not fit" or kind_of(plan) != "cuda" or plan.train.gpus != 1:
        return None
    for ranks, shard, shared in _ways(plan):
        found = outlook(shared, memory=too_large.memory, runs=runs)
        if found.verdict in {"fits", "tight"}:
            return SharedFit(ranks=ranks, shard=shard, found=found)
    return None


def _ways(plan: Plan) -> Iterator[tuple[int, bool, Plan]]:
    """The plan on each number of the GPUs here that its rules allow, with whole and with shared weights."""
    cards = [each for each in devices.candidates("auto") if each.startswith("cuda")]
    for ranks in range(2, len(cards) + 1):
        for shard in (False, True):
            content = plan.model_dump()
            parts = math.lcm(plan.train.accumulate, ranks)
            content["train"] |= {
                "gpus": ranks,
                "accumulate": parts,
                "shard": shard,
                "device": "cuda",
            }
            try:
                yield ranks, shard, Plan.model_validate(content)
            except (ValidationError, Rule, RevconsoleError):
                continue
