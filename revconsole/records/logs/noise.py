"""Noise: whether a run measured its training metrics under augmentation, dropout or random signs."""

from revconsole.records.logs.events import MetricDeclared

CLEAN = "with neither augmentation nor dropout"
"""The clause in a training metric's meaning that excludes noise."""
BEFORE = "before each update, "
"""The words that precede that clause."""


def noisy(metric: MetricDeclared) -> bool:
    """Whether the metric declares that it was measured with noise."""
    return BEFORE in metric.meaning and CLEAN not in metric.meaning
