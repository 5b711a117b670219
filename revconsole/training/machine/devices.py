"""Devices: the device a plan names, and the process-wide switches that affect the bits of results."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from revconsole.errors import DeviceUnavailable, RunFailed
from revconsole.records.logs.events import Scalar
from revconsole.records.printable import size
from revconsole.records.processor import processor
from revconsole.reversible.switches import products
from revconsole.training.machine import cards

Say = Callable[[str], None]
log = logging.getLogger(__name__)
WORKSPACE, WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")
"""Environment variable, and its values, with which cuBLAS computes the same bits every time."""
NO_FORM = "does not have a deterministic implementation"
"""Words of torch's error for an operation without a deterministic implementation."""


def choose(name: str, say: Say = log.info) -> torch.device:
    """The device of that name; `auto` takes the emptiest GPU this torch has kernels for, else mps, else the CPU.

    say: receives a sentence about a choice among several. Initialises CUDA if the name requires or allows it. Raises
    DeviceUnavailable for a device that does not exist, listing the existing ones, or that cannot compute.
    """
    if name == "auto":
        return torch.device(_best(say))
    refuse_missing(name)
    device = torch.device("cuda:0" if name == "cuda" else name)
    if device.type == "cuda" and (lack := cards.lacks_kernels(cards.cards()[device.index])):
        raise DeviceUnavailable(lack)
    return device


def refuse_missing(name: str) -> None:
    """Raise DeviceUnavailable if there is no such device, without initialising CUDA if there is."""
    existing = available()
    if name == "auto" or ("cuda:0" if name == "cuda" else name) in existing:
        return
    why = cards.unseen() if name.startswith("cuda") else ""
    raise DeviceUnavailable(
        f"there is no device {name!r} on this machine; it has {', '.join(existing)}: "
        "set train.device to one of these, or to auto" + (f"; {why}" if why else "")
    )


def refuse_few(name: str, ranks: int) -> None:
    """Raise DeviceUnavailable if there are not as many GPUs of that name as ranks."""
    cards = [each for each in available() if each.startswith("cuda")]
    if ranks == 1 or name == "cpu" or len(cards) >= ranks:
        return
    there = f"{len(cards)}: {', '.join(cards)}" if cards else "none"
    fewer = f"train.gpus={len(cards)}, or " if len(cards) > 1 else ""
    raise DeviceUnavailable(
        f"train.gpus={ranks} needs {ranks} GPUs, and this machine has {there}; set {fewer}train.device=cpu for {ranks} "
        "processes on the CPU"
    )


def of_rank(name: str) -> str:
    """The device of this process as a rank: the GPU of its number on this machine, or the CPU."""
    return "cpu" if name == "cpu" else f"cuda:{os.environ['LOCAL_RANK']}"


def passed_over() -> str:
    """Why `auto` takes no GPU although there is one; empty if it takes one or there is none."""
    usable = [card for card in cards.cards() if not cards.lacks_kernels(card)]
    if usable:
        return ""
    return next(map(cards.lacks_kernels, cards.cards()), "") or cards.unseen()


def available() -> list[str]:
    """Every device of this machine, in order of preference."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*(f"cuda:{number}" for number in range(count)), *mps, "cpu"]


def _best(say: Say) -> str:
    able = [card for card in cards.cards() if not cards.lacks_kernels(card)]
    if not able:
        return next(name for name in available() if not name.startswith("cuda"))
    best = cards.emptiest(able)
    if len(able) > 1:
        free = "whose free memory is not known" if best.free is None else f"{size(best.free)} free"
        say(f"train.device=auto takes {best}, {free}, of {len(able)} GPUs")
    return best.device


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """A context with `count` CPU threads; the process-wide number is restored afterwards."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)  # a resumed run may have changed it inside


@contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """A context in which only deterministic algorithms run; the process-wide switches are restored afterwards.

    Raises RunFailed if cuBLAS was initialised without the workspace it needs, and in place of torch's error if an
    operation has no deterministic implementation.
    """
    if not enabled:
        yield
        return
    cudnn, workspace = torch.backends.cudnn, os.environ.get(WORKSPACE)
    if _cuda_in_use() and workspace not in WORKSPACES:
        raise RunFailed(
            "train.deterministic must be set before CUDA is first used, and this process has used it; "
            "launch the run in a process of its own (--detach)"
        )
    before = (torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, cudnn.deterministic)
    os.environ[WORKSPACE] = workspace if workspace in WORKSPACES else WORKSPACES[0]
    torch.use_deterministic_algorithms(True)
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield
    except RuntimeError as error:
        if NO_FORM not in str(error):
            raise
        raise RunFailed(
            f"train.deterministic is set, and {str(error).partition(NO_FORM)[0].strip()} gives different bits each time on "
            "this device; leave train.deterministic out, or use a model without that operation"
        ) from None
    finally:
        torch.use_deterministic_algorithms(before[0])
        cudnn.benchmark, cudnn.deterministic = before[1:]
        if not _cuda_in_use():  # cuBLAS keeps the workspace it was initialised with
            _put_back(workspace)


def surroundings(device: torch.device) -> dict[str, Scalar]:
    """Everything about this process and machine that affects the bits of a result."""
    return {
        "torch": str(torch.__version__),
        "CPU threads": torch.get_num_threads(),
        "device": device.type,
        "device name": device_name(device),
        "float32 matmul precision": products(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        **of_cuda(device),
    }


def of_cuda(device: torch.device) -> dict[str, Scalar]:
    """What affects bits on a CUDA device besides the device itself; empty for other devices."""
    if device.type != "cuda":
        return {}
    cudnn = torch.backends.cudnn
    return {
        "cuda": torch.version.cuda or torch.version.hip,
        "cudnn": cudnn.version(),  # type: ignore[no-untyped-call]  # torch gives it no type
        "driver": cards.driver_version(),
        "convolutions_of_float32": str(getattr(cudnn, "conv", cudnn).fp32_precision),
        "attention_order": ", ".join(map(str, torch._C._get_sdp_priority_order())),  # noqa: SLF001  no public function gives it
        "cublas_workspace": os.environ.get(WORKSPACE, ""),
    }


def device_name(device: torch.device) -> str:
    """What the device calls itself; on Linux and macOS a CPU says its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


def _cuda_in_use() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch gives it no type


def _put_back(workspace: str | None) -> None:
    if workspace is None:
        os.environ.pop(WORKSPACE, None)
    else:
        os.environ[WORKSPACE] = workspace
