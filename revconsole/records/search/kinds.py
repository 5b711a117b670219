"""Kinds: runs at the ends of a search's space that differ in what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from revconsole.records.runs.pace import pace_key
from revconsole.records.settings.drawn import possible, search_of, with_settings
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import LONGEST_NAME, Study, word

MOST_KINDS = 6
"""Most kinds of trials that are judged, counted or timed before a search begins."""


def kinds(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Plans that take unlike long, the first and the last of them, `MOST_KINDS` at most."""
    by_pace: dict[str, Plan] = {}
    for plan in plans:
        by_pace.setdefault(pace_key(_at_the_rate_of(plans[0], plan)), plan)
    unlike = list(by_pace.values())
    every = max(1, -(-len(unlike) // (MOST_KINDS - 1)))
    return tuple({plan.digest(): plan for plan in (*unlike[::every], unlike[-1])}.values())


def _at_the_rate_of(first: Plan, plan: Plan) -> Plan:
    """The plan with the optimiser's numbers of another, on which no time depends."""
    if type(plan.optimizer) is not type(first.optimizer):
        return plan
    return plan.model_copy(update={"optimizer": first.optimizer})


def named_kinds(study: Study, settings: Mapping[str, Any] | None) -> tuple[Plan, ...]:
    """The kinds of a search, called after what was drawn. Raises ProfileError as `possible` does."""
    study, rest = with_settings(study, settings or {})
    return tuple(
        plan.model_copy(update={"name": f"{study.name}, {_words(study, plan)}"[:LONGEST_NAME]})
        for plan in kinds(possible(study, rest))
    )


def _words(study: Study, plan: Plan) -> str:
    words = []
    for key in (each.key for each in search_of(study).space):
        section, _, name = key.partition(".")
        words.append(
            word(key, getattr(getattr(plan, section), name, None) if name else plan.backward)
        )
    return ", ".join(words)
