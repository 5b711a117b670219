"""Criterion: which of two epochs is the better one."""

from typing import NamedTuple


class Criterion(NamedTuple):
    """The validation metric that decides which epoch is better."""

    metric: str
    higher: bool

    @property
    def words(self) -> str:
        """The metric's name as words."""
        return self.metric.replace("_", " ").replace("knn", "k-NN")

    def score(self, value: float) -> float:
        """A number that is larger for a better epoch."""
        return value if self.higher else -value


VALIDATION_ACCURACY = Criterion(metric="validation_accuracy", higher=True)
"""The criterion of a run that learns from labels."""
