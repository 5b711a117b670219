"""Foreseer: foresees planned runs in a process of its own, where the cache does not know them.

In this process torch would hold up keys, and recording a step would disturb a run that trains in a thread.
"""

import json

from pydantic import ValidationError

from revconsole.errors import RevconsoleError
from revconsole.lab import room
from revconsole.lab.other_process import OtherProcess
from revconsole.records.foresight import chosen, foreseen
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.settings.plan import Plan


class Foreseer:
    """The process that foresees. It starts with the first question and ends with `end`, which any thread may call."""

    def __init__(self) -> None:
        self._process = OtherProcess("revconsole.training.questions.foreseeing", "foresees")
        self._seen: dict[str, Foreseen] = {}

    def known(self, plan: Plan) -> Foreseen | None:
        """What is known of a plan, by its counts at least; None if it was never asked. Imports no torch."""
        key = _key(plan)
        if key not in self._seen:
            try:
                found = foreseen.known(plan, room.kind_of(plan))
            except RevconsoleError as error:
                found = Foreseen(why_not=str(error))
            if found is None or not _chosen(plan):
                return None
            self._seen[key] = found
        return self._seen[key]

    def ask(self, plan: Plan, *, counts_only: bool = False) -> Foreseen:
        """What a run of the plan would take; it is kept in the user's cache, so that nobody asks again."""
        kind = room.kind_of(plan)
        question = {"plan": plan.model_dump(mode="json"), "kind": kind, "counts_only": counts_only}
        try:
            found = Foreseen.from_line(self._process.ask(json.dumps(question)))
            found.keep(plan, kind)
        except ValidationError:
            found = Foreseen(why_not="the process that foresees gave no answer")
        except RevconsoleError as error:
            found = Foreseen(why_not=str(error))
        self._seen[_key(plan)] = found
        return found

    def end(self) -> None:
        """End the process, even while it foresees."""
        self._process.end()


def _chosen(plan: Plan) -> bool:
    """Whether nothing is to be chosen for a budget, or that was done."""
    budget = plan.train.budget_mib
    if plan.backward != "auto" or not budget:
        return True
    kind, micro_batch = room.kind_of(plan), plan.images_at_once
    return chosen.known(plan, kind, micro_batch, budget * chosen.MEBIBYTE) is not None


def _key(plan: Plan) -> str:
    """Everything that is foreseen depends on, and what names a model of the user's own."""
    train = plan.train
    told: tuple[object, ...] = (
        plan.model, plan.scheme, plan.objective, plan.data.dataset, plan.image_shape, plan.data.views, plan.data.mixes,
        train.precision, train.device, train.label_smoothing > 0, train.freeze, train.average is None, train.clip is None,
        train.gpus, train.shard, train.sync_batchnorm,
    )  # fmt: skip
    if plan.backward == "auto" and train.budget_mib:
        told = (*told, plan.images_at_once, train.budget_mib)
    optimizer = plan.optimizer.model_copy(update={"learning_rate": 1.0, "weight_decay": 0.0})
    return repr((*told, optimizer))
