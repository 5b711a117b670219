"""Keyed randomness: every draw of a run depends only on (seed, purpose, position), so resuming needs no generator state."""

from hashlib import blake2b


def key(seed: int, purpose: str, *position: int) -> int:
    """A 63-bit seed for the draws of one `purpose` at one `position` (epoch, step, …); BLAKE2b makes neighbours unrelated."""
    text = "/".join((str(seed), purpose, *map(str, position)))
    digest = blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
