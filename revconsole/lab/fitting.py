"""Fitting: the largest micro-batch of a run in a memory, foreseen and then tried with real steps.

Of the memory a reserve stays free. What is foreseen to fit into the rest is tried, and a tenth more if that fits; a tenth
less if it does not, until something fits. Each try is three real steps in a process of its own, so one that runs out of
memory ends that process and nothing else.
"""

import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab import room
from revconsole.lab.calibration import correction
from revconsole.lab.solve import foreseen
from revconsole.records import child
from revconsole.records.foresight.allowance import allowance, placed_bytes
from revconsole.records.foresight.foresight import divisors
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

MODULE = "revconsole.training.questions.real_steps"
MOST_TRIES = 12
MORE, LESS = 1.1, 0.9
MOST_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class FitWanted:
    """memory: of the device. reserve: the share of it that stays free. ceiling: the largest micro-batch wanted."""

    memory: int
    reserve: float
    ceiling: int

    @property
    def usable(self) -> int:
        """Bytes without the reserve."""
        return int(self.memory * (1.0 - self.reserve))


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTry:
    """Real steps with a micro-batch. bytes: what they took, with the images of the data; None if memory ran out. fits: within
    the usable memory.
    """

    micro_batch: int
    bytes: int | None
    fits: bool


def foreseen_batch(plan: Plan, wanted: FitWanted, runs: Sequence[Summary] = ()) -> int:
    """The largest micro-batch foreseen to fit, up to the ceiling. runs: earlier ones, which correct. Raises RevconsoleError.

    Where the batch takes several, the gradients of the earlier ones and the images of all are there too.
    """
    usable = wanted.usable / correction(runs, room.kind_of(plan))
    allowed = allowance(plan, room.kind_of(plan), images=plan.folder_images or 0)
    foresight, batch = foreseen(plan), plan.train.batch
    alone = min(foresight.largest(plan.backward, usable, allowance=allowed), wanted.ceiling)
    if not alone or alone >= batch:
        return alone
    parts = math.ceil(batch / alone)
    largest = foresight.largest(plan.backward, usable, accumulate=parts, allowance=allowed)
    return min(largest, wanted.ceiling)


def tries(plan: Plan, wanted: FitWanted, start: int) -> Iterator[RealTry]:
    """Real steps from `start` on, until the largest micro-batch that fits is between two that were tried.

    Raises RevconsoleError if the steps cannot be taken for another reason than memory.
    """
    micro_batch, fitted = max(1, start), False
    for _ in range(MOST_TRIES):
        tried = real_steps(plan, micro_batch, wanted)
        yield tried
        if tried.fits and micro_batch < wanted.ceiling and not fitted:
            fitted = True
            micro_batch = min(wanted.ceiling, max(micro_batch + 1, int(micro_batch * MORE)))
        elif tried.fits or fitted or micro_batch == 1:
            return
        else:
            micro_batch = max(1, min(micro_batch - 1, int(micro_batch * LESS)))


def real_steps(plan: Plan, micro_batch: int, wanted: FitWanted) -> RealTry:
    """Three steps in a process of its own that may take all of the memory: of one micro-batch, or of the first two where the
    batch takes several, beside the images of all. Raises RevconsoleError.
    """
    question = {
        "plan": plan.model_dump(mode="json"),
        "micro_batch": micro_batch,
        "accumulate": parts_of(plan, micro_batch),
        "images": max(plan.train.batch, micro_batch),
        "cap": wanted.memory,
    }
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module, no shell
            child.command(MODULE),
            env=child.environment(),
            input=json.dumps(question) + "\n",
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RevconsoleError(
            f"three steps of {micro_batch} images take more than {MOST_SECONDS} s; give --ceiling"
        ) from error
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    if "error" in answer:
        raise RevconsoleError(f"real steps of {plan.name} cannot be taken: {answer['error']}")
    took = answer.get("bytes")  # nothing was said if the system ended the process
    return judged(plan, micro_batch, took, wanted)


def judged(plan: Plan, micro_batch: int, took: int | None, wanted: FitWanted) -> RealTry:
    """What steps took, with the images of the data, which a run holds besides and the steps did without."""
    data = placed_bytes(plan, room.kind_of(plan), images=plan.folder_images or 0)
    held = None if took is None else took + data
    return RealTry(
        micro_batch=micro_batch, bytes=held, fits=held is not None and held <= wanted.usable
    )


def parts_of(plan: Plan, micro_batch: int) -> int:
    """Micro-batches that a real step is taken with: two where the batch takes several, as the others need no more."""
    return 1 if micro_batch >= plan.train.batch else 2


def fitted_plan(plan: Plan, micro_batch: int) -> Plan:
    """The plan with its batch made of the fewest equal micro-batches of at most so many images."""
    batch = plan.train.batch
    parts = next(n for n in divisors(batch) if batch // n <= micro_batch)
    return plan.model_copy(update={"train": plan.train.model_copy(update={"accumulate": parts})})
