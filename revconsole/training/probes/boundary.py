"""Boundary: the model's predictions over the plane between epochs, for datasets of points of two classes.

The centre of each cell of a grid passes through the model like a test image; weights and random draws are not
affected. A log line has about 2.4 kB, and a long run writes MOST_REPORTS of them.

Shapes: G cells of the grid, row by row from the top.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from revconsole.data import as_pixel_levels, as_points, resized
from revconsole.records.logs.boundary import DIGITS, LEVELS
from revconsole.records.logs.events import Bounded, Event
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.progress import Progress

SIDE = 48
"""Cells of the grid in each direction."""
MOST_REPORTS = 50
MOST_POINTS = 200
AT_ONCE = 256
ROOM = 0.08
"""Margin around the training points, as a fraction of their extent."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """What the boundary shows. share: maps the second class's lead in score over the first to [0, 1], ½ at a tie."""

    of: Literal["probability", "margin"]
    share: Callable[[Tensor], Tensor]


PROBABILITY = Certainty(of="probability", share=torch.sigmoid)
"""Of a classifier with logits: the probability of the second class."""
MARGIN = Certainty(of="margin", share=lambda lead: (lead + 1) / 2)
"""Of a support vector machine: its decision f, from −1 to 1."""


class BoundaryProbe:
    """Reports the boundary when it is due; does nothing unless the data are points of two classes."""

    def __init__(
        self,
        state: TrainingState,
        emit: Callable[[Event], None],
        certainty: Certainty = PROBABILITY,
    ) -> None:
        self._state, self._emit, self._certainty = state, emit, certainty
        points = state.data.test.images.shape[1:] == (2, 1, 1) and len(state.data.names) == 2
        self._applies = points and state.probes
        self._said_points = False
        self._latest: tuple[int, int] | None = None

    def report_if_due(self, progress: Progress) -> None:
        """Report the boundary after this epoch if due: at even intervals, and always at the first and last epoch."""
        epoch, epochs = progress.epoch, self._state.epochs
        due = epoch * MOST_REPORTS // epochs > (epoch - 1) * MOST_REPORTS // epochs
        if self._applies and (due or epoch in {0, epochs} or not self._said_points):
            self._report(progress.step, epoch)

    def report_best(self, progress: Progress) -> None:
        """Report the boundary of the tested weights."""
        best = progress.best
        if self._applies:
            step, epoch = (best.step, best.epoch) if best else (progress.step, progress.epoch)
            self._report(step, epoch, tested=True)

    def _report(self, step: int, epoch: int, *, tested: bool = False) -> None:
        state = self._state
        first, second = state.data.names
        box = box_around(as_points(state.data.train.images[:]))
        self._emit(
            Bounded(
                step=step,
                epoch=epoch,
                tested=tested,
                box=box,
                columns=SIDE,
                rows=SIDE,
                cells="".join(DIGITS[n] for n in self._levels(places(box)).tolist()),
                of=self._certainty.of,
                names=(first, second),
                points=() if self._said_points else some_points(state),
            )
        )
        self._said_points = True

    def _levels(self, points: Tensor) -> Tensor:
        return levels(self._state, points, self._certainty)


def box_around(points: Tensor) -> Box:
    """Left, right, bottom and top of all points (N, 2), with a margin, to two decimals."""
    low, high = points.amin(0), points.amax(0)
    margin = (high - low) * ROOM
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return round(left, 2), round(right, 2), round(bottom, 2), round(top, 2)


def places(box: Box) -> Tensor:
    """The centre of every cell of the grid, (G, 2)."""
    left, right, bottom, top = box
    middles = (torch.arange(SIDE) + 0.5) / SIDE
    across, down = left + middles * (right - left), top - middles * (top - bottom)
    return torch.cartesian_prod(down, across).flip(1)


def levels(state: TrainingState, points: Tensor, certainty: Certainty = PROBABILITY) -> Tensor:
    """The judged model's answer at each point (G, 2), as the number of a digit (G,); see `records.logs.boundary`."""
    model, prepare = state.judged, state.data.test.preparation.standardisation
    pixels = as_pixel_levels(points).to(state.device)
    leads = []
    model.eval()
    try:
        with torch.inference_mode():
            for part in torch.split(pixels, AT_ONCE):
                with state.precision.autocast():
                    scores = model(resized(prepare(part), state.plan.image_shape)).float()
                leads.append(scores[:, 1] - scores[:, 0])
    finally:
        model.train()
    share = certainty.share(torch.cat(leads).cpu())
    return (share.nan_to_num(0.5) * LEVELS).floor().clamp(0, LEVELS - 1).to(torch.int64)


def some_points(state: TrainingState) -> list[tuple[float, float, int]]:
    """The first test points as (x, y, class)."""
    test = state.data.test
    points = as_points(test.images[:MOST_POINTS]).cpu()
    return [
        (round(x, 3), round(y, 3), label)
        for (x, y), label in zip(points.tolist(), test.labels[:MOST_POINTS].tolist(), strict=True)
    ]
