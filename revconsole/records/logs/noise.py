"""Noise: whether a run measured its training metrics under augmentation, dropout or random signs."""

from revconsole.records.logs.events import MetricDeclared

CLEAN = "with neither augmentation nor dropout"
"""The clause in a training metric's meaning that excludes noise."""
BEFORE = "before each update, "
"""The words that precede that clause."""
KINDS = ("augmented", "dropout", "drop-path", "random signs")
"""What a clause says of noise, see `training.setup.noise`."""


def noisy(metric: MetricDeclared) -> bool:
    """Whether the metric declares that it was measured with noise."""
    return BEFORE in metric.meaning and CLEAN not in metric.meaning


def brief(metric: MetricDeclared) -> str:
    """The kinds of noise that the metric declares, as words for a legend; empty without any."""
    clause = metric.meaning.partition(BEFORE)[2]
    return ", ".join(kind for kind in KINDS if kind in clause) if noisy(metric) else ""
