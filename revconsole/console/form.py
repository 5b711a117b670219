"""Form: what the launch form asks for, and how its fields become settings of a profile. No widgets.

A field shows what the profile says until somebody changes it; only what was changed becomes a setting, so the
command line shown beside the form is as short as one would type it. A list in a field makes a grid of runs.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.errors import ProfileError
from revconsole.lab.planning import Planned
from revconsole.records.datasets import catalogue
from revconsole.records.sections import KINDS, Train
from revconsole.records.settings import glossary, growth, idle
from revconsole.records.settings.glossary import choices
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.words import same
from revconsole.records.settings.words import shown as shown_value

AS_PROFILE = ""
"""The choice that leaves a varied setting as the profile has it."""
PROFILE, OTHER = "profile", "other"
"""Keys of the field that names the profile, and of the free line."""
HINTS = {
    "model.architecture": "vit, cct, swin, …; timm: any model of that library; python: your own",
    "scheme.name": "how the blocks of the stack are wired",
}
LAUNCHERS = (("this console", "thread"), ("background process", "process"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field: its label, the dotted key it sets, its words if it is one of several."""

    label: str
    key: str
    words: tuple[str, ...] = ()
    hints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What it means, by the kind of its section; by no kind where it means one thing."""

    @property
    def section(self) -> str:
        """The section of the key; empty for a key of the profile itself."""
        return self.key.partition(".")[0] if "." in self.key else ""

    @property
    def name(self) -> str:
        """The key within its section."""
        return self.key.rpartition(".")[2]

    @property
    def decides(self) -> bool:
        """Whether the field says which kind its section is."""
        return self.section in KINDS and KINDS[self.section][0] == self.name


def asked() -> tuple[FormField, ...]:
    """The fields in the order of the form: what decides stands before what depends on it."""
    hints: dict[str, dict[str, str]] = {}
    for entry in glossary.entries():
        hints.setdefault(entry["key"], {})[entry["of"]] = _hint(entry)
    hints |= {key: {"": hint} for key, hint in HINTS.items()}
    scheme, model = KINDS["scheme"][1], KINDS["model"][1]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("architecture", "model.architecture", tuple(model)),
        ("timm model", "model.name", ()),
        ("scheme", "scheme.name", tuple(scheme)),
        ("gamma", "scheme.gamma", ()),
        ("backward", "backward", choices(Plan, "backward")),
        ("patch", "model.patch", ()),
        ("depth", "model.depth", ()),
        ("heads", "model.heads", ()),
        ("dim", "model.dim", ()),
        ("dataset", "data.dataset", tuple(catalogue.datasets())),
        ("epochs", "train.epochs", ()),
        ("batch", "train.batch", ()),
        ("learning rate", "optimizer.learning_rate", ()),
        ("precision", "train.precision", choices(Train, "precision")),
        ("device", "train.device", ()),
    )
    return tuple(
        FormField(label=label, key=key, words=words, hints=hints.get(key, {}))
        for label, key, words in rows
    )


def settings(
    fields: Sequence[FormField], typed: Mapping[str, str], kinds: Mapping[str, set[str]], other: str
) -> dict[str, Any]:
    """What was typed as settings, without the fields that do not apply: fields and free line are one set of words.

    Raises ProfileError with key `other` if the free line is not key=value, or says what a field says otherwise.
    """
    found: dict[str, Any] = {}
    for field in fields:
        text = typed.get(field.key)
        if text is not None and text != AS_PROFILE and applies(field, kinds):
            found |= parse_assignments([f"{field.key}={text.strip()}"])
    try:
        others = parse_assignments(shlex.split(other))
    except ValueError as error:
        raise ProfileError("other settings", OTHER, str(error).lower()) from None
    except ProfileError as error:
        raise ProfileError("other settings", OTHER, f"{error.key!r} {error.reason}") from None
    for key, value in others.items():
        if key in found and not same(found[key], value):
            sentence = f"{key} is {shown_value(found[key])} in its field and {shown_value(value)} here; leave one out"
            raise ProfileError("other settings", OTHER, sentence)
    return found | others


def label(fields: Sequence[FormField], key: str) -> str:
    """What the form calls a key that has a field of its own; empty if it has none."""
    own = {PROFILE: PROFILE, OTHER: OTHER, **{field.key: field.label for field in fields}}
    return own.get(key, "")


def kinds_of(planned: Planned) -> dict[str, set[str]]:
    """Which kinds of each section the runs have."""
    return {
        section: {str(getattr(getattr(plan, section), tag)) for plan in planned.plans}
        for section, (tag, _) in KINDS.items()
    }


def applies(field: FormField, kinds: Mapping[str, set[str]]) -> bool:
    """Whether some run has the setting: there is no gamma beside scheme residual alone."""
    if field.section not in KINDS or field.decides:
        return True
    classes = KINDS[field.section][1]
    chosen = kinds.get(field.section, ())
    return not chosen or any(field.name in classes[kind].model_fields for kind in chosen)


def meaning(field: FormField, kinds: Mapping[str, set[str]], planned: Planned | None = None) -> str:
    """What a field means for the kinds there are: gamma is not the same to momentum and to bdia.

    Where no run planned has a use for it, such as epochs beside a number of steps: why not.
    """
    reasons = [idle.why(plan, field.key) for plan in planned.plans] if planned else []
    if reasons and all(reasons):
        return reasons[0]
    present = sorted(kinds.get(field.section, ()))
    said = {kind: field.hints[kind] for kind in present if kind in field.hints}
    if len(set(said.values())) > 1:
        return "; ".join(f"{kind}: {hint}" for kind, hint in said.items())
    return next(iter((said or field.hints).values()), "")


def why_not(field: FormField, kinds: Mapping[str, set[str]]) -> str:
    """Why a field does not apply."""
    classes = KINDS[field.section][1]
    without = [k for k in sorted(kinds[field.section]) if field.name not in classes[k].model_fields]
    return f"not for {field.section} {', '.join(without)}"


def shown(planned: Planned, key: str) -> str:
    """The value of a key over all runs: itself, or a list if the runs differ."""
    values = _values(planned, key)
    return values[0] if len(values) == 1 else f"[{', '.join(values)}]"


def varied(planned: Planned, key: str) -> bool:
    """Whether the runs differ in a key."""
    return len(_values(planned, key)) > 1


def _values(planned: Planned, key: str) -> list[str]:
    """The different values of a key, of the runs that have it and a use for it."""
    section, _, name = key.rpartition(".")
    owners = [getattr(plan, section) if section else plan for plan in planned.plans]
    found = [
        _text(getattr(owner, name))
        for plan, owner in zip(planned.plans, owners, strict=True)
        if hasattr(owner, name) and not idle.why(plan, key)
    ]
    return list(dict.fromkeys(found)) or [""]


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _hint(entry: Mapping[str, str]) -> str:
    return entry["meaning"].rstrip(".").partition(";")[0]


def reconstruction(plans: Sequence[Plan]) -> tuple[str, bool]:
    """What to expect of the reconstruction of the run that is worst off, and whether it is worrying; empty for nothing."""
    plan = growth.worst(plans)
    said = "" if plan is None else growth.predicted(plan)
    if plan is None or not said:
        return "", False
    many = f", worst of {len(plans)} runs" if len(plans) > 1 else ""
    return f"reconstruction{many}: {said}", growth.worrying(plan, growth.carried(plan))
