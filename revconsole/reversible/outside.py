"""The random numbers of Python and numpy that everybody shares, which torch does not know of."""

import random
import sys
from typing import Any, TypeAlias

Outside: TypeAlias = tuple[Any, Any]
"""The state of Python's generator, and of numpy's; None of numpy's where nobody has imported it."""


def outside_state() -> Outside:
    """Where both stand."""
    numpy = sys.modules.get("numpy")
    return random.getstate(), None if numpy is None else numpy.random.get_state()


def put_outside(state: Outside) -> None:
    """Let both go on from there."""
    python, numbers = state
    random.setstate(python)
    if numbers is not None:
        sys.modules["numpy"].random.set_state(numbers)


def same_outside(left: Outside, right: Outside) -> bool:
    """Whether nothing was drawn between the two."""
    (python, one), (other_python, other) = left, right
    if python != other_python or one is None or other is None:
        return python == other_python and one is other
    return bool(one[2:] == other[2:] and (one[1] == other[1]).all())
