"""Actual: the memory that a real step takes on the CPU, for a prediction to be compared with.

tracked: the most bytes that torch's allocator held at once, by its own account (the profiler's), with what stood before
the step. resident: by the system's account, which adds what the C library keeps back and kernels take from elsewhere;
meaningful in a fresh process only, so `Stepping` asks one that forks for each question.
"""

import gc
import json
import os
import sys
from dataclasses import asdict, dataclass
from subprocess import PIPE, Popen
from typing import Self

import psutil

from revconsole.errors import RunFailed
from revconsole.records import child
from revconsole.records.settings.plan import Plan
from revconsole.training.foresee.foresee import standing_tensors, steps_to_trace
from revconsole.training.foresee.shapes import batch_of, realised
from revconsole.training.machine import devices
from revconsole.training.machine.allocated import allocated
from revconsole.training.machine.resident import (
    give_memory_back_at_once,
    most_resident,
    reset_peak,
)
from revconsole.training.setup.build import build_learner, drawn
from revconsole.training.setup.training_state import averaged
from revconsole.training.step.stepping import compute_gradients, update_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualMemory:
    """The most bytes of a step: allocated, and resident in the process beyond what was before."""

    tracked: int
    resident: int


def actual(plan: Plan, micro_batch: int, accumulate: int = 1) -> ActualMemory:
    """Train a few steps of random images with random weights on the CPU, and say what the last took.

    Raises as `build_learner` does.
    """
    learner = build_learner(drawn(plan))
    state = realised(plan, learner, averaged(learner, plan.train.average), "cpu")
    state.micro_batch = micro_batch
    images, labels = batch_of(plan, micro_batch * accumulate)
    images.normal_()
    labels.zero_()

    def step() -> None:
        for number in steps_to_trace(plan):
            update_weights(state, compute_gradients(state, number, 1, images=images, labels=labels))
            state.optimizer.zero_grad(set_to_none=True)

    step()
    standing = sum(
        t.untyped_storage().nbytes() for _, t in standing_tensors(state, (images, labels))
    )
    before = _resident_now()
    step()
    resident = most_resident() - before
    return ActualMemory(tracked=standing + allocated(step), resident=standing + max(0, resident))


def _resident_now() -> int:
    gc.collect()
    reset_peak()
    return int(psutil.Process().memory_info().rss)


class Stepping:
    """The process that forks for each question: `with Stepping() as stepping: stepping.ask(plan, 32)`."""

    def __enter__(self) -> Self:
        self._process = Popen(  # noqa: S603  our own interpreter and module, no shell
            child.command(__spec__.name),
            env=child.environment(),
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it

    def ask(self, plan: Plan, micro_batch: int, accumulate: int = 1) -> ActualMemory:
        """`actual` in a process of its own. Raises RunFailed if it could not be run, for lack of memory, say."""
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:  # they are pipes
            raise RunFailed("the process that measures has ended")
        question = [plan.model_dump(mode="json"), micro_batch, accumulate]
        questions.write(json.dumps(question) + "\n")
        questions.flush()
        answer = json.loads(answers.readline() or "null")
        if not isinstance(answer, dict):
            raise RunFailed(f"a real step could not be run: {answer or 'memory ran out'}")
        return ActualMemory(**answer)


def serve() -> None:
    """Answer each line of the input in a fork of this process, which has imported torch and computed nothing."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not mix with the answers
    for line in sys.stdin:
        forked = os.fork()
        if not forked:
            answers.write(_answer(line) + "\n")
            answers.flush()
            os._exit(0)
        if os.waitpid(forked, 0)[1]:
            answers.write("null\n")
            answers.flush()


def _answer(line: str) -> str:
    give_memory_back_at_once()
    try:
        plan, micro_batch, accumulate = json.loads(line)
        plan = Plan.model_validate_json(json.dumps(plan))
        with devices.threads(plan.train.threads):
            found = actual(plan, micro_batch, accumulate)
    except Exception as error:  # noqa: BLE001  the other process reports it
        return json.dumps(f"{type(error).__name__}: {error}"[:300])
    return json.dumps(asdict(found))


if __name__ == "__main__":
    serve()
