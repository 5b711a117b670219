"""Utilisation: the share of a device's peak that a training takes for its model, MFU (Chowdhery et al. 2022).

    MFU = 3 · operations of a forward pass of an image · images per second / peak operations per second

A backward counts as two forwards. What a reversible or checkpointed backward computes again is left out, so that MFU
compares trainings by what they achieve. It is known where the peak of the device is (see `records.card_peaks`), every
operation of the model is counted, all of its weights train, and it learns from labels: otherwise other operations are
done than are counted.
"""

from revconsole.records.card_peaks import peak
from revconsole.records.logs.block import REPORTED
from revconsole.records.logs.events import Event, Measured, MetricDeclared, Scalar
from revconsole.training.checks import cost
from revconsole.training.machine import devices
from revconsole.training.setup.training_state import TrainingState

PASSES = 3
"""Forward passes that a step is worth: a backward counts as two."""
SPEED = "images_per_second"
MFU = MetricDeclared(
    name="mfu", unit="fraction", per="step", direction="up",
    meaning="Operations of the model, forward and backward, per second, as a share of the device's peak; what a "
    "backward computes again is not counted.",
)  # fmt: skip


def device_peak(state: TrainingState) -> float | None:
    """Operations per second of the run's devices in its precision, one for each rank; None if they are not known."""
    each = peak(devices.device_name(state.device), state.plan.train.precision)
    return None if each is None else each * state.together.world


def seconds_at_peak(state: TrainingState) -> float | None:
    """Seconds that the device would take for an image at its peak; None where MFU is not known."""
    most = device_peak(state)
    if most is None or not state.objective.labelled or not _all_train(state):
        return None
    counted = cost.operations_of(state.plan, state.model)
    each = counted["multiply_adds_per_image"]
    if not isinstance(each, int) or "multiply_adds_note" in counted:
        return None
    return at_peak(each, most)


def at_peak(multiply_adds: int, operations_per_second: float) -> float:
    """Seconds for forward and backward of an image of so many multiply-adds in the forward pass."""
    return PASSES * 2 * multiply_adds / operations_per_second


def declared(seconds: float | None) -> tuple[MetricDeclared, ...]:
    """The metric, if the seconds at peak are known."""
    return () if seconds is None else (MFU,)


def facts(state: TrainingState) -> dict[str, Scalar]:
    """The peak of the device; empty if it is not known."""
    most = device_peak(state)
    return {} if most is None else {"device_peak_flops": most}


def utilised(event: Event, seconds: float | None) -> Event:
    """The event, with MFU where it is a report of speed."""
    if seconds is None or not isinstance(event, Measured) or REPORTED not in event.values:
        return event
    speed = event.values.get(SPEED)
    if speed is None:
        return event
    return event._replace(values={**event.values, MFU.name: speed * seconds})


def _all_train(state: TrainingState) -> bool:
    return all(weight.requires_grad for weight in state.model.parameters())
