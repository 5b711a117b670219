"""Glossary: every setting with its kind, default, range and meaning, read from the sections."""

from collections.abc import Iterator
from typing import get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from revconsole.records.sections import KINDS, Section
from revconsole.records.settings.plan import Plan

SECTIONS = ("model", "scheme", "data", "train", "optimizer", "schedule", "objective")


def entries() -> list[dict[str, str]]:
    """One entry per key: `key`, `section`, `of` (kind that has it), `default`, `allowed`, `meaning`."""
    backward = _entry("", "backward", "", Plan.model_fields["backward"])
    backward["default"] = "reversible where the scheme has an inverse"
    return [backward, *(entry for section in SECTIONS for entry in _section(section))]


def choices(section: type[Section], name: str) -> tuple[str, ...]:
    """The allowed words of a field with fixed choices, for menus; empty for other fields."""
    return _words(section.model_fields[name])


def _section(section: str) -> Iterator[dict[str, str]]:
    tag, kinds = KINDS.get(section, ("", {}))
    if not kinds:
        for name, field in type(Plan.model_fields[section].default).model_fields.items():
            yield _entry(section, name, "", field)
        return
    default = getattr(Plan.model_fields[section].default, tag)
    yield {
        "key": f"{section}.{tag}", "section": section, "of": "", "default": str(default),
        "allowed": ", ".join(kinds), "meaning": f"Which {section}; decides the other keys.",
    }  # fmt: skip
    for kind, cls in kinds.items():
        for name, field in cls.model_fields.items():
            if name != tag:
                yield _entry(section, name, kind, field)


def _entry(section: str, name: str, of: str, field: FieldInfo) -> dict[str, str]:
    return {
        "key": f"{section}.{name}" if section else name,
        "section": section or name,
        "of": of,
        "default": "unset" if field.default is None else _word(field.default),
        "allowed": _allowed(field),
        "meaning": " ".join((field.description or "").split()),
    }


def _allowed(field: FieldInfo) -> str:
    """The choices of a field, its range, or examples of free text."""
    words = ("true", "false") if field.annotation is bool else _words(field)
    if words:
        return ", ".join(words)
    if field.examples:
        return f"e.g. {', '.join(map(_word, field.examples))}"
    bounds = []
    for rule in field.metadata:
        match rule:
            case Ge(ge=low):
                bounds.append(f"≥ {low}")
            case Gt(gt=low):
                bounds.append(f"> {low}")
            case Le(le=high):
                bounds.append(f"≤ {high}")
            case Lt(lt=high):
                bounds.append(f"< {high}")
    return ", ".join(bounds)


def _words(field: FieldInfo) -> tuple[str, ...]:
    """The allowed values of a field with fixed choices, as text."""
    return tuple(str(word) for word in get_args(field.annotation) if isinstance(word, str | int))


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
