"""Glossary: every setting with its kind, default, range and meaning, read from the sections."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from revconsole.records.sections import KINDS, Section
from revconsole.records.settings.plan import Plan

SECTIONS = ("model", "scheme", "data", "train", "optimizer", "schedule", "objective")


def entries() -> list[dict[str, str]]:
    """One entry per key: `key`, `section`, `of` (kind that has it), `default`, `allowed`, `meaning`."""
    backward = _entry(Plan, "", "backward", "")
    backward["default"] = "reversible where the scheme has an inverse"
    return [backward, *(entry for section in SECTIONS for entry in _section(section))]


def choices(section: type[Section], name: str) -> tuple[str, ...]:
    """The allowed words of a field with fixed choices, for menus; empty for other fields."""
    return _words(section.model_fields[name])


def _section(section: str) -> Iterator[dict[str, str]]:
    tag, kinds = KINDS.get(section, ("", {}))
    if not kinds:
        cls = type(Plan.model_fields[section].default)
        yield from (_entry(cls, section, name, "") for name in cls.model_fields)
        return
    default = getattr(Plan.model_fields[section].default, tag)
    yield {
        "key": f"{section}.{tag}", "section": section, "of": "", "default": str(default),
        "allowed": ", ".join(kinds), "meaning": f"Which {section}; decides the other keys.",
    }  # fmt: skip
    for kind, cls in kinds.items():
        yield from (_entry(cls, section, name, kind) for name in cls.model_fields if name != tag)


def _entry(cls: type[Section], section: str, name: str, of: str) -> dict[str, str]:
    field = cls.model_fields[name]
    return {
        "key": f"{section}.{name}" if section else name,
        "section": section or name,
        "of": of,
        "default": "unset" if field.default is None else _word(field.default),
        "allowed": _allowed(field),
        "meaning": _meaning(cls, name),
    }


def _meaning(cls: type[Section], name: str) -> str:
    """The docstring below a field, in the class that declares it; empty without one."""
    owners = [base for base in cls.__mro__ if issubclass(base, Section)]
    texts = (_docstrings(owner.__module__).get((owner.__name__, name), "") for owner in owners)
    return " ".join(next(filter(None, texts), "").split())


@cache
def _docstrings(module: str) -> dict[tuple[str, str], str]:
    """The docstring below each field in a module, by class and field.

    pydantic's `use_attribute_docstrings` reads them whenever a section is imported: 0.1 s of CPU time in every verb.
    """
    source = ast.parse(inspect.getsource(sys.modules[module]))
    classes = [node for node in source.body if isinstance(node, ast.ClassDef)]
    return {
        (cls.name, field.id): text
        for cls in classes
        for statement, after in pairwise(cls.body)
        if isinstance(statement, ast.AnnAssign) and isinstance(field := statement.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(text := after.value.value, str)
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
