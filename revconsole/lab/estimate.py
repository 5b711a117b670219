"""Estimate: time and memory of planned runs, measured in a process of its own, because threads and memory peaks are shared."""

import json
from dataclasses import dataclass

from revconsole.errors import DataUnavailable, RevconsoleError
from revconsole.lab.other_process import OtherProcess
from revconsole.records.foresight import measured
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.runs.pace import pace_key
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a few real steps with their data say of a run.

    seconds: of the whole run. step_bytes: what a training step needs, with weights and images; None is unknown.
    epoch_seconds: of an epoch with its evaluations. end_seconds: of what happens once, at the end. step_seconds: of a
    training step, quartile, median, quartile. device, device_name: where they were taken.
    """

    seconds: float
    step_bytes: int | None
    epoch_seconds: float
    step_seconds: tuple[float, float, float]
    end_seconds: float = 0.0
    device: str = ""
    device_name: str = ""


class Measurer:
    """The measuring process. It starts with the first question and ends with `end`, which any thread may call."""

    def __init__(self) -> None:
        self._process = OtherProcess("revconsole.training.questions.estimate", "measures")

    def ask(self, plan: Plan) -> Estimate:
        """Measure a few steps of a plan, and keep their pace for runs to come. Raises DataUnavailable and RevconsoleError."""
        answer = json.loads(self._process.ask(plan.model_dump_json()))
        if "error" in answer:
            kind = DataUnavailable if answer["unavailable"] else RevconsoleError
            raise kind(answer["error"])
        estimate = Estimate(**answer | {"step_seconds": tuple(answer["step_seconds"])})
        kept = KeptPace(epoch_seconds=estimate.epoch_seconds, end_seconds=estimate.end_seconds)
        measured.keep(pace_key(plan), estimate.device_name, kept)
        return estimate

    def end(self) -> None:
        """End the process, even while it measures."""
        self._process.end()
