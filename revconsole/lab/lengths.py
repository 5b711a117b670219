"""Lengths: how many steps make an epoch of a folder, counted from its names and written into the plan."""

from collections.abc import Callable

from revconsole.errors import ProfileError
from revconsole.records.datasets.counts import counted, in_folder
from revconsole.records.sections.rule import Rule
from revconsole.records.settings.plan import Plan, check_length


def counted_steps(plan: Plan, *, set_in: Callable[[str], str]) -> Plan:
    """The plan with the images of its folder counted, where its length or its warm-up is in steps; else as it is.

    set_in: the file or the command line that a key was set in. Raises ProfileError for a warm-up that leaves nothing,
    and DataUnavailable for a folder that is not as it should be.
    """
    in_steps = plan.train.steps is not None or getattr(plan.schedule, "warmup_steps", None)
    if not in_steps or not in_folder(plan.data):
        return plan
    found = plan.model_copy(update={"folder_images": counted(plan.data).trained})
    try:
        check_length(found)
    except Rule as rule:
        raise ProfileError(set_in(rule.key), rule.key, str(rule)) from None
    return found
