"""Completed: a plan with what only the store and the disk tell: its ranks, the run that it starts from, its images."""

from collections.abc import Callable

from pydantic import ValidationError

from revconsole.errors import ProfileError
from revconsole.records.datasets.counts import counted, in_folder
from revconsole.records.runs import starts
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.rule import Rule
from revconsole.records.settings import complaints, rank_rules
from revconsole.records.settings.plan import Plan, check_length


def completed(
    plan: Plan, where: str, store: RunStore, set_in: Callable[[str], str] | None = None
) -> Plan:
    """The plan with its ranks counted, the run it starts from, and the counted images of its folder if it needs them."""
    named = set_in or (lambda _: where)
    resolved = starts.resolved(_with_ranks(plan, named), store, where=where)
    return counted_steps(resolved, set_in=named)


def _with_ranks(plan: Plan, set_in: Callable[[str], str]) -> Plan:
    """The plan with a number in place of `train.gpus = "all"`. Raises ProfileError."""
    if plan.train.gpus != "all":
        return plan
    try:
        ranks = rank_rules.counted(plan)
        train = plan.train.model_dump(exclude_unset=True) | {"gpus": ranks}
        return Plan.model_validate(plan.model_dump() | {"train": train})
    except Rule as rule:
        raise ProfileError(set_in(rule.key), rule.key, str(rule)) from None
    except ValidationError as error:
        key, sentence = complaints.every(error, plan.model_dump())[0]
        raise ProfileError(set_in(key), key, sentence) from None


def counted_steps(plan: Plan, *, set_in: Callable[[str], str]) -> Plan:
    """The plan with the images of its folder counted, if its length or warm-up is in steps; else the plan itself.

    set_in: the file or the command line in which a key was set. Raises ProfileError for a warm-up as long as the training, and
    DataUnavailable for a folder that cannot be read as a dataset.
    """
    in_steps = plan.train.steps is not None or getattr(plan.schedule, "warmup_steps", None)
    if not in_steps or not in_folder(plan.data):
        return plan
    counted_plan = plan.model_copy(update={"folder_images": counted(plan.data).trained})
    try:
        check_length(counted_plan)
    except Rule as rule:
        raise ProfileError(set_in(rule.key), rule.key, str(rule)) from None
    return counted_plan
