"""A rank of a test: it trains every plan that it is given, one after the other, together with the others."""

import gc
import json
import resource
from pathlib import Path

import torch.distributed as dist
from torch import Tensor

from revconsole.records.logs.events import (
    Advised,
    Answered,
    Checkpointed,
    Event,
    Measured,
    Started,
)
from revconsole.records.runs import control
from revconsole.records.runs.control import Verb
from revconsole.records.settings.plan import Plan
from revconsole.training import requests
from revconsole.training.checkpoints.checkpoint import NotSaved
from revconsole.training.checks import cost
from revconsole.training.foresee.shapes import batch_of
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine import devices
from revconsole.training.machine.allocated import allocated
from revconsole.training.objectives import Inputs, Loss
from revconsole.training.probes import allocations
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step import stepping
from revconsole.training.step.stepping import compute_gradients, update_weights
from revconsole.training.together.alone import ALONE, Together
from revconsole.training.together.ranks import Ranks, leave
from tests.training.conftest import Log, Runner

ANY = resource.RLIM_INFINITY
MEASURED = ("whole on each", "shared out")
"""Names of works whose memory is measured, which record nothing else."""
FULL, FILLED = "disk full", "disk filled"
"""Names of works during which the first rank can write nothing: ever, or after its first checkpoint."""
ROOM = 8
"""Images that fit where a run is to shrink."""


def main(rank: int, world: int, folder: str) -> None:
    """Do the works of `works-<world>.json`; the first rank writes what it recorded into `found-<world>.json`.

    A work is a plan, the folder of its run, and what is asked of it: verbs by the step after which they are.
    """
    meeting = f"file://{folder}/meeting-{world}"
    if world > 1:
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world)
    requests.POLL_SECONDS = 0.0
    gc.freeze()  # or every run would look through what was imported
    allocations.profiler_usable = lambda: False  # half of the time of so short a run
    cost.operations_of = lambda *_: {}  # a quarter of it
    loss_of = stepping.loss_of

    def short(state: TrainingState, part: Inputs, number: int) -> Loss:
        """The loss, but for a shortage of the last rank in step 2 of a run that may shrink."""
        shrinks = state.plan.train.on_oom == "shrink" and number == 2 and len(part[0]) > ROOM
        if rank == world - 1 and shrinks:
            raise MemoryError
        return loss_of(state, part, number)

    stepping.loss_of = short
    runner, found = Runner(Path(folder)), {}
    for name, work in json.loads(Path(folder, f"works-{world}.json").read_text()).items():
        plan, together = Plan.model_validate(work["plan"]), Ranks() if world > 1 else ALONE
        if name in MEASURED:
            with devices.threads(plan.train.threads):
                found[name] = measured(plan, runner.folder, together)
        else:
            found[name] = outcome(name, work["run"], work["asked"], runner, plan, together)
    leave()
    if rank == 0:
        Path(folder, f"found-{world}.json").write_text(json.dumps(found))


def outcome(
    name: str,
    run: str,
    asked: dict[str, list[Verb]],
    runner: Runner,
    plan: Plan,
    together: Together,
) -> dict[str, object]:
    """What a run recorded, or why it failed."""

    def watch(event: Event) -> None:
        if name == FILLED and isinstance(event, Checkpointed):
            limit_files(0)
        if together.first and isinstance(event, Measured) and "loss" in event.values:
            for verb in asked.get(str(event.step), ()):
                control.ask(runner.place(run), verb)

    if name == FULL and together.first:
        limit_files(0)
    try:
        return recorded(runner(plan, run, watch, together))
    except NotSaved as error:
        return {"failed": str(error)}
    finally:
        limit_files(ANY)


def limit_files(most: int) -> None:
    """Let files of this process grow to so many bytes at most, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, ANY))


def measured(plan: Plan, data: Path, together: Together) -> dict[str, float]:
    """The most bytes of all tensors of a rank: in a step, and on the first one while it collects the state for a checkpoint.

    Counted from the objects of this process and by torch's account of what it allocates, not from the plan.
    """
    before = _bytes_of_tensors()
    state = prepare(plan, data=data, say=lambda _: None, together=together)
    images, labels = batch_of(plan, plan.train.batch)
    images.normal_()
    labels.zero_()

    def step() -> None:
        update_weights(state, compute_gradients(state, 1, 1, images=images, labels=labels))

    step()
    state.optimizer.zero_grad(set_to_none=True)
    most = _bytes_of_tensors() - before + allocated(step)
    collected = (
        state.holding.weights(state.model),
        state.holding.optimizer_state(state.optimizer),
    )
    there = _bytes_of_tensors() - before
    del collected
    return together.most({"step": most, "checkpoint": there})


def _bytes_of_tensors() -> int:
    """Without whole numbers, which are the images of a dataset and its labels."""
    gc.collect()
    tensors = (each for each in gc.get_objects() if isinstance(each, Tensor))
    storages = [each.untyped_storage() for each in tensors if each.is_floating_point()]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def recorded(log: Log) -> dict[str, object]:
    """What must not depend on the number of ranks."""
    facts, end = log.of(Started)[-1].facts, log.events[-1]
    every = facts.get("parameters", 1)  # only the first rank counts them
    return {
        "losses": list(log.losses.values()),
        "weights": getattr(end, "weights_sha256", None),  # a run that moves on has no last ones
        "held": facts.get("held_parameters", every) / every,
        "end": {k: v for k, v in getattr(end, "values", {}).items() if "seconds" not in k},
        "unsaved": [each.text for each in log.of(Advised) if "was not written" in each.text],
        "answered": [f"{each.verb} {each.step}" for each in log.of(Answered)],
    }
