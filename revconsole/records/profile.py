"""Profile: everything a user can set, from a TOML file and overrides, and the plans it expands to.

A profile is a table of sections (see `sections.py`) plus three keys of its own: `title`, `seeds`, and
`[vary]`, whose lists make a grid:

    [vary]
    "model.depth" = [2, 4, 8]
    scheme = [{ name = "momentum", gamma = 0.9 }, { name = "bdia" }]

Every problem is a ProfileError that names the file, the key and the nearest key that exists.
"""

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from revconsole.errors import ProfileError, UnknownName, nearest
from revconsole.records import complaints
from revconsole.records.plan import Plan
from revconsole.records.sections import KINDS

OWN_KEYS = frozenset({"title", "seeds", "vary"})
PLAN_KEYS = frozenset(
    {"backward", "model", "scheme", "data", "train", "optimizer", "schedule", "objective"}
)
COMMAND_LINE = "command line"
MOST_RUNS = 1000
"""A grid larger than this is taken for a slip of the hand."""

Table = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the user asked for: `table` as in the file, `where` it came from, keys `set_later` by hand."""

    name: str
    where: str
    table: Mapping[str, Any]
    set_later: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """One line on what the experiment is."""
        return str(self.table.get("title", ""))

    def plans(self) -> tuple[Plan, ...]:
        """Every run of `[vary]` × `seeds`, in the order written. Raises ProfileError."""
        return tuple(plan for _, plan in self.expanded())

    def expanded(self) -> tuple[tuple[Table, Plan], ...]:
        """Every run of `[vary]` × `seeds`, each with what it takes of `[vary]`. Raises ProfileError."""
        seeds, vary = _seeds(self.table, self.where), _vary(self.table, self.where)
        count = len(seeds)
        for values in vary.values():
            count *= len(values)
        if count > MOST_RUNS:
            raise ProfileError(
                self.where, "vary", f"this makes {count} runs; the limit is {MOST_RUNS}"
            )
        return tuple(
            (choice, self._plan(choice, seed, seeds)) for choice in _grid(vary) for seed in seeds
        )

    def overridden(self, assignments: Mapping[str, Any], where: str = COMMAND_LINE) -> "Profile":
        """This profile with dotted keys set; a list for a single-valued key varies it.

        Where the profile varies a whole section, naming its kind picks that entry of the list, and any
        other key is set in every entry. where: who sets them, for the sentence about a mistake.
        """
        table = deepcopy(dict(self.table))
        vary = _vary(table, self.where)
        for key, value in assignments.items():
            _reject_unknown(key, where)
            vary.pop(key, None)
            if _picked_kinds(vary, key, value):
                continue
            if isinstance(value, list) and key != "seeds":
                vary[key] = value
            elif not _set_in_varied_section(vary, key, value):
                set_key(table, key, value, where)
        table["vary"] = vary
        by_hand = assignments.keys() if where == COMMAND_LINE else set()
        return replace(self, table=table, set_later=self.set_later | by_hand)

    def _plan(self, choice: Table, seed: int, seeds: list[int]) -> Plan:
        table = {k: deepcopy(v) for k, v in self.table.items() if k not in OWN_KEYS}
        for key, value in choice.items():
            set_key(table, key, value, self.where)
        reject_unknown_sections(table, self.where)
        _complete(table)
        parts = [self.name, *(_label(k, v) for k, v in choice.items())]
        if len(seeds) > 1:
            parts.append(f"s{seed}")
        table |= {"name": "-".join(parts)[:120], "profile": self.name, "seed": seed}
        try:
            return Plan.model_validate(table)
        except UnknownName as error:
            raise ProfileError(self._origin("data.dataset"), "data.dataset", str(error)) from None
        except ValidationError as error:
            key, sentence = complaints.first(error, table)
            raise ProfileError(self._origin(key), key, sentence) from None

    def _origin(self, key: str) -> str:
        return COMMAND_LINE if key in self.set_later else self.where


def load(path: Path) -> Profile:
    """Read a profile file. Raises ProfileError if it is missing or not TOML."""
    table = read_table(path)
    profile = Profile(name=path.stem, where=str(path), table=table)
    reject_unknown_sections({k: v for k, v in table.items() if k not in OWN_KEYS}, str(path))
    return profile


def read_table(path: Path) -> Table:
    """The content of a TOML file. Raises ProfileError if it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProfileError(
            str(path), "", "no such file; `revconsole profiles` lists the known ones"
        ) from None
    except OSError as error:
        raise ProfileError(str(path), "", f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(str(path), "", f"is not valid TOML: {error}") from None


def parse_assignments(arguments: list[str]) -> Table:
    """`key=value` arguments of the command line; values are TOML, bare words are text.

    Raises ProfileError for an argument that is no assignment.
    """
    found: Table = {}
    for argument in arguments:
        key, sign, text = argument.partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z_][\w.]*", key):
            raise ProfileError(
                COMMAND_LINE, argument, "is not a setting; write key=value, e.g. model.depth=4"
            )
        found[key] = _value(text)
    return found


def set_key(table: Table, key: str, value: Any, where: str) -> None:
    """Set a dotted `key`. A section that changes its kind starts afresh from that kind's defaults."""
    _reject_unknown(key, where)
    section, _, field = key.partition(".")
    if not field and isinstance(value, Mapping):
        _restart_section(table, section, value.get(KINDS.get(section, ("",))[0]))
        for inner, inner_value in value.items():
            set_key(table, f"{section}.{inner}", inner_value, where)
    elif not field:
        table[section] = value
    else:
        if section in KINDS and field == KINDS[section][0]:
            _restart_section(table, section, value)
        inner = table.setdefault(section, {})
        if isinstance(inner, dict):
            inner[field] = value


def _restart_section(table: Table, section: str, kind: Any) -> None:
    if kind is None or section not in KINDS:
        return
    tag = KINDS[section][0]
    present = table.get(section)
    if not isinstance(present, Mapping) or present.get(tag, _default_kind(section)) != kind:
        table[section] = {tag: kind}


def _default_kind(section: str) -> str:
    return str(getattr(Plan.model_fields[section].default, KINDS[section][0]))


def _picked_kinds(vary: Table, key: str, value: Any) -> bool:
    """Let a list of kinds pick from the tables that `[vary]` gives a section; False if there are none.

    A kind that the profile does not vary joins with its defaults.
    """
    section, _, field = key.partition(".")
    entries = [entry for entry in vary.get(section, []) if isinstance(entry, Mapping)]
    if not entries or not isinstance(value, list) or field != KINDS.get(section, ("",))[0]:
        return False
    known = {entry.get(field): entry for entry in entries}
    vary[section] = [known.get(str(kind), {field: kind}) for kind in value]
    return True


def _set_in_varied_section(vary: Table, key: str, value: Any) -> bool:
    """Set a key in the tables that `[vary]` gives a section; False if it gives none."""
    section, _, field = key.partition(".")
    entries = [entry for entry in vary.get(section, []) if isinstance(entry, Mapping)]
    if not field or not entries:
        return False
    tag = KINDS.get(section, ("",))[0]
    if field != tag:
        vary[section] = [{**entry, field: value} for entry in entries]
        return True
    chosen = [entry for entry in entries if entry.get(tag) == value]
    vary[section] = chosen
    if not chosen:
        del vary[section]
    return bool(chosen)


def _complete(table: Table) -> None:
    """Name the kind of each section that leaves it out, and choose `backward` if nobody did."""
    for section, (tag, _) in KINDS.items():
        inner = table.setdefault(section, {})
        if isinstance(inner, dict):
            inner.setdefault(tag, _default_kind(section))
    scheme = table["scheme"]
    plain = isinstance(scheme, dict) and scheme.get("name") == "residual"
    table.setdefault("backward", "stored" if plain else "reversible")


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        if text.startswith("[") and text.endswith("]"):
            return [_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
        return text


def _grid(vary: dict[str, list[Any]]) -> Iterator[Table]:
    for values in itertools.product(*vary.values()):
        yield dict(zip(vary, values, strict=True))


def _seeds(table: Mapping[str, Any], where: str) -> list[int]:
    seeds = table.get("seeds", [0])
    numbers = [seeds] if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds
    good = isinstance(numbers, list) and numbers and all(type(n) is int and n >= 0 for n in numbers)
    if not good:
        raise ProfileError(
            where, "seeds", f"should be a list of whole numbers from 0, not {seeds!r}"
        )
    return list(dict.fromkeys(numbers))


def _vary(table: Mapping[str, Any], where: str) -> dict[str, list[Any]]:
    vary = table.get("vary", {})
    if not isinstance(vary, Mapping):
        raise ProfileError(where, "vary", 'should be a table of lists, e.g. "model.depth" = [2, 4]')
    for key, values in vary.items():
        _reject_unknown(key, where)
        if not isinstance(values, list) or not values:
            raise ProfileError(where, f"vary.{key}", f"should be a list of values, not {values!r}")
    return dict(vary)


def _label(key: str, value: Any) -> str:
    """A short mark of one varied value in the name of a run."""
    if isinstance(value, Mapping):
        tag = KINDS.get(key, ("",))[0]
        value = value.get(tag) or "-".join(map(str, value.values()))
    text = str(value)
    last = key.rpartition(".")[2]
    plain = isinstance(value, str) or last in {"name", "architecture"}
    return re.sub(r"[^\w.+-]+", "-", text if plain else f"{last}{text}")


def _reject_unknown(key: str, where: str) -> None:
    """Refuse a dotted key that no kind of the section has; kinds are told apart later."""
    section, _, field = key.partition(".")
    if section not in PLAN_KEYS | {"seeds", "title"}:
        known = [*PLAN_KEYS, "seeds"] if not field else [k for k in PLAN_KEYS if k != "backward"]
        raise ProfileError(where, key, _unknown(section, known))
    if field and field not in complaints.fields_of(section):
        raise ProfileError(where, key, _unknown(field, complaints.fields_of(section)))


def reject_unknown_sections(table: Mapping[str, Any], where: str) -> None:
    """Raise ProfileError for a top-level key that no plan has."""
    for section in table:
        if section not in PLAN_KEYS:
            raise ProfileError(where, section, _unknown(section, [*PLAN_KEYS, *OWN_KEYS]))


def _unknown(name: str, known: list[str]) -> str:
    elsewhere = [s for s in sorted(PLAN_KEYS) if name in complaints.fields_of(s)]
    if elsewhere:
        return f"unknown key; did you mean {' or '.join(f'{s}.{name}' for s in elsewhere)}?"
    return f"unknown key{nearest(name, known)}"
