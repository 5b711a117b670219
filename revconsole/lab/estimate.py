"""Estimate: time and memory of planned runs, measured in a process of its own, because threads and memory peaks are shared."""

import json
import threading
from dataclasses import dataclass

from pydantic import TypeAdapter

from revconsole.errors import DataUnavailable, RevconsoleError
from revconsole.lab.other_process import OtherProcess
from revconsole.records import devices
from revconsole.records.foresight import measured
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.runs.pace import pace_key
from revconsole.records.settings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a few real steps with their data say of a run.

    step_bytes: what a training step needs, with weights and images; None is unknown. device_name: where they were taken.
    """

    pace: KeptPace
    step_bytes: int | None
    device_name: str = ""


class Measurer:
    """The measuring process. It starts with a question and ends with `rest` or `end`, which any thread may call."""

    def __init__(self) -> None:
        self._process = _process()
        self._seen: dict[str, KeptPace] = {}
        self._names: dict[str, str] = {}

    def known(self, plan: Plan) -> KeptPace | None:
        """The pace of a plan that was measured here, now or before; None without one. Imports no torch."""
        key, device = pace_key(plan), plan.train.device
        if key in self._seen:
            return self._seen[key]
        if device not in self._names:
            self._names[device] = devices.called(device)
        return measured.known(key, self._names[device])

    def ask(self, plan: Plan) -> Estimate:
        """Measure a few steps of a plan, and keep their pace for runs to come. Raises DataUnavailable and RevconsoleError."""
        if plan.train.ranks > 1:
            raise RevconsoleError(
                f"not measured: the pace of {plan.train.ranks} ranks is not that of one process; a run of a few steps tells "
                "it, as with train.steps=20"
            )
        answer = json.loads(self._process.ask(plan.model_dump_json()))
        if "error" in answer:
            missing = DataUnavailable if answer["unavailable"] else RevconsoleError
            raise missing(answer["error"])
        estimate = _ADAPTER.validate_python(answer)
        key = pace_key(plan)
        self._seen[key] = estimate.pace
        measured.keep(key, estimate.device_name, estimate.pace)
        return estimate

    def rest(self) -> None:
        """End the process, even while it measures, so that it holds no memory; the next question starts another.

        It does not wait for the end, which a GPU takes its time for.
        """
        process, self._process = self._process, _process()
        threading.Thread(target=process.end, name="ending", daemon=True).start()

    def end(self) -> None:
        """End the process for good, even while it measures."""
        self._process.end()


def _process() -> OtherProcess:
    return OtherProcess("revconsole.training.questions.estimate", "measures")


_ADAPTER: TypeAdapter[Estimate] = TypeAdapter(Estimate)
