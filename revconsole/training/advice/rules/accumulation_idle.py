"""Accumulation idle: micro-batches save no memory worth mentioning, and cost time.

Speaks after 20 steps when what the accumulation saves (the activations of the micro-batches that are not held at the same time) is
less than 10 % of the memory that the training takes at its peak: it would fit without. Over the same images the result is the
same but for BatchNorm and draws. Source: Hugging Face, "Methods and tools for efficient training on a single GPU".
"""

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WINDOW, WatchedRun, WatchedSoFar

SHARE = 0.1
"""Share of the peak below which a saving does not matter."""
MIB = 2**20


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The note about an accumulation that is not needed."""
    if run.accumulate < 2 or not seen.kept or seen.step < WINDOW or not seen.reports:
        return None
    report = seen.reports[-1]
    held = report.get("device_peak_allocated_bytes", report.get("training_peak_bytes", 0.0))
    saved = (run.accumulate - 1) * seen.kept
    if held <= 0 or saved >= SHARE * held:
        return None
    return Finding(
        evidence=f"accumulation saves {saved / MIB:.1f} MiB of {(held + saved) / MIB:,.0f} ({saved / (held + saved):.0%}): a micro-batch of "
        f"{run.micro_batch} keeps {seen.kept / MIB:.1f} MiB for its backward, and each step makes {run.accumulate} passes",
        action="take the batch as a whole, which is faster",
        settings={"train.accumulate": 1},
    )


RULE = WatchRule(name="accumulation idle", level="note", look=look)
