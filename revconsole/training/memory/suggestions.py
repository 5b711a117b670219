"""Suggestions: settings with which a step needs less memory than at present, each with what it is foreseen to need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from pydantic import ValidationError

from revconsole.errors import RevconsoleError
from revconsole.records.sections import Backward
from revconsole.records.sections.rule import Rule
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan
from revconsole.training.memory.needed import MemorySettings, needed, settings_of
from revconsole.training.setup.training_state import TrainingState

WAYS = 3
FINE = {"float32", "tf32"}
"""Precisions whose activations take four bytes per number."""
MARGIN = 0.9
"""Fraction of a GPU's memory that a prediction may fill; the rest covers what is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Settings to add on the command line, and the bytes a step then needs; None if they could not be counted."""

    settings: str
    needed: int | None = None


def suggestions(state: TrainingState) -> tuple[int | None, list[Suggestion]]:
    """(bytes of a step at present, up to three settings that need less).

    If the step cannot be foreseen: None, and suggestions without figures.
    """
    plan, now = state.plan, settings_of(state.plan, state.micro_batch)
    present = _foreseen(state, now)
    fine = now.precision in FINE
    coarse = _possible(state, [replace(now, precision="bf16")] if fine else [])
    sparing = _possible(state, [replace(now, backward=word) for word in _sparing(plan)])
    smaller = []
    for choice in candidates(now, _fitting(state, now), sparing=sparing, coarse=coarse):
        need = _foreseen(state, choice)
        if need is None or present is None or need < present:
            smaller.append(Suggestion(settings=choice.beyond(now, plan.train.batch), needed=need))
        if len(smaller) == WAYS:
            break
    return present, smaller


def plain_suggestions(plan: Plan) -> list[Suggestion]:
    """Suggestions without figures, for a plan that could not be realised."""
    now = settings_of(plan, plan.train.micro_batch)
    words, fine = _sparing(plan), now.precision in FINE
    choices = candidates(
        now,
        smaller_sizes(plan.train.batch, now.micro_batch),
        sparing=replace(now, backward=words[0]) if words else None,
        coarse=replace(now, precision="bf16") if fine else None,
    )
    return [Suggestion(settings=c.beyond(now, plan.train.batch)) for c in choices][:WAYS]


def candidates(
    now: MemorySettings,
    sizes: Sequence[int],
    *,
    sparing: MemorySettings | None,
    coarse: MemorySettings | None,
) -> Iterator[MemorySettings]:
    """Settings that may need less: each change alone, then combined, then still smaller micro-batches.

    sizes: of micro-batches, largest first. sparing, coarse: the present settings with another backward, in bf16.
    """
    smaller = [replace(now, micro_batch=size) for size in sizes[:1]]
    yield from smaller
    yield from (choice for choice in (sparing, coarse) if choice)
    if sparing and coarse:
        yield replace(sparing, precision=coarse.precision)
    for other in (choice for choice in (sparing, coarse) if choice):
        yield from (replace(other, micro_batch=choice.micro_batch) for choice in smaller)
    yield from (replace(now, micro_batch=size) for size in sizes[1:])


def smaller_sizes(batch: int, micro_batch: int) -> list[int]:
    """Divisors of the batch up to half the micro-batch, largest first."""
    return [n for n in range(micro_batch // 2, 0, -1) if batch % n == 0]


def _fitting(state: TrainingState, now: MemorySettings) -> list[int]:
    """Smaller micro-batches, starting with the largest foreseen to fit a GPU; all of them on other devices."""
    sizes = smaller_sizes(state.plan.train.batch, now.micro_batch)
    if state.device.type != "cuda":
        return sizes
    free, _ = torch.cuda.mem_get_info(state.device)
    available = MARGIN * (free + torch.cuda.memory_reserved(state.device))
    needs = [_foreseen(state, replace(now, micro_batch=n)) for n in sizes]
    return [
        n for n, need in zip(sizes, needs, strict=True) if need is not None and need <= available
    ] or sizes[-1:]


def _foreseen(state: TrainingState, choice: MemorySettings) -> int | None:
    """Bytes of a step with these settings; None if they are impossible, or their model cannot be traced."""
    try:
        return needed(state, choice)
    except RevconsoleError:
        return None


def _possible(state: TrainingState, choices: Sequence[MemorySettings]) -> MemorySettings | None:
    """The first choice that this model and device allow; None if there is none."""
    return next((choice for choice in choices if _foreseen(state, choice) is not None), None)


def _sparing(plan: Plan) -> list[Backward]:
    """Backwards that keep less than the plan's, the least first, as far as the plan tells."""
    words: list[Backward] = ["reversible", "checkpointed"]
    allowed = [word for word in words if _allowed(plan, word)]
    return allowed[: allowed.index(plan.backward)] if plan.backward in allowed else allowed


def _allowed(plan: Plan, backward: Backward) -> bool:
    try:
        growth.refuse_lost(Plan.model_validate(plan.model_dump() | {"backward": backward}))
    except (ValidationError, Rule):
        return False
    return True
