"""Utilisation: the share of the device's peak that a run takes for its model (MFU), as a pair of name and text."""

from revconsole.lab import format as form
from revconsole.records.runs.run import Run

METRIC, PEAK = "mfu", "device_peak_flops"
FACTS = frozenset({PEAK})
"""Facts of a run that the pair tells."""


def pairs(run: Run) -> list[tuple[str, str]]:
    """The share and of what; empty where the peak of the device is not known, or nothing was measured yet."""
    series, peak = run.series.get(METRIC), run.facts.get(PEAK)
    if series is None or series.last is None or not isinstance(peak, int | float):
        return []
    of = f"of {peak / 1e12:,.4g} TFLOP/s in {run.plan.train.precision}"
    return [
        ("MFU", f"{form.percent(series.last)} {of} ({run.facts.get('device_name') or 'device'})")
    ]
