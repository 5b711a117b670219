"""Chosen: what each block keeps where backward `auto` has a budget, and the memory of the step, in the user's cache.

Made by `training.foresee.choosing` and read by `plan` and by the run itself, so that both say the same.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from revconsole.records.files import bounded
from revconsole.records.foresight import cache
from revconsole.records.foresight.foresight import Foresight, Kind, StepMemory
from revconsole.records.settings.plan import Plan

BlockWord = Literal["stored", "anchored", "checkpointed", "reversible"]
FORMAT = 1
"""Number of the way of choosing; another number is another key."""
MEBIBYTE = 2**20
SHARE_OF_FREE = 0.7
"""Share of the memory beside weights, gradients, optimiser state and images that a step may take where no budget is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenBlocks:
    """words: the backward of each block, by sequence. memory: of a step with them. text: the choice in words. fits: whether
    the step keeps within the budget.
    """

    words: tuple[tuple[BlockWord, ...], ...]
    memory: StepMemory
    text: str
    fits: bool


def budget_in(plan: Plan, foresight: Foresight, memory: float) -> int:
    """The budget of a training that has `memory` bytes for its step: the one that is set, else a share of what is left."""
    if plan.train.budget_mib:
        return plan.train.budget_mib * MEBIBYTE
    stands = foresight.steps["stored"].standing(plan.images_at_once)
    return max(1, int(SHARE_OF_FREE * (memory - stands)))


def known(plan: Plan, device: Kind, micro_batch: int, budget: int) -> ChosenBlocks | None:
    """What was chosen before; None if it never was, or the file is damaged. Raises as `cache.key` does."""
    name = _name(plan, device, micro_batch, budget)
    if name is None:
        return None
    try:
        content = bounded.read(cache.folder() / f"{name}.json", bounded.RECORD_BYTES)
        return _ADAPTER.validate_json(content)
    except (OSError, ValidationError):
        return None


def keep(plan: Plan, device: Kind, micro_batch: int, budget: int, what: ChosenBlocks) -> None:
    """Keep what was chosen, or do nothing if the folder cannot be written."""
    cache.write(_name(plan, device, micro_batch, budget), _ADAPTER.dump_json(what))


def _name(plan: Plan, device: Kind, micro_batch: int, budget: int) -> str | None:
    model = cache.key(plan, "auto", device)
    if model is None:
        return None
    decides = ["chosen", FORMAT, model, micro_batch, budget]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


_ADAPTER: TypeAdapter[ChosenBlocks] = TypeAdapter(ChosenBlocks)
