"""Batches made ahead: in a thread, while the model computes on those before; the same ones in the same order.

A thread and not processes: torch lets go of Python's lock while it computes, images stay where they are, and nothing
is left behind when a run is killed. What is made may draw from generators of its own only, for torch's global one
belongs to the model's step.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Made = TypeVar("Made")

USUAL = 2
"""So many are waiting where nobody says how many: one is taken while the next is made."""
LOOKED_AT = 2
"""Before it is decided whether a thread is worth it: the first also loads libraries."""
WORTH_SECONDS = 2e-3
"""Of the processor, for a batch: below it handing over and sharing Python's lock cost more than waiting."""


def ahead(
    make: Callable[[int], Made], steps: range, *, most: int | None = None
) -> Generator[Made, None, None]:
    """What `make` returns for each step, in order.

    most: how many are made before they are asked for; 0 makes each when it is, None decides by how long they take.
    What `make` raises is raised when its step is asked for. The thread ends when the iterator does, or is closed.
    """
    left = iter(steps)
    for step in islice(left, LOOKED_AT if most is None else 1):
        began = time.thread_time()
        made = make(step)
        took = time.thread_time() - began
        yield made
    if most is None and len(steps) > LOOKED_AT:
        most = USUAL if took >= WORTH_SECONDS else 0
    yield from _in_a_thread(make, left, most) if most else map(make, left)


def _in_a_thread(make: Callable[[int], Made], steps: Iterator[int], most: int) -> Iterator[Made]:
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="data")
    try:
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
