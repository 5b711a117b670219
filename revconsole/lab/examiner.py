"""Examiner: checks of a plan that need its model, made in a separate process, so that no key waits for torch."""

import json

from revconsole.lab.other_process import OtherProcess
from revconsole.records.runs.store import RunStore
from revconsole.records.settings import verdict
from revconsole.records.settings.plan import Plan


class Examiner:
    """The checking process, passed to `judge` as `ask`. It starts with the first question and ends with `end`."""

    def __init__(self) -> None:
        self._process = OtherProcess("revconsole.training.questions.examination", "examines models")

    def __call__(self, plan: Plan, store: RunStore, *, own_code: bool) -> None:
        """Raise RevconsoleError for every error that a run of the plan would raise before its first step; see `AskTorch`."""
        question = {
            "plan": plan.model_dump(mode="json"),
            "store": str(store.root.absolute()),
            "own_code": own_code,
        }
        verdict.raise_from(self._process.ask(json.dumps(question)))

    def end(self) -> None:
        """End the process, even while it checks."""
        self._process.end()
