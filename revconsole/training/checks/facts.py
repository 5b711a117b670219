"""Facts: with what a run was trained, recorded in its first event. Environment variables are never recorded."""

import platform
import socket
import subprocess

import timm
import torch

import revconsole
from revconsole.records.child import working_folder
from revconsole.records.logs.events import Scalar
from revconsole.reversible.switches import products
from revconsole.training.checks.cost import operations_of, weights_of
from revconsole.training.machine import devices
from revconsole.training.setup.rebuilt import error_growth, rebuilt_blocks
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import evaluated
from revconsole.training.watching import subject_of

GIT_SECONDS = 2.0


def facts(state: TrainingState) -> dict[str, Scalar]:
    """What a reader needs to repeat or question the run."""
    model, data = state.model, state.data
    recorded: dict[str, Scalar] = {
        "device": str(state.device),
        "device_name": devices.device_name(state.device),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul": products(),
        **devices.of_cuda(state.device),
        **({} if state.fitted else weights_of(model)),
        **operations_of(state.plan, model),
        "steps": state.steps,
        "epochs": state.epochs,
        "steps_per_epoch": state.steps_per_epoch,
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "evaluated_per_epoch": evaluated(state)[0],
        "evaluated_at_end": evaluated(state)[1],
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
    }
    growth = error_growth(state)
    return (
        recorded
        if growth is None
        else recorded | {"error_growth": growth, "rebuilt_blocks": rebuilt_blocks(state)}
    )


def _guessing(state: TrainingState) -> dict[str, Scalar]:
    """Loss and accuracy of guessing by class frequency; empty for an objective without labels."""
    subject = subject_of(state)
    if subject.guessing_loss is None or subject.guessing_accuracy is None:
        return {}
    return {
        "guessing_loss": round(subject.guessing_loss, 6),
        "guessing_accuracy": round(subject.guessing_accuracy, 6),
    }


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
