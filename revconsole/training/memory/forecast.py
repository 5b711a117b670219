"""Forecast: the memory of a training step under other settings, counted on a few images.

    needed = fixed part (parameters, buffers, optimiser, gradients, images of the dataset)
           + what the forward keeps for its backward, which is linear in the number of images

Two measured points give the line. Temporary memory within a step is not included.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch
from pydantic import ValidationError

from revconsole.errors import RevconsoleError
from revconsole.records.sections import Backward
from revconsole.records.sections.rule import Rule
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan
from revconsole.reversible import rewire, sequences
from revconsole.training.machine import precision
from revconsole.training.machine.shortage import Shortage, catching_oom, release_memory
from revconsole.training.probes import metrics
from revconsole.training.setup.build import scheme_of
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import state_needed, state_present, trained

FEW, MORE = 2, 4
"""Numbers of images at the two points; BatchNorm would refuse a single one."""
WAYS = 3
FINE = {"float32", "tf32"}
"""Precisions whose activations take four bytes per number."""
MARGIN = 0.9
"""Fraction of a GPU's memory that a prediction may fill; the rest covers what is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """The settings that determine the memory of a step."""

    micro_batch: int
    backward: Backward
    precision: str

    def beyond(self, now: "MemorySettings", batch: int) -> str:
        """The overrides that turn `now` into this choice, as command-line text."""
        overrides = {
            "train.accumulate": batch // self.micro_batch,
            "backward": self.backward,
            "train.precision": self.precision,
        }
        changed = [self.micro_batch != now.micro_batch, self.backward != now.backward]
        changed.append(self.precision != now.precision)
        return " ".join(
            f"{k}={v}" for (k, v), c in zip(overrides.items(), changed, strict=True) if c
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Settings to add on the command line, and the bytes a step then needs; None if they could not be counted."""

    settings: str
    needed: int | None = None


class MemoryForecast:
    """Counts the memory of the present model under other settings. Rewires the model, so it cannot train afterwards."""

    def __init__(self, state: TrainingState) -> None:
        self._state, self._fixed = state, fixed_bytes(state)
        images, labels = next(state.training_batches(1))
        self._images, self._labels = images[:MORE].clone(), labels[:MORE].clone()
        self._lines: dict[tuple[Backward, str], dict[int, int]] = {}

    def needed(self, choice: MemorySettings) -> int | None:
        """Bytes of a step; None if there is not even memory to count. Raises RevconsoleError for an impossible
        choice.
        """
        kind = (choice.backward, choice.precision)
        if kind not in self._lines:
            line = catching_oom(partial(self._line, *kind), self._state.device)
            release_memory(self._state.optimizer)
            self._lines[kind] = {} if isinstance(line, Shortage) else line
        points = self._lines[kind]
        return self._fixed + interpolated(points, choice.micro_batch) if points else None

    def _line(self, backward: Backward, word: str) -> dict[int, int]:
        state = self._state
        _switch(state, backward)
        arithmetic = precision.prepare(word, state.device)
        counts = {min(FEW, len(self._labels)), len(self._labels)}
        return {
            n: metrics.kept_by(state, self._images[:n], self._labels[:n], arithmetic)
            for n in counts
        }


def suggestions(state: TrainingState) -> tuple[int | None, list[Suggestion]]:
    """(bytes of a step at present, up to three settings that need less).

    If there is not even memory to count: None, and suggestions without figures.
    """
    if state.fitted:
        return None, plain_suggestions(state.plan)
    plan, now = state.plan, choice_of(state.plan, state.micro_batch)
    forecast = catching_oom(partial(MemoryForecast, state), state.device)
    if isinstance(forecast, Shortage):
        return None, plain_suggestions(plan)
    # The present backward is counted first, because counting another one rewires the model.
    present = forecast.needed(now)
    fine = now.precision in FINE
    coarse = _possible(forecast, [replace(now, precision="bf16")] if fine else [])
    sizes = _fitting(state, forecast, now)
    sparing = _possible(forecast, [replace(now, backward=word) for word in _sparing(plan)])
    smaller = []
    for choice in candidates(now, sizes, sparing=sparing, coarse=coarse):
        needed = forecast.needed(choice)
        if needed is None or present is None or needed < present:
            smaller.append(Suggestion(settings=choice.beyond(now, plan.train.batch), needed=needed))
    return present, smaller[:WAYS]


def plain_suggestions(plan: Plan) -> list[Suggestion]:
    """Suggestions without figures, for a plan that could not be realised. A fitted model needs fewer images."""
    if plan.fitted:
        images = plan.data.train_limit or plan.shipped_images
        return [Suggestion(settings=f"data.train_limit={images // 2}")] if images else []
    now = choice_of(plan, plan.train.batch // plan.train.accumulate)
    words, fine = _sparing(plan), now.precision in FINE
    choices = candidates(
        now,
        smaller_sizes(plan.train.batch, now.micro_batch),
        sparing=replace(now, backward=words[0]) if words else None,
        coarse=replace(now, precision="bf16") if fine else None,
    )
    return [Suggestion(settings=c.beyond(now, plan.train.batch)) for c in choices][:WAYS]


def choice_of(plan: Plan, micro_batch: int) -> MemorySettings:
    """The plan's settings with micro-batches of that size."""
    return MemorySettings(
        micro_batch=micro_batch, backward=plan.backward, precision=plan.train.precision
    )


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


def fixed_bytes(state: TrainingState) -> int:
    """Bytes that stay from step to step, including gradients."""
    gradients: int = sum(p.nbytes for p in trained(state))
    present = state_present(state)
    optimizer_bytes = present or state_needed(state)
    if state.device.type == "cuda":
        return torch.cuda.memory_allocated(state.device) - present + optimizer_bytes + gradients
    data = state.data
    images: int = sum(split.images.nbytes for split in (data.train, data.validation, data.test))
    model: int = sum(t.nbytes for t in (*state.model.parameters(), *state.model.buffers()))
    return model + gradients + optimizer_bytes + images


def interpolated(points: dict[int, int], images: int) -> int:
    """Linear interpolation through two measured points (images → bytes); with one point, that value."""
    (few, less), (more, most) = min(points.items()), max(points.items())
    if few == more or images in points:
        return points.get(images, most)
    return max(0, round(less + (images - few) * (most - less) / (more - few)))


def _fitting(state: TrainingState, forecast: MemoryForecast, now: MemorySettings) -> list[int]:
    """Smaller micro-batches, starting with the largest predicted to fit a GPU; all of them on other devices."""
    sizes = smaller_sizes(state.plan.train.batch, now.micro_batch)
    if state.device.type != "cuda":
        return sizes
    free, _ = torch.cuda.mem_get_info(state.device)
    available = MARGIN * (free + torch.cuda.memory_reserved(state.device))
    needs = [forecast.needed(replace(now, micro_batch=n)) for n in sizes]
    return [
        n for n, need in zip(sizes, needs, strict=True) if need is not None and need <= available
    ] or sizes[-1:]


def _possible(forecast: MemoryForecast, choices: Sequence[MemorySettings]) -> MemorySettings | None:
    """The first choice that this model and device allow; None if there is none."""
    for choice in choices:
        with suppress(RevconsoleError):
            forecast.needed(choice)
            return choice
    return None


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


def _switch(state: TrainingState, backward: Backward) -> None:
    """Give the model's blocks another backward, wiring a plain network first."""
    if backward in {"auto", state.plan.backward}:
        return
    stacks = sequences(state.encoder)
    if not stacks:
        encoder = getattr(state.encoder, "trunk", state.encoder)  # a model of several views
        rewire(encoder, scheme=scheme_of(state.plan), backward=backward)
    for stack in stacks:
        stack.backward = backward
