"""The random numbers of Python and numpy that everybody shares, which torch does not know of."""

import random
import sys
from ctypes import string_at
from functools import lru_cache
from typing import Any, NamedTuple

from revconsole.reversible.contents import same

SIZE = 625 * 4  # bytes of the state of numpy's generator: 624 words and its place in them


class Outside(NamedTuple):
    """The states of Python's and numpy's random generators.

    python, numpy: their states; None of numpy's where nobody has imported it. words: numpy's as it lies in
    memory, where that can be read: to ask for its state takes a hundred times as long.
    """

    python: Any
    numpy: Any
    words: bytes | None


def outside_state(before: Outside | None = None) -> Outside:
    """The present states of both generators. before: earlier states; numpy's is reused if it has not changed."""
    python, numpy = random.getstate(), sys.modules.get("numpy")
    if numpy is None:
        return Outside(python, None, None)
    address = _address(numpy.random.get_bit_generator())
    words = None if address is None else string_at(address, SIZE)
    same_words = before is not None and words is not None and words == before.words
    if before is not None and same_words and not before.numpy["has_gauss"]:
        return Outside(python, before.numpy, words)
    return Outside(python, numpy.random.get_state(legacy=False), words)


@lru_cache(maxsize=1)
def _address(generator: Any) -> int | None:
    """The address of the generator's words and position in memory; None if its layout is another."""
    state = generator.state
    if state["bit_generator"] != "MT19937":
        return None
    address: int = generator.ctypes.state_address
    expected = state["state"]["key"].tobytes() + state["state"]["pos"].to_bytes(4, sys.byteorder)
    return address if string_at(address, SIZE) == expected else None


def put_outside(state: Outside) -> None:
    """Let both go on from there."""
    random.setstate(state.python)
    if state.numpy is not None:
        sys.modules["numpy"].random.set_state(state.numpy)


def fingerprint(state: Outside) -> int:
    """A number that is another one once something was drawn."""
    (_, drawn_from, pair), numpy, words = state
    python = (drawn_from[-2:], pair)  # see `same_outside`
    if words is None:
        return hash((python, repr(numpy)))
    return hash((python, words, numpy["has_gauss"], numpy["gauss"]))


def same_outside(left: Outside, right: Outside) -> bool:
    """Whether nothing was drawn between the two.

    Python's generator draws from 624 words, which are all made anew once they are used up, and knows where
    it is in them: that place and the last word tell, and what is held back of a pair of normal numbers.
    """
    (_, words, pair), (_, other_words, other_pair) = left.python, right.python
    still = words[-2:] == other_words[-2:] and pair == other_pair
    return still and same(left.numpy, right.numpy)
