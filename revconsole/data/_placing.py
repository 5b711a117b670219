"""Placing: where the images of a run are stored, and how CPU results reach the training device.

Images in the machine's memory are selected there batch by batch and transferred through pinned memory, so nothing
waits for the copy. The choice of images and their bits are the same either way.

Shapes: N images, B of a batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from revconsole.data._reading import Say
from revconsole.data._stored import Pixels, StoredImages
from revconsole.errors import DataUnavailable
from revconsole.records import host
from revconsole.records.printable import size
from revconsole.records.sections import Data

SHARE_OF_FREE = 0.25
"""Fraction of a device's free memory that `auto` gives to images; the rest is for the training."""


COPIES = 2.2
"""Multiple of the bytes of a folder's images that reading them takes at its peak: all of them, and those of each split."""


def stays_on_disk(settings: Data, needed: int, say: Say) -> bool:
    """Whether images of a folder, `needed` bytes once decoded, stay in a file because they would fill this machine's memory.

    Raises DataUnavailable if they would, and `data.place` does not allow it.
    """
    peak, free = round(COPIES * needed), host.memory()[0]
    if settings.place == "disk" or peak <= free:
        return settings.place == "disk"
    what = f"the images take {size(needed)} decoded, up to {size(peak)} while they are read, and {size(free)} of memory are free"
    if settings.place != "auto":
        raise DataUnavailable(
            f"{what}; set data.place=disk, which keeps them in a file and reads each batch from it, or lower data.image_size"
        )
    say(f"{what}: they stay on the disk, and batches are read as they are needed (data.place)")
    return True


def placed(parts: Sequence[Pixels], settings: Data, device: torch.device, say: Say) -> list[Pixels]:
    """Images (N, C, S, S) of each split, stored as `data.place` says.

    say: receives a sentence if `auto` leaves them in the machine's memory. Raises DataUnavailable if they do not fit.
    """
    loaded = [part for part in parts if not isinstance(part, StoredImages)]
    if device.type == "cpu" or len(loaded) < len(parts):
        return list(parts)
    needed, free = sum(part.nbytes for part in loaded), unused(device)
    if beside_the_model(settings.place, needed, free):
        try:
            return [part.to(device) for part in loaded]
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
    """Whether `images` bytes are stored on the training device, which has `free` unused bytes."""
    return place == "device" or (place == "auto" and images <= SHARE_OF_FREE * free)


def unused(device: torch.device) -> int:
    """Unused bytes on the device, or on the machine; torch's reserve counts as unused."""
    if device.type != "cuda":
        return host.memory()[0]
    free, _ = torch.cuda.mem_get_info(device)
    return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. Transfers from CPU to GPU are asynchronous, so a step does not wait for its draws."""
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
