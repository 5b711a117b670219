"""How precisely the branches compute: float32, tf32, or bf16 and fp16 under autocast.

tf32 is float32 whose products take factors of 11 significant bits, in the tensor cores of NVIDIA's GPUs from 8.0 on.
Weights, optimiser and loss stay in float32. fp16 has few exponents, so its loss is scaled up before the
backward and the gradients down after it; a step whose scaled gradients overflow is skipped by the scaler.
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
    """Passes everything through unless the precision is fp16."""

    @property
    def scaled(self) -> bool:
        """Whether gradients may overflow harmlessly, because the scaler skips such a step."""
        return self.scaler.is_enabled()

    def begin_anew(self) -> None:
        """Let the gradients of a step that was not finished be unscaled again; the scale stays."""
        if self.scaled:
            self.scaler.scale(torch.zeros((), device=self.device))  # or there may be no scale yet
            self.scaler.update(self.scaler.get_scale())

    def autocast(self) -> AbstractContextManager[object]:
        """For a `with` around the forward pass and the loss."""
        if self.name not in TYPES:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=TYPES[self.name])


def prepare(name: str, device: torch.device) -> Precision:
    """The precision of that name on that device. Raises ProfileError where the device cannot compute so."""
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
    """Inside, let products of float32 be those of that precision; the switch belongs to the process, so it is put back."""
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
    """Raise ProfileError where this very device, not whichever is the current one, has no arithmetic in it."""
    capability = torch.cuda.get_device_capability(device)
    if not computes_in_bf16(capability):
        called, (major, minor) = torch.cuda.get_device_name(device), capability
        raise _refusal(
            f"{device} ({called}, compute capability {major}.{minor}) has no arithmetic in {name}, which comes with 8.0; "
            "use fp16 or float32"
        )


def _refusal(reason: str) -> ProfileError:
    return ProfileError("this machine", "train.precision", reason)
