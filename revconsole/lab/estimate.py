"""Estimate: time and memory of planned runs, measured in a process of its own.

In this process it would disturb a run that trains in a thread: how many threads torch has decides the order of its
sums, and memory that is counted here is that of both.
"""

import json
from dataclasses import dataclass

from revconsole.errors import DataUnavailable, RevconsoleError
from revconsole.lab.other_process import OtherProcess
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """seconds: of the whole run. step_bytes: what a training step needs, with weights and images; None is unknown."""

    seconds: float
    step_bytes: int | None


class Measurer:
    """The process. It begins with the first question and ends with `end`, from any thread."""

    def __init__(self) -> None:
        self._process = OtherProcess("revconsole.training.questions.estimate", "measures")

    def ask(self, plan: Plan) -> Estimate:
        """Measure a few steps of a plan. Raises DataUnavailable, or RevconsoleError where it cannot be measured."""
        answer = json.loads(self._process.ask(plan.model_dump_json()))
        if "error" in answer:
            kind = DataUnavailable if answer["unavailable"] else RevconsoleError
            raise kind(answer["error"])
        return Estimate(seconds=answer["seconds"], step_bytes=answer["step_bytes"])

    def end(self) -> None:
        """End the process, also in the middle of an answer."""
        self._process.end()
