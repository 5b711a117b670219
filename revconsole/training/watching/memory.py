"""A process that needs more memory with every epoch."""

from itertools import pairwise

from revconsole.training.watching.seen import MOST_STEPS_TO_JUDGE, WatchedSoFar

GROWS = "memory grows"
STRETCHES = 3
"""So many in a row, each larger than the one before, are no accident; the first of a run is not looked at."""
SHARE, BYTES = 0.01, 16 * 2**20
"""What the least memory of a stretch must grow by, of itself and at least."""


def grows(seen: WatchedSoFar) -> str | None:
    """Least memories that rise from stretch to stretch of the run."""
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
