"""Where to train: the device a plan names, and the switches of this process that decide bits of the results."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from revconsole.errors import DeviceUnavailable, RunFailed
from revconsole.records.events import Scalar

WORKSPACE, WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")
"""Where cuBLAS is told of the workspaces with which it computes the same every time."""


def choose(name: str) -> torch.device:
    """The device of that name; `auto` takes the first of cuda, mps, cpu that is there.

    Raises DeviceUnavailable for a device that is not there, with those that are.
    """
    here = available()
    if name == "auto":
        return torch.device(here[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        raise DeviceUnavailable(
            f"there is no device {name!r} on this machine; it has {', '.join(here)}: "
            "set train.device to one of these, or to auto"
        )
    return torch.device(wanted)


def available() -> list[str]:
    """Every device of this machine, the one to prefer first."""
    cuda = (
        [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Use `count` CPU threads inside; the number belongs to the process, so it is put back."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)  # a resumed run may have changed it inside


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let only algorithms compute inside that give the same bits every time; other runs share this process.

    Raises RunFailed where cuBLAS has begun without the workspace it needs for that.
    """
    if not wanted:
        yield
        return
    cudnn, given = torch.backends.cudnn, os.environ.get(WORKSPACE)
    if _cuda_in_use() and given not in WORKSPACES:
        raise RunFailed(
            "train.deterministic has to be there before CUDA is first used, and this process has used it; "
            "launch the run in a process of its own (--detach)"
        )
    before = (torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic)
    os.environ[WORKSPACE] = given if given in WORKSPACES else WORKSPACES[0]
    torch.use_deterministic_algorithms(True)
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        cudnn.benchmark, cudnn.deterministic = before[1:]
        if not _cuda_in_use():  # what cuBLAS began with stays
            _put_back(given)


def surroundings(device: torch.device) -> dict[str, Scalar]:
    """Everything about this process and machine that decides the bits of a result."""
    return {
        "torch": str(torch.__version__),
        "CPU threads": torch.get_num_threads(),
        "device": device.type,
        "device name": device_name(device),
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def device_name(device: torch.device) -> str:
    """What the device calls itself; on Linux a CPU says its model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cuda_in_use() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch gives it no type


def _put_back(workspace: str | None) -> None:
    if workspace is None:
        os.environ.pop(WORKSPACE, None)
    else:
        os.environ[WORKSPACE] = workspace
