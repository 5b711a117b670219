"""Spelling: the command line that does what a rule advises."""

from collections.abc import Iterator, Mapping
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.typing_again import command_line, flat_settings, typed
from revconsole.training.advice.rule import Finding

UNKNOWN = "PROFILE"
"""In place of a profile that is not there any more."""


def spelled(plan: Plan, finding: Finding) -> str:
    """The command that carries out the finding's settings or verb; empty if this version refuses those settings."""
    if finding.verb == "ls":
        return "revconsole ls"
    if finding.verb == "data show":
        folder = flat_settings(plan).get("data.folder")  # none where all datasets lie
        settings = {} if folder is None else {"data.folder": folder}
        return command_line(plan.data.dataset, settings, finding.verb)
    own = typed(plan.profile, [plan], {}) if plan.profile else None
    if own is None:
        return command_line(plan.profile or UNKNOWN, finding.settings, finding.verb)
    for settings in _ways(own, finding.settings):
        if not finding.settings or _planned(plan.profile, settings):
            return command_line(plan.profile, settings, finding.verb)
    return ""


def _ways(own: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Settings of a run with others typed over: as they are, or without what was set in the same sections."""
    sections = {key.partition(".")[0] for key in new}
    yield {**own, **new}
    yield {k: v for k, v in own.items() if k.partition(".")[0] not in sections} | dict(new)


def _planned(profile: str, settings: Mapping[str, Any]) -> bool:
    try:
        search_path.find(profile).plans(settings)
    except RevconsoleError:
        return False
    return True
