"""A learning rate with which nothing more is learnt."""

from revconsole.training.watching.seen import WatchedRun, WatchedSoFar

DECAYED = "rate decayed"
NOTHING = 1e-3
"""Share of its highest value at which a rate is nothing."""
LEFT = 0.2
"""Share of all steps that are still to come; at its end every schedule may reach nothing."""


def decayed(subject: WatchedRun, seen: WatchedSoFar) -> str | None:
    """A rate that is nothing although much of the run is left."""
    left = subject.steps - seen.step
    if seen.rate >= NOTHING * seen.most_rate or left < LEFT * subject.steps:
        return None
    if seen.step <= subject.warmup:
        return None
    return (
        f"the learning rate has decayed to {seen.rate:.2g}, less than a thousandth of its highest value "
        f"({seen.most_rate:.2g}), with {left:,} of {subject.steps:,} steps left in which hardly anything will be learnt; let it "
        "fall more slowly (`revconsole settings schedule`), or train for fewer epochs"
    )
