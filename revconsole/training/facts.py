"""Facts: with what a run was trained, recorded in its first event. Never environment variables."""

import platform
import socket
import subprocess

import timm
import torch

import revconsole
from revconsole.records.events import Scalar
from revconsole.reversible import ReversibleSequence
from revconsole.training.setting import Setting

GIT_SECONDS = 2.0


def facts(setting: Setting) -> dict[str, Scalar]:
    """What a reader needs to know to repeat the run, or to doubt it."""
    model, data = setting.model, setting.data
    parameters = [(p.numel(), p.requires_grad) for p in model.parameters()]
    found: dict[str, Scalar] = {
        "device": str(setting.device),
        "device_name": _device_name(setting.device),
        "threads": torch.get_num_threads(),
        "parameters": sum(count for count, _ in parameters),
        "trainable_parameters": sum(count for count, trains in parameters if trains),
        "steps": setting.steps,
        "epochs": setting.plan.train.epochs,
        "steps_per_epoch": setting.steps_per_epoch,
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "classes": data.facts.classes,
        "fingerprint": data.fingerprint,
        "torch": torch.__version__,
        "timm": timm.__version__,
        "revconsole": revconsole.__version__,
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "commit": _commit(),
    }
    growth = error_growth(setting)
    return found if growth is None else found | {"error_growth": growth}


def error_growth(setting: Setting) -> float | None:
    """How many roundings the deepest reconstruction carries; None where nothing is reconstructed."""
    stacks = [m for m in setting.model.modules() if isinstance(m, ReversibleSequence)]
    if setting.plan.backward != "reversible" or not stacks:
        return None
    return max(stack.scheme.error_growth(len(stack)) for stack in stacks)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """Commit of the working folder, if it is a git repository."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(  # noqa: S603  fixed words, no shell
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
