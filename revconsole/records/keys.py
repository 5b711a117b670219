"""Keyed randomness: every draw of a run comes from (seed, purpose, position), so a resume needs a position only.

Carried generator states are not used anywhere: they depend on how many draws came before, hence on worker
counts, micro-batches and interruptions. A key depends on nothing but what is drawn.
"""

from hashlib import blake2b


def key(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit seed for the draws of one `purpose` at one `position` (epoch, step, index, …).

    BLAKE2b, so that neighbouring positions are unrelated and Python's salted `hash` plays no part.
    """
    text = "/".join((str(seed), purpose, *map(str, position)))
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
