"""Facts: with what a run was trained, recorded in its first event. Environment variables are never recorded."""

import platform
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict

import timm
import torch

import revconsole
from revconsole.records.child import working_folder
from revconsole.records.devices import shared_name
from revconsole.records.foresight import cache
from revconsole.records.foresight.foresight import ORDER, StepMemory
from revconsole.records.foresight.parts import PeakMemory
from revconsole.records.logs.events import Apportioned, Scalar
from revconsole.records.sections import Backward
from revconsole.reversible.switches import products
from revconsole.training.advice import subject_of
from revconsole.training.machine import devices
from revconsole.training.setup.rebuilt import error_growth, rebuilt_blocks
from revconsole.training.setup.training_state import TrainingState

GIT_SECONDS = 2.0


def facts(state: TrainingState) -> dict[str, Scalar]:
    """What a reader needs to repeat or question the run; `Learning.facts` has those of its model."""
    data = state.data
    recorded: dict[str, Scalar] = {
        "device": shared_name(str(state.device)),
        "device_name": _device_name(state),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul": products(),
        **devices.of_cuda(state.device),
        "steps": state.steps,
        "epochs": state.epochs,
        "steps_per_epoch": state.steps_per_epoch,
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "classes": data.facts.classes,
        **_guessing(state),
        "fingerprint": data.fingerprint,
        "what_was_read": data.read,
        "torch": torch.__version__,
        "timm": timm.__version__,
        "revconsole": revconsole.__version__,
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "commit": _commit(),
        **_device_limit(state),
        **_held(state),
        **_foreseen(state),
    }
    growth = error_growth(state)
    if growth is not None:
        recorded |= {"error_growth": growth, "rebuilt_blocks": rebuilt_blocks(state)}
    return recorded


def _device_name(state: TrainingState) -> str:
    """What the device calls itself, and how many ranks have one; their pace is not that of one."""
    name, world = devices.device_name(state.device), state.together.world
    return name if world == 1 else f"{world} ranks on {name}"


def _guessing(state: TrainingState) -> dict[str, Scalar]:
    """Loss and accuracy of guessing by class frequency; empty for an objective without labels."""
    subject = subject_of(state)
    guesses = {
        "guessing_loss": subject.guessing_loss,
        "guessing_accuracy": subject.guessing_accuracy,
    }
    return {name: round(value, 6) for name, value in guesses.items() if value is not None}


def _device_limit(state: TrainingState) -> dict[str, Scalar]:
    """The memory of the GPU; empty on a CPU, which has no limit of its own."""
    if state.device.type != "cuda":
        return {}
    return {"device_bytes": torch.cuda.get_device_properties(state.device).total_memory}


def _held(state: TrainingState) -> dict[str, Scalar]:
    """Of how many parameters this rank holds the numbers, where the weights are shared out."""
    if state.holding.everything:
        return {}
    here = (p for p in state.model.parameters() if p.untyped_storage().nbytes())
    return {"held_parameters": sum(p.numel() for p in here)}


def _foreseen(state: TrainingState) -> dict[str, Scalar]:
    """The foreseen peak of a step, if the user's cache has it; nothing is traced here, which would delay the first step."""
    own = _peak(state, state.plan.backward)
    return {} if own is None else {"foreseen_peak_bytes": own.total}


def foreseen_parts(state: TrainingState) -> Iterator[Apportioned]:
    """What was foreseen of the memory of a step with its own backward, and with each that the cache knows."""
    for backward in dict.fromkeys((state.plan.backward, *ORDER)):
        if (peak := _peak(state, backward)) is not None:
            yield Apportioned(of="foreseen", backward=backward, parts=asdict(peak.parts))


def _peak(state: TrainingState, backward: Backward) -> PeakMemory | None:
    plan, kind = state.plan, state.device.type
    if kind not in {"cpu", "cuda"}:
        return None
    if backward == "auto":
        step: StepMemory | str | None = state.foreseen  # of the blocks that were chosen
    else:
        step = cache.read(cache.key(plan, backward, "cuda" if kind == "cuda" else "cpu"))
    if not isinstance(step, StepMemory):
        return None
    return step.peak(min(state.micro_batch, plan.images_at_once), plan.parts_of_batch)


def _commit() -> str | None:
    """Git commit of the working folder; None if it is not a repository."""
    command = ["git", "-C", str(working_folder()), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(  # noqa: S603  fixed words, no shell
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
