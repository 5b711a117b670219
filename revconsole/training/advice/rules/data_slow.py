"""Data slow: training waits for its batches.

Speaks when in each of the last reports of the meter, at least five and a second of them, 30 % of the time or more went by
waiting for the next batch, and, on a GPU, the host hardly waited for the device (it computes asynchronously, so a host that
waits for data while the device is busy loses nothing). Over when it is less than half of that in five reports. Source:
PyTorch, "Performance Tuning Guide" (data loading).
"""

import math
from collections.abc import Mapping, Sequence

from revconsole.training.advice.rule import Finding, WatchRule
from revconsole.training.advice.seen import WatchedRun, WatchedSoFar

Report = Mapping[str, float]
"""The values of a report, and the step it ended with."""

SHARE = 0.3
"""Share of the time from which it is said."""
IDLE = 0.1
"""Share of the time the host waits for the device, below which the device has nothing to do."""
SECONDS = 1.0
"""Least time of the reports together: in the first milliseconds everything waits."""
REPORTS = 5
"""Fewest reports in a row that are no accident."""


def look(run: WatchedRun, seen: WatchedSoFar) -> Finding | None:
    """The warning about data that is slower than the step."""
    reports = _window(run, seen.reports)
    waits = seen.column("data_wait", reports)
    if not reports or len(waits) < len(reports) or min(waits) < SHARE:
        return None
    if run.device != "cpu" and max(seen.column("device_wait", reports)) > IDLE:
        return None
    speed = reports[-1].get("images_per_second", 0.0)
    return Finding(
        evidence=f"the data is slower than the step: {sum(waits) / len(waits):.0%} of the time of the last {len(reports)} reports "
        f"went by waiting for the next batch, at {speed:,.0f} images/s",
        action="less augmentation, smaller images or more prefetched batches (data.prefetch); measure which bounds",
        verb="data throughput",
    )


def over(_run: WatchedRun, seen: WatchedSoFar) -> str | None:
    """Whether batches are there in time again."""
    waits = seen.column("data_wait", seen.reports[-REPORTS:])
    return "the data is fast enough again" if waits and max(waits) < SHARE / 2 else None


def _window(run: WatchedRun, reports: Sequence[Report]) -> Sequence[Report]:
    """The fewest last reports, REPORTS or more, that took SECONDS or more together; none if all took less."""
    seconds = 0.0
    for count in range(1, len(reports)):
        seconds += _seconds(run, reports[-count - 1], reports[-count])
        if count >= REPORTS and seconds >= SECONDS:
            return reports[-count:]
    return ()


def _seconds(run: WatchedRun, before: Report, report: Report) -> float:
    """How long a report took, by its speed; infinite if that was not recorded."""
    speed = report.get("images_per_second")
    return (report["step"] - before["step"]) * max(1, run.batch) / speed if speed else math.inf


RULE = WatchRule(name="data slow", level="warning", look=look, over=over)
