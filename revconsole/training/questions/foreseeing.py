"""Foreseeing: `python -m revconsole.training.questions.foreseeing` reads plans as lines of JSON and answers each with a
line: what the model has, and the memory of its step (see `revconsole.records.foresight.foreseen`).
"""

import json
import os
import sys
from contextlib import suppress
from typing import IO

from revconsole.errors import RevconsoleError, said
from revconsole.records.foresight.chosen import MEBIBYTE
from revconsole.records.foresight.foreseen import Foreseen
from revconsole.records.foresight.foresight import Kind
from revconsole.records.settings.plan import Plan
from revconsole.training.foresee.choosing import chosen
from revconsole.training.foresee.foresee import foresee
from revconsole.training.learning.preparing import learning_of


def foreseen(plan: Plan, kind: Kind, *, counts_only: bool) -> Foreseen:
    """What a run of the plan would take on a kind of device."""
    try:
        counts = dict(learning_of(plan).cost(plan))
        if counts_only:
            return Foreseen(counts=counts)
    except Exception as error:  # noqa: BLE001  as below
        return Foreseen(why_not=_why(error))
    try:
        foresight = foresee(plan, kind)
        if plan.backward == "auto" and (budget := plan.train.budget_mib):
            with suppress(RevconsoleError):  # then the run measures
                chosen(plan, kind, plan.images_at_once, budget * MEBIBYTE)  # kept in the cache
        return Foreseen(counts=counts, foresight=foresight)
    except Exception as error:  # noqa: BLE001  a model of somebody else's may raise anything without numbers
        return Foreseen(counts=counts, why_not=_why(error))


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, RevconsoleError) else said(error)


def serve(questions: IO[str], answers: IO[str]) -> None:
    """Answer questions until the input ends."""
    for line in questions:
        question = json.loads(line)
        plan = Plan.model_validate(question["plan"])
        answer = foreseen(plan, question["kind"], counts_only=question["counts_only"])
        answers.write(answer.as_line() + "\n")
        answers.flush()


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not mix with the answers
    serve(sys.stdin, own)
