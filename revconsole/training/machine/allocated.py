"""What torch's CPU allocator holds while something runs, by the account of torch's profiler."""

import os
import threading
from collections.abc import Callable

import torch

QUIET = ("KINETO_LOG_LEVEL", "99")
"""Without it the profiler's library writes on stderr, also that there is no GPU; read when it is first used."""

LOADED_IN = threading.get_native_id()
"""The thread that loaded this module, and torch before it."""
BEGUN = threading.Event()


def begin_profiling() -> None:
    """Use the profiler once, a millisecond, after which any thread may; to be called in the thread that loaded torch.

    Its library starts a thread of its own then, so a process that forks must not.
    """
    if not BEGUN.is_set():
        allocated(lambda: None)
        BEGUN.set()


def profiler_usable() -> bool:
    """Whether the profiler can be used here without a word: its library writes an error on stderr if it is first used in
    another thread than the one that loaded torch, as after a fork, and a second profiler would end the first.
    """
    taken = torch._C._autograd._profiler_enabled()  # noqa: SLF001  no other way to ask
    return not taken and (BEGUN.is_set() or threading.get_native_id() == LOADED_IN)


def memory_profile() -> torch.autograd.profiler.profile:
    """A context in which torch's profiler keeps account of memory. `torch.profiler.profile` would do the same, but it
    imports torch's compiler first, which takes longer than many a run's first step.
    """
    os.environ.setdefault(*QUIET)
    return torch.autograd.profiler.profile(profile_memory=True)


def allocated(run: Callable[[], object]) -> int:
    """The most bytes that this thread held at once in CPU tensors and workspaces while it ran, beyond those before."""
    with memory_profile() as profile:
        run()
    now = most = 0
    for event in profile.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most
