"""Counts: parameters and multiply-adds of a model, in the user's cache beside its memory; read without torch."""

import json
from collections.abc import Mapping

from pydantic import TypeAdapter

from revconsole.records.foresight import cache
from revconsole.records.logs.events import Scalar
from revconsole.records.sections.model import Python
from revconsole.records.settings.plan import Plan

FORMAT = 1
"""Number of the way of counting; another number is another key."""


def key(plan: Plan) -> str | None:
    """The name of what decides the counts; None for a user's own model. Raises DataUnavailable for a missing folder."""
    if isinstance(plan.model, Python):
        return None
    facts = plan.facts
    decides = {
        "counts": FORMAT,
        "model": plan.model.model_dump(exclude=cache.NOT_OF_THE_MODEL),
        "scheme": plan.scheme.model_dump(),
        "objective": plan.objective.model_dump(),
        "image": [*cache.sides(plan), facts.channels, facts.classes, plan.data.views],
        "freeze": plan.train.freeze,
        "versions": cache.versions(),
    }
    return cache.digest(decides)


def known(plan: Plan) -> Mapping[str, Scalar] | None:
    """What `keep` kept of such a plan; None if nothing, or if the file is damaged. Raises as `key` does."""
    return cache.read_as(_ADAPTER, key(plan))


def keep(plan: Plan, counts: Mapping[str, Scalar]) -> None:
    """Keep the counts of a plan, unless its model is the user's own or the folder cannot be written."""
    cache.write(key(plan), json.dumps(dict(counts)).encode())


_ADAPTER: TypeAdapter[dict[str, Scalar]] = TypeAdapter(dict[str, Scalar])
