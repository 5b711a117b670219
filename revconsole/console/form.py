"""Form: the fields of the launch form, and how they become settings of a profile. No widgets.

A field shows the profile's value until it is edited; only edited fields become settings, so the command line shown
beside the form stays short. A list in a field makes a grid of runs.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from revconsole.console import form_search
from revconsole.console.ranking import rank
from revconsole.errors import ProfileError
from revconsole.lab.planning import Planned
from revconsole.lab.search.designed import METHOD
from revconsole.records.datasets import catalogue
from revconsole.records.sections import KINDS
from revconsole.records.sections.section import UNSET
from revconsole.records.settings import complaints, glossary, growth, idle
from revconsole.records.settings.glossary import choices
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.words import same
from revconsole.records.settings.words import shown as shown_value

NO_COMMAND = "no command line makes exactly these runs from one profile"
AS_PROFILE = ""
"""The choice that leaves a setting as it varies in the profile."""
PROFILE, OTHER, TIMM = "profile", "other", "model.name"
"""Keys of the field with the profile's name, of the free line, and of the name of a timm model."""
DRAWN = "LOW..HIGH (log) is searched"
"""Said of a number: a range of it makes a search."""
HINTS = {
    "model.architecture": "vit, cct, swin, …; timm: any model of that library; python: your own",
    "scheme.name": "how the blocks of the stack are wired",
}
MAIN = {
    "model.architecture": "architecture",
    "model.name": "timm model",
    "model.patch": "patch",
    "model.depth": "depth",
    "model.heads": "heads",
    "model.dim": "dim",
    "scheme.name": "scheme",
    "scheme.gamma": "gamma",
    "backward": "backward",
    "data.dataset": "dataset",
    "optimizer.name": "optimizer",
    "optimizer.learning_rate": "learning rate",
    "schedule.name": "schedule",
    "train.epochs": "epochs",
    "train.batch": "batch",
    "train.precision": "precision",
    "train.device": "device",
    "objective.name": "objective",
    METHOD: form_search.USUAL[METHOD],
    "seeds": "seeds",
}
"""Fields that are shown while their group is closed, in the order of the form, each with its label."""
GROUPS = (
    "model",
    "scheme",
    "data",
    "optimizer",
    "schedule",
    "train",
    "objective",
    form_search.SECTION,
)
MOST_LOOKED_AT = 8
"""Runs of a grid that are searched for settings other than the defaults."""
SEEDS = {
    "key": "seeds",
    "section": "",
    "of": "",
    "default": "0",
    "allowed": "≥ 0",
    "meaning": "Seed of every random draw except the split; several, such as 0, 1, 2, make a run of each.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field: its label, the dotted key it sets, and its choices if it is a menu.

    group: the group it belongs to; empty for none. main: whether it is shown while its group is closed.
    """

    label: str
    key: str
    group: str = ""
    main: bool = False
    words: tuple[str, ...] = ()
    entries: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    """The entry of the glossary by kind of its section; under the empty kind if it is the same for all."""

    @property
    def section(self) -> str:
        """The section of the key; empty for a key outside sections."""
        return self.key.partition(".")[0] if "." in self.key else ""

    @property
    def name(self) -> str:
        """The key within its section."""
        return self.key.rpartition(".")[2]

    @property
    def decides(self) -> bool:
        """Whether the field chooses the kind of its section."""
        return self.section in KINDS and KINDS[self.section][0] == self.name

    @property
    def hints(self) -> dict[str, str]:
        """The short meaning by kind."""
        if self.key in HINTS:
            return {"": HINTS[self.key]}
        return {kind: _hint(entry["meaning"]) for kind, entry in self.entries.items()}


@cache
def asked() -> tuple[FormField, ...]:
    """The fields in the order of the form: by group, and within one those that are shown while it is closed first."""
    entries: dict[str, dict[str, dict[str, str]]] = {}
    for entry in (*glossary.entries(), *form_search.entries()):
        entries.setdefault(entry["key"], {})[entry["of"]] = entry
    entries["seeds"] = {"": SEEDS}
    order = {key: number for number, key in enumerate(MAIN)}
    keys = sorted(entries, key=lambda key: (_group_number(key), order.get(key, len(order))))
    return tuple(
        FormField(
            label=MAIN.get(key)
            or form_search.USUAL.get(key)
            or key.rpartition(".")[2].replace("_", " "),
            key=key,
            group=_group(key),
            main=key in MAIN,
            words=_words(key),
            entries=entries[key],
        )
        for key in keys
    )


def _group(key: str) -> str:
    return "scheme" if key == "backward" else key.partition(".")[0] if "." in key else ""


def _group_number(key: str) -> int:
    return GROUPS.index(_group(key)) if _group(key) else len(GROUPS)


def _words(key: str) -> tuple[str, ...]:
    """The choices of a key; empty if it is typed as text."""
    if _group(key) == form_search.SECTION:
        return form_search.WORDS.get(key, ())
    if key in {"data.dataset", "data.source"}:
        return tuple(catalogue.datasets()) if key == "data.dataset" else ()
    section, _, name = key.rpartition(".")
    if not section:
        return choices(Plan, name) if name in Plan.model_fields else ()
    tag, kinds = KINDS.get(section, ("", {}))
    if name == tag:
        return tuple(kinds)
    owners = list(kinds.values()) or [type(Plan.model_fields[section].default)]
    own = [each for each in owners if name in each.model_fields]
    if all(each.model_fields[name].annotation is bool for each in own):
        return ("true", "false")
    return tuple(dict.fromkeys(word for each in own for word in choices(each, name)))


def settings(
    fields: Sequence[FormField], typed: Mapping[str, str], kinds: Mapping[str, set[str]], other: str
) -> dict[str, Any]:
    """The edited settings by dotted key, from the fields that apply and from the free line.

    Raises ProfileError for a list without its end, and with key `other` if the free line is not KEY=VALUE, or contradicts
    a field.
    """
    assigned: dict[str, Any] = {}
    for field in fields:
        text = typed.get(field.key)
        if text is not None and text != AS_PROFILE and applies(field, kinds):
            if text.strip().startswith("[") and not text.strip().endswith("]"):
                raise ProfileError("form", field.key, "a list ends with ], as in [1, 2]")
            assigned |= parse_assignments([f"{field.key}={text.strip()}"])
    try:
        others = parse_assignments(shlex.split(other))
    except ValueError as error:
        raise ProfileError("other settings", OTHER, str(error).lower()) from None
    except ProfileError as error:
        raise ProfileError("other settings", OTHER, f"{error.key!r} {error.reason}") from None
    for key, value in others.items():
        if key in assigned and not same(assigned[key], value):
            sentence = f"{key} is {shown_value(assigned[key])} in its field and {shown_value(value)} here; leave one out"
            raise ProfileError("other settings", OTHER, sentence)
    return assigned | others


def label(fields: Sequence[FormField], key: str) -> str:
    """The label of a key's field; empty if the key has no field."""
    own = {PROFILE: PROFILE, OTHER: OTHER, **{field.key: field.label for field in fields}}
    return own.get(key, "")


def kinds_of(planned: Planned) -> dict[str, set[str]]:
    """The kinds of each section that the runs have."""
    return {
        section: {str(getattr(getattr(plan, section), tag)) for plan in planned.plans}
        for section, (tag, _) in KINDS.items()
    }


def applies(field: FormField, kinds: Mapping[str, set[str]]) -> bool:
    """Whether at least one run has the setting; for instance scheme residual has no gamma."""
    if field.section not in KINDS or field.decides:
        return True
    classes = KINDS[field.section][1]
    chosen = kinds.get(field.section, ())
    return not chosen or any(field.name in classes[kind].model_fields for kind in chosen)


def meaning(field: FormField, kinds: Mapping[str, set[str]], planned: Planned | None = None) -> str:
    """The meaning of a field for the kinds that the runs have; gamma means one thing for momentum and another for bdia.

    If no run uses the setting, such as epochs where a number of steps is set: why not.
    """
    reasons = [idle.why(plan, field.key) for plan in planned.plans] if planned else []
    if reasons and all(reasons):
        return reasons[0]
    hints = field.hints
    own = {kind: hints[kind] for kind in sorted(kinds.get(field.section, ())) if kind in hints}
    if len(set(own.values())) > 1:
        return "; ".join(f"{kind}: {hint}" for kind, hint in own.items())
    return next(iter((own or hints).values()), "")


def explained(field: FormField, kinds: Mapping[str, set[str]]) -> str:
    """The key of a field, its range, its default and its whole meaning, for the kinds that the runs have."""
    own = [e for k, e in field.entries.items() if k in kinds.get(field.section, ())]
    entries = own or list(field.entries.values())[:1]
    parts = [field.key]
    for name, word in (("allowed", ""), ("default", "default ")):
        said = list(dict.fromkeys(entry[name] for entry in entries if entry[name]))
        parts += [word + " or ".join(said)] if said else []
    parts += [DRAWN] if complaints.number_of(field.key) is not None else []
    meanings = list(dict.fromkeys(entry["meaning"] for entry in entries))
    return f"{' · '.join(parts)}\n{' '.join(meanings)}"


def found(fields: Sequence[FormField], words: str) -> list[FormField]:
    """The fields with all of these words in their key, label or meaning, the best match first; see `ranking`."""
    wanted = words.lower().split()

    def has(field: FormField) -> bool:
        meanings = (entry["meaning"] for entry in field.entries.values())
        text = " ".join([field.key, field.label, *meanings]).lower()
        return all(word in text for word in wanted)

    hits = [field for field in fields if has(field)]
    return sorted(hits, key=lambda field: rank(words, (field.label, field.name, field.key)))


def why_not(field: FormField, kinds: Mapping[str, set[str]]) -> str:
    """A sentence on why a field does not apply."""
    classes = KINDS[field.section][1]
    without = [k for k in sorted(kinds[field.section]) if field.name not in classes[k].model_fields]
    return f"not for {field.section} {', '.join(without)}"


def shown(planned: Planned, key: str) -> str:
    """The value of a key as text, a list if the runs differ."""
    values = _values(planned, key)
    return values[0] if len(values) == 1 else f"[{', '.join(v or UNSET for v in values)}]"


def unusual(fields: Sequence[FormField], planned: Planned) -> frozenset[str]:
    """The keys of settings that a run has otherwise than by default."""
    return frozenset(
        field.key
        for field in fields
        if field.section not in {"", form_search.SECTION}
        and any(_set(plan, field.key) for plan in planned.plans[:MOST_LOOKED_AT])
    )


def _set(plan: Plan, key: str) -> bool:
    """Whether a plan has a setting, and otherwise than by default."""
    section, _, name = key.partition(".")
    if not hasattr(getattr(plan, section), name) or idle.why(plan, key):
        return False
    return not idle.is_default(plan, key)


def varied(planned: Planned, key: str) -> bool:
    """Whether the runs differ in the key."""
    return len(_values(planned, key)) > 1


def _values(planned: Planned, key: str) -> list[str]:
    """The different values of a key over the runs that use it."""
    if key == "seeds":
        return _seeds(planned.plans)
    section, _, name = key.rpartition(".")
    owners = [getattr(plan, section) if section else plan for plan in planned.plans]
    values = [
        _text(getattr(owner, name))
        for plan, owner in zip(planned.plans, owners, strict=True)
        if hasattr(owner, name) and not idle.why(plan, key)
    ]
    return list(dict.fromkeys(values)) or [""]


def _seeds(plans: Sequence[Plan]) -> list[str]:
    return list(dict.fromkeys(str(plan.seed) for plan in plans))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _hint(meaning: str) -> str:
    return meaning.rstrip(".").partition(";")[0]


def reconstruction(plans: Sequence[Plan]) -> tuple[str, bool]:
    """The largest expected reconstruction error of the runs as text, and whether it is a warning; empty if nothing is reconstructed."""
    plan = growth.worst(plans)
    prediction = "" if plan is None else growth.predicted(plan)
    if plan is None or not prediction:
        return "", False
    many = f", worst of {len(plans)} runs" if len(plans) > 1 else ""
    return f"reconstruction{many}: {prediction}", growth.worrying(plan, growth.carried(plan))
