"""Complaints: turns pydantic's report on a plan into one sentence per problem."""

import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from revconsole.errors import nearest
from revconsole.records.sections import KINDS, Section
from revconsole.records.sections.rule import Rule
from revconsole.records.sections.section import WORDS
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.words import LONGEST_SHOWN, shown

NOUNS = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "string_type": "text in quotes", "string_too_short": "some text", "bool_type": "true or false",
    "model_type": "a table", "model_attributes_type": "a table", "finite_number": "a finite number",
    "string_pattern_mismatch": "text of another form",
}  # fmt: skip
BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}

SEVERAL_NUMBERS = re.compile(r"[+-]?[\d.][\w.+-]*(?:(?:\s*,\s*|\s+)[+-]?[\d.][\w.+-]*)+")
"""Numbers without the brackets of a list."""
LARGEST_WRITTEN = 1e9
"""Numbers that are said with all of their digits are smaller."""


def every(error: ValidationError, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(dotted key, sentence) for each problem."""
    by_key: dict[str, list[dict[str, Any]]] = {}
    for problem in error.errors(include_url=False):
        by_key.setdefault(_key(dict(problem)), []).append(dict(problem))
    return [(key, _sentence(problems, table)) for key, problems in by_key.items()]


def without(key: str, chosen: Sequence[str]) -> str:
    """Why a setting does not apply to the chosen kinds, and which kinds have it."""
    section, _, field = key.partition(".")
    owners = [name for name, cls in KINDS[section][1].items() if field in cls.model_fields]
    kinds = _and([repr(kind) for kind in chosen])
    return f"{section} {kinds} {_has(chosen)} no {field}; {_and(owners)} {_has(owners)} it"


def fields_of(section: str) -> list[str]:
    """Every key that some kind of `section` has; empty for a single value such as `backward`."""
    kinds = KINDS.get(section, ("", {}))[1].values() or [_section_class(section)]
    return sorted({name for kind in kinds if kind is not None for name in kind.model_fields})


def number_of(key: str) -> bool | None:
    """Whether a setting is a whole number (True) or any number (False); None if it is no number."""
    section, _, field = key.partition(".")
    kinds = KINDS.get(section, ("", {}))[1].values() or [_section_class(section)]
    types = {
        each
        for kind in kinds
        if kind is not None and field in kind.model_fields
        for each in _types(kind.model_fields[field].annotation)
    }
    return None if not types & {int, float} or bool in types else float not in types


def _types(annotation: Any) -> tuple[Any, ...]:
    """The types of a field that may have several; the field `None | int` has two, `Literal[2, 4]` none."""
    return (annotation,) if isinstance(annotation, type) else get_args(annotation)


def _section_class(section: str) -> type[Section] | None:
    annotation = Plan.model_fields[section].annotation if section in Plan.model_fields else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _rule(problem: dict[str, Any]) -> Rule | None:
    cause = problem.get("ctx", {}).get("error")
    return cause if isinstance(cause, Rule) else None


def _path(problem: dict[str, Any]) -> list[str]:
    """Section, kind (if it has kinds) and field, without the union member that pydantic appends."""
    path = [str(part) for part in problem["loc"]]
    return path[: 3 if path[0] in KINDS else 2]


def _key(problem: dict[str, Any]) -> str:
    rule = _rule(problem)
    return rule.key if rule else _dotted(_path(problem))


def _dotted(path: list[str]) -> str:
    """The key as the user wrote it, without the kind that pydantic inserts between section and field."""
    if path[0] not in KINDS:
        return ".".join(path)
    return ".".join([path[0], *path[2:]]) if len(path) > 1 else f"{path[0]}.{KINDS[path[0]][0]}"


def _sentence(problems: list[dict[str, Any]], table: Mapping[str, Any]) -> str:
    """What is wrong with one setting. A setting with several types has one problem per type."""
    problem = problems[0]
    if rule := _rule(problem):
        return str(rule)
    path, kind, value = _path(problem), problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        return _unknown_field(path)
    if kind == "union_tag_invalid":
        return _unknown_kind(path[0], table)
    if kind == "literal_error":
        return f"{shown(value)} is not one of {problem['ctx']['expected'].replace(' or ', ', ')}"
    requirement = _requirement(problems) + _or_none(path)
    lists = "; lists go into [vary]" if isinstance(value, list) else _unbracketed(value)
    whole = _as_whole(value) if NOUNS.get(kind) == NOUNS["int_type"] else ""
    return f"{requirement}, not {shown(value)}{lists}{whole}"


def _unbracketed(value: object) -> str:
    """How several numbers are written, if a text is several numbers; else empty."""
    if not isinstance(value, str) or not SEVERAL_NUMBERS.fullmatch(value):
        return ""
    return f"; for a run of each, write [{','.join(value.replace(',', ' ').split())}]"[
        :LONGEST_SHOWN
    ]


def _as_whole(value: object) -> str:
    """How a whole number is written that was given as another, such as 1e3; else empty."""
    whole = isinstance(value, float) and abs(value) < LARGEST_WRITTEN and value.is_integer()
    return f"; write {value:.0f}" if whole else ""


def _or_none(path: list[str]) -> str:
    """The words " or none" if the setting may be unset; else empty."""
    field = _field(path)
    return " or none" if field and NoneType in get_args(field.annotation) else ""


def _field(path: list[str]) -> FieldInfo | None:
    kinds = KINDS.get(path[0], ("", {}))[1]
    owner = kinds.get(path[1]) if kinds and len(path) > 1 else _section_class(path[0])
    return owner.model_fields.get(path[-1]) if owner else None


def _requirement(problems: list[dict[str, Any]]) -> str:
    """What a value should be, without the value itself."""
    kind, message = problems[0]["type"], str(problems[0]["msg"])
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        nouns = [f"{words} {problems[0]['ctx'][name]}"]
    elif kind in NOUNS:
        nouns = [_noun(problem) for problem in problems if problem["type"] in NOUNS]
    else:
        return f"{message[:1].lower()}{message[1:]}"
    named = [each["ctx"]["expected"] for each in problems if each["type"] == "literal_error"]
    return f"should be {' or '.join([*nouns, *named])}"


def _noun(problem: dict[str, Any]) -> str:
    """What a value should be by one problem; what matches a pattern, the field itself says in words."""
    field = _field(_path(problem)) if problem["type"] == "string_pattern_mismatch" else None
    words = field.json_schema_extra if field is not None else None
    return str(words[WORDS]) if isinstance(words, dict) else NOUNS[problem["type"]]


def _unknown_kind(section: str, table: Mapping[str, Any]) -> str:
    tag, kinds = KINDS[section]
    chosen = dict(table[section]).get(tag)
    return f"there is no {section} {shown(chosen)}{nearest(str(chosen)[:LONGEST_SHOWN], kinds)}"


def _unknown_field(path: list[str]) -> str:
    section, field = path[0], path[-1]
    kinds = KINDS.get(section, ("", {}))[1]
    if not kinds:
        return f"unknown key{nearest(field, fields_of(section))}"
    chosen = path[1]
    owners = [name for name, cls in kinds.items() if field in cls.model_fields]
    if owners:
        return without(f"{section}.{field}", [chosen])
    return f"unknown key{nearest(field, kinds[chosen].model_fields)}"


def _has(owners: Sequence[str]) -> str:
    return "has" if len(owners) == 1 else "have"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + [words[-1]])
