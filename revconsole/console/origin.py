"""Origin: where the values of the launch form come from, a profile or a run with exactly its settings. No widgets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab import again
from revconsole.lab.format import UNKNOWN
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.lab.shell import command_line
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

RUN = "@run"
"""What stands in the place of a profile's name for the run one came from; no profile is called so."""
MOST_NAMED = 8
"""Differences that are spelled out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a form would launch, the command that would do the same, and what is to be said of the origin."""

    planned: Planned
    command: str
    """Empty if there is none."""
    said: str = ""

    def with_runs(self, fit: Planned, left_out: str) -> "Judged":
        """A copy with the runs that can be trained; left_out: which cannot, and why."""
        said = "; ".join(part for part in (one_line(left_out, 600), self.said) if part)
        return replace(self, planned=fit, said=said)


def judge(lab: Lab, profile: str, run: Summary | None, settings: Mapping[str, Any]) -> Judged:
    """Plan a profile with settings, or the run where one is given. Raises RevconsoleError."""
    if run is None:
        planned = lab.plan(profile, settings)
        return Judged(planned=planned, command=command_line(profile, settings))
    planned = lab.again(run.plan, settings)
    typed = again.typed(run.plan.profile, planned.plans, settings)
    command = "" if typed is None else command_line(run.plan.profile, typed)
    return Judged(planned=planned, command=command, said=_said(run))


def _said(run: Summary) -> str:
    """In what a run differs from the profile it was made from."""
    what, profile = f"settings of run {run.name} ({run.id})", run.plan.profile
    try:
        found = again.differences(run.plan)
    except RevconsoleError as error:
        return one_line(f"{what}; its profile {profile!r} makes no runs as it is now: {error}", 600)
    if found is None:
        return one_line(f"{what}; its profile {profile!r} is not here any more", 300)
    if not found:
        return one_line(f"{what}, all as profile {profile} has them", 300)
    words = [f"{d.key} {_word(d.here)} (there {_word(d.there)})" for d in found[:MOST_NAMED]]
    more = [f"{len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return one_line(f"{what}, unlike profile {profile} in {', '.join([*words, *more])}", 600)


def _word(value: object) -> str:
    return UNKNOWN if value is None else f"{value:g}" if isinstance(value, float) else str(value)
