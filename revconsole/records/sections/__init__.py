"""Sections of a profile, one class each: every setting with its range, default and meaning.

The string under each field is its documentation; `--help`, the launch form and `revconsole show` print it. Sections
with several kinds (`model`, `scheme`, `optimizer`, `schedule`, `objective`) are distinguished by one key, so a
setting exists only where it has a meaning: there is no gamma beside `name = "residual"`.
"""

from typing import Any, Literal, get_args

from revconsole.records.sections.data import Data
from revconsole.records.sections.model import Model
from revconsole.records.sections.objective import Objective
from revconsole.records.sections.optimizer import Optimizer
from revconsole.records.sections.schedule import Schedule
from revconsole.records.sections.scheme import Scheme
from revconsole.records.sections.section import Section
from revconsole.records.sections.train import Train

Backward = Literal["stored", "checkpointed", "reversible", "auto"]


def _kinds(union: Any) -> tuple[str, dict[str, type[Section]]]:
    """The key that tells the members of a union of sections apart, and the members by its value."""
    members, field = get_args(union)
    tag = str(field.discriminator)
    return tag, {kind.model_fields[tag].default: kind for kind in get_args(members)}


KINDS: dict[str, tuple[str, dict[str, type[Section]]]] = {
    "model": _kinds(Model),
    "scheme": _kinds(Scheme),
    "optimizer": _kinds(Optimizer),
    "schedule": _kinds(Schedule),
    "objective": _kinds(Objective),
}
"""Sections with several kinds: the key that distinguishes the kinds, and the section classes by kind."""

__all__ = [
    "KINDS", "Backward", "Data", "Model", "Objective", "Optimizer", "Schedule", "Scheme", "Section",
    "Train",
]  # fmt: skip
