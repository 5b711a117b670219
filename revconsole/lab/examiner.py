"""Examiner: what only a model can tell of a plan, asked of a process of its own, so that no key waits for torch."""

import json

from revconsole.lab.other_process import OtherProcess
from revconsole.records.runs.store import RunStore
from revconsole.records.settings import verdict
from revconsole.records.settings.plan import Plan


class Examiner:
    """The process, to be given to `judge` as whom to ask. It begins with the first question and ends with `end`."""

    def __init__(self) -> None:
        self._process = OtherProcess("revconsole.training.questions.examination", "examines models")

    def __call__(self, plan: Plan, store: RunStore, *, own_code: bool) -> None:
        """Raise RevconsoleError for what a run of the plan would raise before its first step; see `AskTorch`."""
        question = {
            "plan": plan.model_dump(mode="json"),
            "store": str(store.root.absolute()),
            "own_code": own_code,
        }
        verdict.raise_from(self._process.ask(json.dumps(question)))

    def end(self) -> None:
        """End the process, also in the middle of an answer."""
        self._process.end()
