"""Memory grows: every epoch holds more than the one before.

Speaks when the least memory held between steps has risen by 1 % and 16 MiB over three epochs in a row (or stretches of
500 steps); the first is left out, in which libraries load. The usual cause is a list of losses that still have their graphs
(pytorch.org/docs, "My model reports out of memory": do not accumulate history across your training loop).
"""

from itertools import pairwise

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import MOST_STEPS_TO_JUDGE, WatchedRun, WatchedSoFar

STRETCHES = 3
"""Stretches in a row, each larger than the one before, that are not accidental; the first of a run is ignored."""
SHARE, BYTES = 0.01, 16 * 2**20
"""Growth of a stretch's least memory, as a fraction of it and in bytes, that counts."""


def look(_run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about a process that will run out of memory."""
    sizes = seen.memory[-STRETCHES - 2 : -1]  # without the stretch that is not finished
    if len(sizes) <= STRETCHES or seen.stretch <= STRETCHES + 1:
        return None
    if any(after - before < max(BYTES, SHARE * before) for before, after in pairwise(sizes)):
        return None
    first, last = (size / 2**20 for size in (sizes[0], sizes[-1]))
    return Finding(
        evidence=f"memory grows: {first:,.0f} MiB were held between steps, and {STRETCHES} epochs (or stretches of "
        f"{MOST_STEPS_TO_JUDGE} steps) later {last:,.0f} MiB",
        action="something keeps what each step makes, a list of losses with their graphs, say; look for it in the model",
        verb="verify",
    )


RULE = WatchRule(name="memory grows", level="warning", look=look)
