"""Memory: a process whose memory grows with every epoch."""

from itertools import pairwise

from revconsole.training.watching.seen import MOST_STEPS_TO_JUDGE, WatchedSoFar

GROWS = "memory grows"
STRETCHES = 3
"""Stretches in a row, each larger than the one before, that are not accidental; the first of a run is ignored."""
SHARE, BYTES = 0.01, 16 * 2**20
"""Growth of a stretch's least memory, as a fraction of it and in bytes, that counts."""


def grows(seen: WatchedSoFar) -> str | None:
    """A warning if the least memory rises from stretch to stretch; else None."""
    sizes = seen.full_stretches()[-STRETCHES - 1 :]
    if len(sizes) <= STRETCHES or seen.stretch <= STRETCHES + 1:
        return None
    if any(after - before < max(BYTES, SHARE * before) for before, after in pairwise(sizes)):
        return None
    first, last = (size / 2**20 for size in (sizes[0], sizes[-1]))
    return (
        f"memory grows: {first:,.0f} MiB were held between steps, and {STRETCHES} epochs (or stretches of "
        f"{MOST_STEPS_TO_JUDGE} steps) later {last:,.0f} MiB; something keeps what each step makes, a list of losses with their graphs, say"
    )
