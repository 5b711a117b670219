"""Ahead: batches prepared in a thread while the model computes; the same batches in the same order.

A thread suffices, because torch releases Python's lock while it computes; the images are not copied, and nothing
remains when a run is killed. The function that makes a batch may only draw from generators of its own, because
torch's global generator belongs to the model's step.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Made = TypeVar("Made")

USUAL = 2
"""Batches that wait by default: one is consumed while the next is made."""
LOOKED_AT = 2
"""Batches timed before deciding whether a thread is worthwhile; the first also loads libraries."""
WORTH_SECONDS = 2e-3
"""Processor seconds per batch below which the hand-over and Python's lock cost more than the thread gains."""


def ahead(
    make: Callable[[int], Made], steps: range, *, most: int | None = None
) -> Generator[Made, None, None]:
    """The result of `make` for each step, in order.

    most: number of results made in advance; 0 makes each on demand, None decides by their duration. An exception from
    `make` is raised when its step is requested. The thread ends with the iterator.
    """
    remaining = iter(steps)
    for step in islice(remaining, LOOKED_AT if most is None else 1):
        began = time.thread_time()
        result = make(step)
        seconds = time.thread_time() - began
        yield result
    if most is None and len(steps) > LOOKED_AT:
        most = USUAL if seconds >= WORTH_SECONDS else 0
    yield from _in_a_thread(make, remaining, most) if most else map(make, remaining)


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
