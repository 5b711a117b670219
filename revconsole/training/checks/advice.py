"""Advice: what an experienced colleague would say before a run trains, and about its gradients.

`records.prelaunch` has what the settings alone tell, and `training.advice` what is said while a run trains. Each
function examines one thing of the data, the model or the machine and returns a sentence or None. To add one, write it
and list it in `OF_NETWORKS`.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence

import torch

from revconsole.data import doubts
from revconsole.records.logs.events import Advised
from revconsole.records.prelaunch import PlannedRun, advise
from revconsole.records.prelaunch.origin import origin_of
from revconsole.records.settings import growth
from revconsole.training.machine import devices
from revconsole.training.setup.norms import normed_over_parts
from revconsole.training.setup.rebuilt import error_growth, rebuilt_blocks
from revconsole.training.setup.training_state import TrainingState

WRONG_ACTIVATIONS = {"float32": 0.1, "tf32": 1.0, "bf16": 1.0, "fp16": 1.0}
"""Relative error of rebuilt activations above which gradients may be wrong, by precision."""
WRONG_GRADIENTS = "wrong gradients"
FROZEN_SHARE = 0.05
AdviceCheck = Callable[[TrainingState], Advised | None]
OF_DATA = "data"
"""Rule name of advice about the images."""


def before_training(
    state: TrainingState, checks: Sequence[AdviceCheck], *, resumed: bool = False
) -> Iterator[Advised]:
    """The advice before the first step. resumed: omit what an earlier attempt has said already."""
    if not resumed:
        yield from of_data(state)
        yield from of_settings(state)
    for check in checks:
        advised = None if resumed and check not in OF_THE_MACHINE else check(state)
        if advised is not None:
            yield advised


def of_data(state: TrainingState) -> Iterator[Advised]:
    """Advice about the images, independent of the model."""
    labelled = state.objective.labelled
    for doubt in doubts(state.data, state.plan.data, labelled=labelled):
        yield Advised(level=doubt.level, text=doubt.text, rule=OF_DATA)


def of_settings(state: TrainingState) -> Iterator[Advised]:
    """Warnings about the settings, with the images and the norms that there are; notes are said at the launch only."""
    run = PlannedRun(
        plan=state.plan,
        images=len(state.data.train),
        origin=origin_of(state.plan),
        batch_norm=normed_over_parts(state.model),
    )
    yield from (advised for advised in advise(run) if advised.level == "warning")


def passed_over(state: TrainingState) -> Advised | None:
    """A warning if the run is on the CPU although there is a GPU, which torch cannot use."""
    if state.device.type != "cpu" or state.plan.train.device != "auto":
        return None
    why = devices.passed_over()
    return _warning(f"this run trains on the CPU: {why}") if why else None


def crowded(state: TrainingState) -> Advised | None:
    """A warning if there are more threads than cores."""
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    if state.device.type != "cpu" or threads <= cores:
        return None
    return _warning(
        f"{threads} threads on {cores} cores get in each other's way; lower train.threads"
    )


def busy(state: TrainingState) -> Advised | None:
    """A note if the machine's load exceeds its cores."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    if state.device.type != "cpu" or load <= cores:
        return None
    return _note(
        f"load average {load:.1f} on {cores} cores: timings of this run are not comparable with those of a "
        "quiet machine"
    )


def growing_error(state: TrainingState) -> Advised | None:
    """A warning if the rounding error of the reconstruction grows too far with depth."""
    plan, carried = state.plan, error_growth(state)
    if carried is None or not growth.worrying(plan, carried):
        return None
    return _warning(f"reconstruction: {growth.sentence(plan, carried, rebuilt_blocks(state))}")


def mostly_frozen(state: TrainingState) -> Advised | None:
    """A note if hardly any parameters train."""
    counts = [(p.numel(), p.requires_grad) for p in state.model.parameters()]
    total = sum(count for count, _ in counts)
    trained = sum(count for count, trains in counts if trains)
    if trained > FROZEN_SHARE * total:
        return None
    return _note(f"only {trained:,} of {total:,} parameters train")


def wrong_gradients(
    state: TrainingState, *, error: float, block: int, gradient_error: float | None
) -> Advised | None:
    """An alarm if a probe found wrong gradients.

    error: largest relative error of activations, in block `block`. gradient_error: of the whole gradient; None if
    unknown.
    """
    plan = state.plan
    wrong = growth.wrong(plan, gradient_error)
    if not wrong and error <= WRONG_ACTIVATIONS[plan.train.precision]:
        return None
    off = "" if gradient_error is None else f", off by {_times(gradient_error)} their size"
    what = "wrong" if wrong else "perhaps wrong"
    return Advised(
        level="alarm",
        rule=WRONG_GRADIENTS,
        text=f"the gradients of this run are {what}{off}: stop it and use {growth.REMEDY}; its backward "
        f"rebuilds the input of block {block} with an error of {_times(error)} its size",
    )


def _times(error: float) -> str:
    """A relative error in words: a percentage, or a multiple."""
    if not math.isfinite(error):
        return "no finite multiple of"
    return f"{error:.1%} of" if error < 10 else f"{error:.1e} times"


def _warning(text: str) -> Advised:
    return Advised(level="warning", text=text)


def _note(text: str) -> Advised:
    return Advised(level="note", text=text)


OF_THE_MACHINE = (crowded, busy, passed_over)
"""Checks that are repeated after a resume, because the machine may have changed."""
OF_NETWORKS = (*OF_THE_MACHINE, growing_error, mostly_frozen)
