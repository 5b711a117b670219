"""Noise: whether what a run measured of its training images was measured with augmentation, dropout or random signs."""

from revconsole.records.logs.events import MetricDeclared

CLEAN = "with neither augmentation nor dropout"
"""How a metric of training says that there was none."""
BEFORE = "before each update, "
"""What stands before the clause that says it."""


def noisy(metric: MetricDeclared) -> bool:
    """Whether a metric says that there was some; older runs do not say."""
    return BEFORE in metric.meaning and CLEAN not in metric.meaning
