"""Keyed randomness: every draw of a run depends only on (seed, purpose, position), so resuming needs no generator
state.

A carried generator state would depend on the number of earlier draws, hence on worker counts, micro-batches and
interruptions.
"""

from hashlib import blake2b


def key(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit seed for the draws of one `purpose` at one `position` (epoch, step, index, …).

    BLAKE2b makes neighbouring positions unrelated; Python's salted `hash` is not used.
    """
    text = "/".join((str(seed), purpose, *map(str, position)))
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
