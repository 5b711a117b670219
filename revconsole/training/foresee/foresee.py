"""Foresee: makes the Foresight of a plan from traces of its own step, or reads it from the user's cache.

The step is `compute_gradients` and `update_weights` of the training itself, on tensors without numbers, so accumulation,
clipping, smoothing, moving averages and objectives are what they are. It is recorded with micro-batches of two sizes
(once more with larger ones where operators depend on the size), in a few seconds of CPU whatever the size of the weights.
Runs whose weights move (scheme `coefficients`) are recorded at both ends of the way.

Generators are put back, but a run that trains in another thread of this process would be disturbed meanwhile.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.records.foresight import cache
from revconsole.records.foresight.foresight import ORDER, Foresight, Kind, StepMemory
from revconsole.records.foresight.parts import Moment
from revconsole.records.host import threads_of_rank
from revconsole.records.sections import Backward
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.scheme import CoefficientsSection
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan
from revconsole.reversible import Backward as BlockBackward
from revconsole.reversible import sequences
from revconsole.reversible.witness import unwatched
from revconsole.training.foresee.allocations import allocation_log
from revconsole.training.foresee.lines import highest_of, lines_of, through_peaks, upper
from revconsole.training.foresee.live_bytes import PARTS, Recording
from revconsole.training.foresee.pairing import paired
from revconsole.training.foresee.recorder import Recorder, address
from revconsole.training.foresee.shapes import STEPS, Untraceable, batch_of, refusing, shapes
from revconsole.training.foresee.within import within_kernels
from revconsole.training.machine import devices
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import trained
from revconsole.training.step.stepping import compute_gradients, update_weights

SIZES = ((5, 2), (11, 8))
"""Images of the two micro-batches that are recorded, the larger first; the latter pair only if operators depend on the number.

The sum is a prime, so that what grows with the whole batch can be told from what does not.
"""
NOTE = "its operators depend on the number of images, so its peak is the line through two peaks"


def foresee(
    plan: Plan, device: Kind = "cpu", *, backwards: Sequence[Backward] = ORDER, anew: bool = False
) -> Foresight:
    """The memory of the plan's step with each of these backwards that its model and scheme allow.

    anew: whether to trace also what the cache knows. Raises RevconsoleError for a fitted model and where none of the
    backwards is possible, and as `build_learner` does.
    """
    if plan.fitted:
        raise RevconsoleError(
            f"{plan.name} is fitted, not trained by gradients: its memory depends on the images"
        )
    steps: dict[Backward, StepMemory] = {}
    left_out: dict[Backward, str] = {}
    for backward in backwards:
        name = cache.key(plan, backward, device)
        known = None if anew else cache.read(name)
        if known is None:
            try:
                known = traced(plan, backward, device)
            except Untraceable as error:
                left_out[backward] = str(error)
                continue
            cache.keep(name, known)
        if isinstance(known, StepMemory):
            steps[backward] = known
        else:
            left_out[backward] = known
    if not steps:
        raise RevconsoleError(next(iter(left_out.values()), "no backward was asked for"))
    return Foresight(device=device, steps=steps, left_out=left_out)


def traced(plan: Plan, backward: Backward, device: Kind) -> StepMemory | str:
    """The memory of the plan's step with this backward, traced now; or why it is impossible."""
    began = time.process_time()
    try:
        wanted = Plan.model_validate(plan.model_dump() | {"backward": backward})
        growth.refuse_lost(wanted)
        ends = [_memory(wanted, device, number) for number in steps_to_trace(wanted)]
    except (ValidationError, Rule, NotInvertible) as error:
        return _reason(error)
    memory = ends[0] if len(ends) == 1 else _either(ends)
    return replace(memory, seconds=time.process_time() - began)


def mixture(plan: Plan, device: Kind, blocks: Sequence[Sequence[BlockBackward]]) -> StepMemory:
    """The memory of the plan's step whose blocks have these backwards, by sequence; traced now and not kept.

    Raises as `build_learner` does.
    """
    return _memory(plan, device, 1, blocks)


def _memory(
    plan: Plan, device: Kind, number: int, blocks: Sequence[Sequence[BlockBackward]] = ()
) -> StepMemory:
    """The memory of step `number` of the plan. blocks: backwards in place of the plan's."""
    with shapes(plan, device) as state:
        for stack, words in zip(sequences(state.encoder), blocks, strict=False):
            stack.backward = tuple(words)
        recordings = recordings_of(state, number)
    with devices.threads(threads_of(plan)):
        return step_memory(recordings, device)


def recordings_of(state: TrainingState, number: int) -> list[Recording]:
    """Step `number` recorded, and again with more images if its operators depend on their number. state: without numbers.

    Raises Untraceable.
    """
    recordings: list[Recording] = []
    with refusing(state.plan):
        for images in SIZES:
            recordings.append(recorded(state, images, number))
            if paired(recordings[-1]) is not None:
                break
    return recordings


def step_memory(recordings: Sequence[Recording], device: Kind) -> StepMemory:
    """The memory of a step. recordings: of `recordings_of`. Not to be called among fake tensors."""
    last, pairing = recordings[-1], paired(recordings[-1])
    lines = through_peaks(*recordings) if pairing is None else lines_of(last, pairing)
    inside: list[tuple[Moment, bool]] = []
    if pairing is not None and device == "cpu":
        inside.extend(within_kernels(lines, last, pairing))
    once = [*highest_of(lines, lines.once), *(moment for moment, is_once in inside if is_once)]
    several = [
        *highest_of(lines, np.ones_like(lines.once)),
        *(moment for moment, _ in inside),
    ]
    return StepMemory(
        once=upper(once),
        accumulated=upper(several),
        log=allocation_log(last, pairing) if pairing and device == "cuda" else None,
        note=NOTE if pairing is None else "",
        ranks=last.ranks,
        collected=last.collected,
    )


def recorded(state: TrainingState, images: tuple[int, int], number: int) -> Recording:
    """A step of two micro-batches of so many images, the larger first, recorded. state: without numbers, see `shapes`."""
    state.micro_batch, _ = images
    if state.average is not None:
        state.average.n_averaged = torch.tensor(
            1
        )  # a number that is known: it decides what is done
    batch = batch_of(state.plan, sum(images))
    standing = tuple(standing_tensors(state, batch))
    there = (*(tensor for _, tensor in standing), *state.model.parameters())  # also what is lent
    with unwatched(), Recorder(there) as recorder:
        step = compute_gradients(state, number, 1, images=batch[0], labels=batch[1])
        gradients = [recorder.number_of(w.grad) for w in trained(state) if w.grad is not None]
        update_weights(state, step)
    state.optimizer.zero_grad(set_to_none=True)
    return Recording(
        images=images,
        step=recorder.step,
        standing=tuple((part, tensor.untyped_storage().nbytes()) for part, tensor in standing),
        gradients=frozenset(each for each in gradients if each is not None),
        ranks=state.together.world,
        collected=collected(state),
    )


def standing_tensors(state: TrainingState, batch: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What is there before a step and after it, with its part; each storage once."""
    averages = (
        [] if state.average is None else [*state.average.parameters(), *state.average.buffers()]
    )
    own = (*state.model.parameters(), *state.model.buffers())
    of_weights = (values.values() for values in state.optimizer.state.values())
    groups: dict[str, list[Any]] = {
        "parameters": [*state.holding.here(own), *averages],
        "exchange": state.together.buffers(),
        "optimizer": [value for values in of_weights for value in values],
        "batch": list(batch),
    }
    seen: set[int] = set()
    for part, values in groups.items():
        for value in values:
            if isinstance(value, Tensor) and address(value) not in seen:
                seen.add(address(value))
                yield part, value


def collected(state: TrainingState) -> int:
    """Bytes of the first rank while it collects the whole state for a checkpoint; 0 where every rank has all of it.

    What the optimiser keeps of a matrix that another rank holds is taken to be in proportion to that of its own.
    """
    if state.holding.everything:
        return 0
    parameters, parts = list(state.model.parameters()), dict.fromkeys(PARTS, 0)
    for part, tensor in standing_tensors(state, ()):
        parts[part] += tensor.untyped_storage().nbytes()
    here = {id(p) for p in state.holding.here(parameters)}
    lacking = sum(p.nbytes for p in parameters if id(p) not in here)
    gradients = sum(p.nbytes for p in trained(state))
    return sum(parts.values()) + gradients + round(lacking * (1 + state_for_each(state)))


def state_for_each(state: TrainingState) -> float:
    """Bytes that the optimiser keeps for a byte of the matrices that this rank alone updates."""
    weights = trained(state)
    shared = {id(p) for p in weights} - {id(p) for p in state.holding.everywhere(weights)}
    own = [p for p in weights if id(p) in shared]
    kept = (v for p in own for v in state.optimizer.state[p].values() if isinstance(v, Tensor))
    return sum(value.nbytes for value in kept) / max(1, sum(p.nbytes for p in own))


def threads_of(plan: Plan) -> int | None:
    """Threads of the kernels that are measured; None for as many as there are."""
    several = plan.train.ranks > 1
    return plan.train.threads or (threads_of_rank(plan.train.ranks) if several else None)


def steps_to_trace(plan: Plan) -> tuple[int, ...]:
    """The steps that are traced: the first, and the last where weights of the scheme move in between."""
    return (1, STEPS) if isinstance(plan.scheme, CoefficientsSection) else (1,)


def _either(ends: Sequence[StepMemory]) -> StepMemory:
    """The memory of a run that begins like one of these and ends like the other."""
    return replace(
        ends[0],
        once=upper([moment for end in ends for moment in end.once]),
        accumulated=upper([moment for end in ends for moment in end.accumulated]),
    )


def _reason(error: Exception) -> str:
    """Why a backward is impossible, in one sentence."""
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return str(error)
