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
    """Whether nothing was drawn between the two.

    Both generators draw from 624 words, which are all made anew once they are used up, and know where
    they are in them: that place and the last word tell, and what is held back of a pair of normal numbers.
    """
    (python, one), (other_python, other) = left, right
    (_, words, pair), (_, other_words, other_pair) = python, other_python
    if words[-2:] != other_words[-2:] or pair != other_pair or one is None or other is None:
        return python == other_python and one is other
    return bool(one[2:] == other[2:] and one[1][-1] == other[1][-1])
