"""Where to train: the device a plan names, and how many threads the CPU may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from revconsole.errors import RunFailed


def choose(name: str) -> torch.device:
    """The device of that name; `auto` takes the first of cuda, mps, cpu that is there.

    Raises RunFailed for a device that is not there, with those that are.
    """
    here = available()
    if name == "auto":
        return torch.device(here[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        raise RunFailed(
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
        if count is not None:
            torch.set_num_threads(before)
