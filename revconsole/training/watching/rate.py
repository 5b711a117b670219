"""Rate: a learning rate too low for further learning."""

from revconsole.training.watching.seen import WatchedRun, WatchedSoFar

DECAYED = "rate decayed"
NOTHING = 1e-3
"""Fraction of its highest value below which a rate counts as nothing."""
LEFT = 0.2
"""Fraction of all steps that must remain; near its end every schedule may reach nothing."""


def decayed(subject: WatchedRun, seen: WatchedSoFar) -> str | None:
    """A warning if the rate is nothing although much of the run remains; else None."""
    remaining = subject.steps - seen.step
    if seen.rate >= NOTHING * seen.most_rate or remaining < LEFT * subject.steps:
        return None
    if seen.step <= subject.warmup:
        return None
    return (
        f"the learning rate has decayed to {seen.rate:.2g}, less than a thousandth of its highest value "
        f"({seen.most_rate:.2g}), with {remaining:,} of {subject.steps:,} steps left in which hardly anything will be learnt; let it "
        "fall more slowly (`revconsole settings schedule`), or train for fewer epochs"
    )
