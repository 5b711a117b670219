"""Running a model for its shapes alone, on tensors without numbers (torch's FakeTensorMode).

Code that looks at numbers to decide whether they are right asks `shapes_only` first and does not look.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

_shapes_only: ContextVar[bool] = ContextVar("_shapes_only", default=False)


def shapes_only() -> bool:
    """Whether there are no numbers to look at."""
    return _shapes_only.get()


def without_numbers() -> AbstractContextManager[None]:
    """A context in which no numbers are looked at."""
    return raised(_shapes_only)


@contextmanager
def raised(flag: ContextVar[bool]) -> Iterator[None]:
    """A context in which the flag is up."""
    token = flag.set(True)
    try:
        yield
    finally:
        flag.reset(token)
