"""Mirrored: images are mirrored although that may change their class.

Speaks when images that have a direction, such as digits and letters, are mirrored left to right and their labels are
learnt; the catalogue says which datasets have one.
"""

from revconsole.errors import RevconsoleError
from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule


def look(run: PlannedRun) -> str:
    """The sentence about mirrored images."""
    data, labelled = run.plan.data, run.plan.objective.name == "classification"
    try:
        harmless = not data.mirrors or run.plan.facts.mirror
    except RevconsoleError:  # a folder that is not here
        return ""
    if harmless or not labelled:
        return ""
    setting, alternative = (
        ("flip", "data.flip=false") if data.flip else ("crop-flip", "data.augment=crop")
    )
    return (
        f"{setting} mirrors images, and an image of {data.dataset} mirrored left to right may be another class; "
        f"use {alternative}"
    )


RULE = LaunchRule(name="mirrored", level="warning", look=look)
