"""NVML: what NVIDIA's driver says of its cards, by its Python package, an extra. Any of it may be missing."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any


def free_by_id() -> dict[str, int] | None:
    """Free bytes by the id of a card, without the cards that do not say; None without the package or the driver.

    NVML begins no CUDA context, which would take memory on every card.
    """
    try:
        import pynvml  # the extra `gpu`
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return dict(_free(pynvml))
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _free(pynvml: Any) -> Iterator[tuple[str, int]]:
    """Id without `GPU-`, as torch names it, and free bytes, card by card."""
    try:
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return
    for number in range(count):
        with suppress(pynvml.NVMLError):
            card = pynvml.nvmlDeviceGetHandleByIndex(number)
            name = pynvml.nvmlDeviceGetUUID(card)
            said = name.decode() if isinstance(name, bytes) else str(name)
            yield said.removeprefix("GPU-"), int(pynvml.nvmlDeviceGetMemoryInfo(card).free)
