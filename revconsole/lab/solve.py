"""Solve: the largest value of one setting with which a run fits into a memory.

A batch follows from one foresight. Each other value needs a trace of its own: memory grows nearly as a power of the
value, so the next one to try is where that power reaches the memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab import room
from revconsole.lab.calibration import correction
from revconsole.lab.torch_api import training
from revconsole.records.foresight import cache
from revconsole.records.foresight.allowance import allowance
from revconsole.records.foresight.foresight import ORDER, Foresight
from revconsole.records.foresight.parts import MOST_IMAGES
from revconsole.records.runs.run import Summary
from revconsole.records.sections.rule import Rule
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE

BATCH = "train.batch"
SOLVED = (BATCH, "model.depth", "model.dim", "data.image_size")
MOST_STRIDE = 256
"""Largest distance of two values that the rules allow."""
MOST_TRACES = 12
ENOUGH = 65_536
"""Values beyond which nothing is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestSetting:
    """The largest value of a setting that fits. bytes: at most, with it.

    beyond: the next value that the rules allow, which does not surely fit, and its bytes; None if there is none.
    micro_batch, accumulate: how a batch is made that was solved for; the second is the plan's own. None for other keys.
    """

    key: str
    value: int
    bytes: int
    beyond: tuple[int, int] | None
    micro_batch: int | None = None
    accumulate: int | None = None


def solved(
    plan: Plan, key: str, memory: int, runs: Sequence[Summary] = ()
) -> LargestSetting | None:
    """The largest value of `key` with which the plan's training surely fits; None if it fits with none.

    runs: earlier ones, which correct. Raises ProfileError for a key that is not one of SOLVED or that the model does not have, RevconsoleError if nothing
    can be foreseen.
    """
    if key not in SOLVED:
        raise ProfileError(
            COMMAND_LINE, "--solve", f"takes one of {', '.join(SOLVED)}, not {key!r}"
        )
    factor = correction(runs, room.kind_of(plan))
    if key == BATCH:
        return _batch(plan, memory, factor)
    return _Search(plan, key, memory, factor).found()


def _batch(plan: Plan, memory: int, factor: float) -> LargestSetting | None:
    """In closed form, with the plan's number of micro-batches."""
    parts, allowed = (
        plan.train.accumulate,
        allowance(plan, room.kind_of(plan), images=plan.folder_images or 0),
    )
    foresight = foreseen(plan)
    largest = foresight.largest(plan.backward, memory / factor, accumulate=parts, allowance=allowed)
    if not largest:
        return None

    def most(micro_batch: int) -> int:
        bounds = foresight.bounds(plan.backward, micro_batch, allowed, accumulate=parts)
        return math.ceil(bounds.high * factor)

    value, next_value = largest * parts, (largest + 1) * parts
    if next_value <= MOST_IMAGES:
        beyond = next_value, most(largest + 1)
    else:  # the rules allow no larger batch
        largest, beyond = MOST_IMAGES // parts, None
        value = largest * parts
    return LargestSetting(
        key=BATCH,
        value=value,
        bytes=most(largest),
        beyond=beyond,
        micro_batch=largest,
        accumulate=parts,
    )


def with_value(plan: Plan, key: str, value: int) -> Plan | None:
    """The plan with another value of a setting; None if the rules do not allow it."""
    section, name = key.split(".")
    content = plan.model_dump()
    content[section] |= {name: value}
    try:
        return Plan.model_validate(content)
    except (ValidationError, Rule, RevconsoleError):
        return None


@dataclass(slots=True)
class _Search:
    """The search over the values of a setting: those that the rules allow, at equal distances from the plan's own."""

    plan: Plan
    key: str
    memory: int
    correction: float = 1.0
    known: dict[int, int | None] = field(default_factory=dict)
    """Bytes by value, None where the model cannot be built with it."""

    def found(self) -> LargestSetting | None:
        own = self._own()
        if self._bytes(own) is None:
            self._foresee(self.plan)  # raises with the reason
        stride = self._stride(own)
        low, high = self._bracket(own, stride)
        while low and high and high - low > stride and len(self.known) < MOST_TRACES:
            value = self._between(low, high, stride)
            if value is None:
                break
            low, high = (value, high) if self._fits(value) else (low, value)
        if not low:
            return None
        beyond = (high, self._bytes(high)) if high else None
        return LargestSetting(
            key=self.key,
            value=low,
            bytes=self._bytes(low) or 0,
            beyond=(beyond[0], beyond[1] or 0) if beyond else None,
        )

    def _own(self) -> int:
        if self.key == "data.image_size":
            return self.plan.image_size
        section, name = self.key.split(".")
        value: object = getattr(getattr(self.plan, section), name, None)
        if not isinstance(value, int):
            raise ProfileError(
                COMMAND_LINE, "--solve", f"{self.plan.name} has no {self.key} to choose"
            )
        return value

    def _stride(self, own: int) -> int:
        """The smallest distance to a larger value that the rules allow."""
        allowed = (d for d in range(1, MOST_STRIDE + 1) if self._allows(own + d))
        return next(allowed, MOST_STRIDE)

    def _bracket(self, own: int, stride: int) -> tuple[int, int]:
        """The largest value known to fit and the smallest known not to; 0 where there is none."""
        low = high = 0
        value = own
        while len(self.known) < MOST_TRACES:
            if self._fits(value):
                low = value
                if high:
                    break
                value = self._allowed(self._guess(value), stride, above=value)
            else:
                high = value
                if low:
                    break
                value = self._allowed(self._guess(value), stride, below=value)
            if not value:
                break
        return low, high

    def _guess(self, value: int) -> int:
        """Where the memory would be reached: through two known values, or as if bytes were proportional to the value."""
        others = [v for v, taken in self.known.items() if taken and v != value]
        taken = self._bytes(value)
        if taken and others:
            nearest = min(others, key=lambda other: abs(other - value))
            return round(min(8 * value, self._through(nearest, value)))
        ratio = 0.5 if taken is None else self.memory / max(1, taken)
        return round(value * min(4.0, max(0.1, ratio)))

    def _through(self, one: int, other: int) -> float:
        """The value at which the memory is reached: on a line for the depth, else on a power law, through two values."""
        less, more = (self._bytes(each) or 1 for each in (one, other))
        if less == more:
            return float(other)
        if self.key == "model.depth":
            return one + (self.memory - less) * (other - one) / (more - less)
        power = math.log(other / one) / math.log(more / less)
        return float(one * (self.memory / less) ** min(power, 4.0))

    def _between(self, low: int, high: int, stride: int) -> int | None:
        """A value between two, where a power law through them reaches the memory."""
        guess = self._through(low, high) if self._bytes(high) else (low + high) / 2
        steps = int((guess - low) / stride)
        middle = low + stride * min(max(1, steps), max(1, (high - low) // stride - 1))
        for distance in range(0, high - low, stride):
            for value in (middle - distance, middle + distance):
                if low < value < high and self._allows(value):
                    return value
        return None

    def _allowed(self, guess: int, stride: int, *, above: int = 0, below: int = 0) -> int:
        """The allowed value nearest to a guess, above or below another; 0 if there is none."""
        start = above or below
        sign = 1 if above else -1
        away = max(1, sign * (guess - start) // stride)
        for steps in (*range(away, away + 17), *range(away - 1, 0, -1)):
            value: int = start + sign * steps * stride
            if 0 < value <= ENOUGH and self._allows(value):
                return value
        return 0

    def _allows(self, value: int) -> bool:
        return with_value(self.plan, self.key, value) is not None

    def _fits(self, value: int) -> bool:
        taken = self._bytes(value)
        return taken is not None and taken <= self.memory

    def _bytes(self, value: int) -> int | None:
        if value not in self.known:
            changed = with_value(self.plan, self.key, value)
            self.known[value] = None if changed is None else self._most(changed)
        return self.known[value]

    def _most(self, plan: Plan) -> int | None:
        try:
            return self._foresee(plan)
        except Exception:  # noqa: BLE001  a model that cannot be built with a value raises anything
            return None

    def _foresee(self, plan: Plan) -> int:
        parts, images = plan.parts_of_batch, plan.images_at_once
        allowed = allowance(plan, room.kind_of(plan), images=plan.folder_images or 0)
        bounds = foreseen(plan).bounds(plan.backward, images, allowed, accumulate=parts)
        return math.ceil(bounds.high * self.correction)


def foreseen(plan: Plan) -> Foresight:
    """The foresight of the plan's own backward; of `auto`, of all. Raises RevconsoleError if there is none."""
    if unsure := room.without_rules(plan):
        raise RevconsoleError(f"{unsure}; set train.device=cpu or cuda to ask about one of those")
    kind = room.kind_of(plan)
    backwards = ORDER if plan.backward == "auto" else (plan.backward,)
    return cache.known(plan, kind) or training.foresee(plan, kind, backwards=backwards)
