"""Checked predictions: foreseen memory beside that of a real step; what `plan --calibration --check` shows.

Errors are told against torch's allocator and against the whole process; there also with a factor from other predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from revconsole.records.foresight.allowance import BEYOND_FORESEEN, Allowance

MEMORIES = (0.8, 0.9, 0.95, 0.99, 1.01, 1.05, 1.1, 1.25)
"""Memories for which a verdict is asked, by what the whole process took: the first four are too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UncheckedPrediction:
    """A combination of which no step could be trained, or that could not be foreseen."""

    settings: str
    backward: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPrediction:
    """One model, scheme, backward, precision and optimiser, its batch, and what a step of it took.

    settings: dotted, as for `plan`, without the backward and the batch. predicted, tracked: bytes, foreseen and held by
    torch's allocator; resident: by the whole process beyond what it held before. operator: at which the peak is foreseen.
    cold_seconds, cached_seconds: of CPU, for a prediction traced anew and read again.
    """

    settings: str
    backward: str
    micro_batch: int
    accumulate: int
    predicted: int
    tracked: int
    resident: int
    operator: str
    cold_seconds: float
    cached_seconds: float

    @property
    def error(self) -> float:
        """Relative to what was tracked; below 0 where too little was foreseen."""
        return self.predicted / self.tracked - 1.0

    @property
    def resident_error(self) -> float:
        """Relative to what was resident."""
        return self.predicted / self.resident - 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionErrors:
    """Sizes of relative errors over several predictions."""

    count: int
    median: float
    mean: float
    worst: float


def errors_of(errors: Sequence[float]) -> PredictionErrors:
    """Their count, median, mean and worst size. Raises ValueError without any."""
    sizes = [abs(error) for error in errors]
    if not sizes:
        raise ValueError("there are no predictions to summarise")
    return PredictionErrors(
        count=len(sizes), median=median(sizes), mean=sum(sizes) / len(sizes), worst=max(sizes)
    )


def held_out_errors(checks: Sequence[CheckedPrediction]) -> list[float]:
    """Errors against the whole process, each prediction multiplied by the median ratio of all others. Two or more are needed."""
    ratios = [each.resident / each.predicted for each in checks]
    return [
        median([*ratios[:place], *ratios[place + 1 :]]) / ratio - 1.0
        for place, ratio in enumerate(ratios)
    ]


def later_errors(checks: Sequence[CheckedPrediction], first: int) -> list[float]:
    """Errors against the whole process of all but the `first` predictions, which tell the factor."""
    factor = median(each.resident / each.predicted for each in checks[:first])
    return [factor * each.predicted / each.resident - 1.0 for each in checks[first:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCounts:
    """Verdicts on `MEMORIES` around what the process took. wrongly: said to fit and does not; said not to and does."""

    asked: int
    wrongly_fits: int
    wrongly_not: int
    uncertain: int


def verdicts(checks: Sequence[CheckedPrediction]) -> VerdictCounts:
    """The verdicts of `plan --memory` on steps whose memory is known, images of the data left out."""
    asked = [
        (
            Allowance(inside=BEYOND_FORESEEN).around(each.predicted, each.predicted),
            each.resident,
            share,
        )
        for each in checks
        for share in MEMORIES
    ]
    words = [(bounds.within(int(share * taken)), share) for bounds, taken, share in asked]
    return VerdictCounts(
        asked=len(words),
        wrongly_fits=sum(word in {"fits", "tight"} and share < 1.0 for word, share in words),
        wrongly_not=sum(word == "does not fit" and share >= 1.0 for word, share in words),
        uncertain=sum(word == "uncertain" for word, _ in words),
    )
