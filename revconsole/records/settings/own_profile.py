"""Own profile: the settings of one run as a profile, by which it is repeated without the study that it was a run of."""

from typing import Any

from revconsole.records.sections.section import UNSET, Section
from revconsole.records.settings import idle
from revconsole.records.settings.layer import SECTIONS
from revconsole.records.settings.plan import Plan


def own_profile(plan: Plan) -> dict[str, Any]:
    """A profile of one run alone, with every resolved setting, so that the run can be repeated without the study."""
    plan = idle.without_effect(plan)
    sections = {key: _as_said(plan, key) for key in SECTIONS}
    of = f"{plan.arm}, of the study {plan.study}" if plan.study else plan.name
    return {"title": of, "seeds": [plan.seed], "backward": plan.backward, **sections}


def _as_said(plan: Plan, key: str) -> dict[str, Any]:
    """The settings of a section that have an effect; unset ones only if that is not their default."""
    section: Section = getattr(plan, key)
    defaults = {name: each.default for name, each in type(section).model_fields.items()}
    values = {k: UNSET if v is None else v for k, v in section.model_dump().items()}
    needless = {k for k in values if idle.why(plan, f"{key}.{k}")}
    needless |= {k for k, v in values.items() if v == UNSET and defaults[k] in {None, UNSET}}
    return {k: v for k, v in values.items() if k not in needless}
