"""Learning: everything in which a network, trained by gradients, and a model that is fitted differ, as one interface."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from revconsole.data import OpenedData, OpenedSplit
from revconsole.records.logs.events import Event, MetricDeclared, Scalar
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.advice import AdviceCheck
from revconsole.training.memory.suggestions import Suggestion
from revconsole.training.probes.boundary import Certainty
from revconsole.training.requests import Requests
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import Scores
from revconsole.training.step.progress import Epoch, Progress
from revconsole.training.step.stepping import TrainingStep

Emit = Callable[[Event], None]
Score = Callable[[OpenedSplit, str], Scores]
"""Scores of the model on a split; the words name the evaluation in messages."""


class TimedSteps(NamedTuple):
    """Seconds of all training steps, if each takes as long as the first quartile, the median and the third quartile of some.

    timed: the number of those; 0 for a fit, of which a part is timed.
    """

    quick: float
    usual: float
    slow: float
    timed: int

    def of_step(self, steps: int) -> tuple[float, float, float]:
        """Seconds of one of so many steps."""
        return self.quick / steps, self.usual / steps, self.slow / steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How a model comes to its weights: a function for each question whose answer depends on it."""

    device: Callable[[Plan], str]
    """The device to compute on, in the words of `train.device`."""
    length: Callable[[Plan, nn.Module, OpenedData, int], tuple[int, int]]
    """(steps per epoch, steps of the whole run), from the images of the smallest forward pass."""
    batches: Callable[[TrainingState, int, int], Iterator[tuple[Tensor, Tensor]]]
    """Images and labels of each step of an epoch, from 1, starting with a batch of it, from 0."""
    make_ready: Callable[[TrainingState], object]
    """Prepares the model for its first step. Raises RevconsoleError if it cannot be trained."""

    compute: Callable[..., TrainingStep]
    """The results of step `number` of `epoch` on `images` and `labels`; keeps the weights, so it can be repeated."""
    update: Callable[[TrainingState, TrainingStep], None]
    """Applies a computed step to the model."""
    trained: Callable[[TrainingState, Epoch, Score], Epoch]
    """The sums over the training images of an epoch that ends, from those of its steps."""

    metrics: Callable[[TrainingState], tuple[MetricDeclared, ...]]
    """The declarations of every metric that the run measures; no other is reported."""
    facts: Callable[[TrainingState, int], dict[str, Scalar]]
    """For an attempt that begins at a step: weights, operations, and the images and time of the evaluations."""
    checks: tuple[AdviceCheck, ...]
    """The advice before training."""
    watched: Callable[[TrainingState, Progress, Emit], Emit]
    """An `emit` that also emits the advice of the rules that watch a run."""
    forecast: Callable[[TrainingState, Emit, Requests], Callable[[Progress], None]]
    """A function to be called after each step, which reports the remaining time if steps do not tell it."""
    certainty: Certainty
    """What the boundary between two classes shows."""

    cost: Callable[[Plan], dict[str, Scalar]]
    """Weights and operations as far as they are known without training; see `checks.cost`."""
    training_seconds: Callable[[TrainingState], TimedSteps]
    """Estimated seconds of all steps, measured on a few."""
    evaluation_seconds: Callable[[TrainingState], tuple[float, float]]
    """Estimated seconds of the evaluations after an epoch and of those at the end."""
    step_bytes: Callable[[TrainingState], int | None]
    """Foreseen memory of a step; None if unknown."""
    suggestions: Callable[[TrainingState], tuple[int | None, list[Suggestion]]]
    """(bytes of a step at present if known, settings that need less)."""
    plain_suggestions: Callable[[Plan], list[Suggestion]]
    """Settings that need less memory, for a plan that could not be realised."""
