"""Device idle: what computes has nothing to do for much of the time.

Speaks on a GPU when in each of the last ten reports the host waited for the device less than 2 % of the time, and for data less than
15 %, so the device waits for Python, as with small models and batches; on the CPU when less than half a core computed in each
of the last ten reports, so something else has the processor. Source: PyTorch, "Performance Tuning Guide" (CPU overhead).
"""

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

REPORTS = 10
"""Reports in a row that are no accident."""
AWAITED, WAITING = 0.02, 0.15
"""Shares of the time: the host for the device, and the host for data."""
CORES = 0.5
"""Cores that even a small model keeps busy."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The note about a device that could do more."""
    last = seen.reports[-REPORTS:]
    if len(last) < REPORTS or max(seen.column("data_wait", last), default=1.0) > WAITING:
        return None
    return _of_cpu(seen) if run.device == "cpu" else _of_device(run, seen)


def _of_cpu(seen: WatchedSoFar) -> Finding | None:
    cores = seen.column("cores_used", seen.reports[-REPORTS:])
    if len(cores) < REPORTS or max(cores) >= CORES:
        return None
    return Finding(
        evidence=f"the processor computes for this run {max(cores):.0%} of one core's time at most in the last {REPORTS} reports, and "
        "the run does not wait for data: something else has the cores, or memory is swapped",
        action="see what else trains here, and end or pause what can wait",
        verb="ls",
    )


def _of_device(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    waits = seen.column("device_wait", seen.reports[-REPORTS:])
    if len(waits) < REPORTS or max(waits) >= AWAITED:
        return None
    return Finding(
        evidence=f"the {run.device} device idles: the host waited for it {max(waits):.1%} of the time at most in the last {REPORTS} "
        f"reports, so steps of {run.batch} images are too small to keep it busy",
        action="take a larger batch, with a higher learning rate",
        settings={"train.batch": 2 * run.batch},
    )


RULE = WatchRule(name="device idle", level="note", look=look, unless={"data slow"})
