"""Placing: where the images of a run lie, and how what is made on the CPU gets to the device that trains.

Images that lie in the machine's memory are picked out there, a batch at a time, and moved through pages that the
system does not swap, so nobody waits for the copy. Which images, and their bits, are the same either way.

Shapes: N images, B of a batch.
"""

from collections.abc import Sequence

import psutil
import torch
from torch import Tensor

from revconsole.data._reading import Say
from revconsole.errors import DataUnavailable
from revconsole.records.sections import Data

SHARE_OF_FREE = 0.25
"""Of the free memory of a device, what `auto` lets the images take; the rest is for the training."""


def placed(parts: Sequence[Tensor], settings: Data, device: torch.device, say: Say) -> list[Tensor]:
    """Images (N, C, S, S) of each split where `data.place` has them.

    say: takes a sentence where `auto` leaves them in the machine's memory. Raises DataUnavailable where they do not fit.
    """
    if device.type == "cpu":
        return list(parts)
    needed, free = sum(part.nbytes for part in parts), unused(device)
    if beside_the_model(settings.place, needed, free):
        try:
            return [part.to(device) for part in parts]
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            if settings.place == "device":
                raise DataUnavailable(_no_room(settings, needed, free, device)) from None
    if settings.place == "auto":
        say(
            f"the images take {_mebibytes(needed)} and {device} has {_mebibytes(free)} free: they stay in this machine's "
            "memory, and batches are moved as they are needed (data.place)"
        )
    return list(parts)


def beside_the_model(place: str, images: int, free: int) -> bool:
    """Whether `images` bytes lie on the device that trains, of which `free` bytes are unused."""
    return place == "device" or (place == "auto" and images <= SHARE_OF_FREE * free)


def unused(device: torch.device) -> int:
    """Bytes that nothing uses, on the device or else on the machine; what torch keeps in reserve is unused."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. From the CPU to a GPU it waits for nothing: a step is not held up by what it draws."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _no_room(settings: Data, needed: int, free: int, device: torch.device) -> str:
    return (
        f"the images of {settings.dataset} take {_mebibytes(needed)}, and {device} has {_mebibytes(free)} free; set "
        "data.place=host, which keeps them in this machine's memory and moves batches as they are needed, or lower "
        "data.train_limit or data.image_size"
    )


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
