"""Needed: the memory of a training step with the present or with other settings, as foreseen, and the images with it.

Counted is what tensors take; on CUDA what the caching allocator reserves for them.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from revconsole.errors import RevconsoleError
from revconsole.records.foresight.foresight import Kind, StepMemory, reserved
from revconsole.records.sections import Backward
from revconsole.records.settings.plan import Plan
from revconsole.training.foresee.foresee import foresee, mixture
from revconsole.training.machine import precision
from revconsole.training.memory.budget import backwards
from revconsole.training.setup.training_state import TrainingState


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


def settings_of(plan: Plan, micro_batch: int) -> MemorySettings:
    """The plan's settings with micro-batches of that size."""
    return MemorySettings(
        micro_batch=micro_batch, backward=plan.backward, precision=plan.train.precision
    )


def needed(state: TrainingState, choice: MemorySettings) -> int:
    """Bytes of a step with these settings, and of the images beside it. Nothing of the state changes.

    With `auto` the blocks are taken as they are in the state. Raises RevconsoleError for an impossible choice.
    """
    precision.prepare(choice.precision, state.device)
    step = _step(state, _with(state.plan, choice), choice.backward)
    accumulate = max(1, state.plan.train.batch // choice.micro_batch)
    peak = step.peak(choice.micro_batch, accumulate).total
    if step.log is not None:
        peak = max(peak, reserved(step.log, choice.micro_batch, accumulate).reserved)
    return peak + _image_bytes(state)


def _step(state: TrainingState, plan: Plan, backward: Backward) -> StepMemory:
    kind: Kind = "cuda" if state.device.type == "cuda" else "cpu"
    if backward == "auto":
        known = state.foreseen if plan == state.plan else None
        return known or mixture(plan, kind, backwards(state))
    return foresee(plan, kind, backwards=[backward]).steps[backward]


def _with(plan: Plan, choice: MemorySettings) -> Plan:
    """The plan with that precision and backward. Raises RevconsoleError if its settings then contradict each other."""
    train = plan.train.model_dump() | {"precision": choice.precision}
    try:
        return Plan.model_validate(
            plan.model_dump() | {"train": train, "backward": choice.backward}
        )
    except ValidationError as error:
        raise RevconsoleError(str(error.errors()[0]["msg"])) from error


def _image_bytes(state: TrainingState) -> int:
    """Bytes of the images of all splits on the device of the training."""
    splits = (state.data.train, state.data.validation, state.data.test)
    return sum(s.images.nbytes for s in splits if s.images.device.type == state.device.type)
