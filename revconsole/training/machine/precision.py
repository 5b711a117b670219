"""Precision of the branches: float32, tf32, or bf16 and fp16 under autocast.

tf32 is float32 whose products take factors of 11 significant bits, in the tensor cores of NVIDIA GPUs from compute
capability 8.0. Weights, optimiser and loss stay in float32. fp16 has a small exponent range, so its loss is scaled up
before the backward and the gradients down after it; the scaler skips a step whose scaled gradients overflow.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch.amp.grad_scaler import GradScaler

from revconsole.errors import ProfileError
from revconsole.reversible.switches import put, switches
from revconsole.training.machine.cards import computes_in_bf16

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """The arithmetic of a run on one device."""

    name: str
    device: torch.device
    scaler: GradScaler
    """Loss scaler; disabled unless the precision is fp16."""

    @property
    def scaled(self) -> bool:
        """Whether gradients may overflow without harm, because the scaler skips such a step."""
        return self.scaler.is_enabled()

    def reset_unscaling(self) -> None:
        """Allow the gradients of an unfinished step to be unscaled again, with the same scale."""
        if self.scaled:
            self.scaler.scale(
                torch.zeros((), device=self.device)
            )  # creates the scale if there is none yet
            self.scaler.update(self.scaler.get_scale())

    def autocast(self) -> AbstractContextManager[object]:
        """A context for the forward pass and the loss."""
        if self.name not in TYPES:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=TYPES[self.name])


def prepare(name: str, device: torch.device) -> Precision:
    """The precision of that name on a device. Raises ProfileError if the device does not support it."""
    if name == "fp16" and device.type == "cpu":
        raise _refusal("fp16 needs a GPU and this run is on the CPU; use bf16 or float32")
    if name == "tf32" and device.type != "cuda":
        raise _refusal(
            f"tf32 is arithmetic of NVIDIA GPUs and this run is on {device}; use float32 or bf16"
        )
    if name in {"bf16", "tf32"} and device.type == "cuda":
        _refuse_emulation(name, device)
    return Precision(
        name=name, device=device, scaler=GradScaler(device.type, enabled=name == "fp16")
    )


@contextmanager
def products(name: str) -> Iterator[None]:
    """A context in which float32 products have this precision; the process-wide switch is restored afterwards."""
    if name != "tf32":
        yield
        return
    before = switches()
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        put(before)


def _refuse_emulation(name: str, device: torch.device) -> None:
    """Raise ProfileError if this device (not the current one) has no arithmetic of that name."""
    capability = torch.cuda.get_device_capability(device)
    if not computes_in_bf16(capability):
        card, (major, minor) = torch.cuda.get_device_name(device), capability
        raise _refusal(
            f"{device} ({card}, compute capability {major}.{minor}) has no arithmetic in {name}, which comes with 8.0; "
            "use fp16 or float32"
        )


def _refusal(reason: str) -> ProfileError:
    return ProfileError("this machine", "train.precision", reason)
