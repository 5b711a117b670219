"""Settling: what layers of settings come to together, for every choice of what varies.

Within a layer the order of settings has no meaning: the kinds of the sections are settled first, then the rest. A
section that a layer gives another kind starts afresh from that kind's defaults, without what earlier layers said of the
old one; what the layer itself says is never dropped: where its kind does not have it, it is left over.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from revconsole.records.files.toml_file import Table
from revconsole.records.sections import KINDS
from revconsole.records.settings.layer import OWN_KEYS, SECTIONS, Layer, Values, is_tag, tag_of
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.words import same


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What layers come to with one choice of what varies.

    table: the sections. layer_of: which layer has said a key. left_over: keys that the chosen kinds do not have, each
    with the layer that says it.
    """

    table: Table
    layer_of: dict[str, int]
    left_over: dict[str, int]
    unused: Table = field(default_factory=dict)
    """The values of what is left over."""

    def kind(self, section: str) -> str:
        """The kind that a section has."""
        return str(self.table.get(section, {}).get(KINDS[section][0], default_kind(section)))

    def complete(self) -> Table:
        """The sections with what is left over, too: some other choice may have a use for it."""
        found = {key: dict(v) if isinstance(v, dict) else v for key, v in self.table.items()}
        for key, value in self.unused.items():
            section, _, name = key.partition(".")
            found.setdefault(section, {})[name] = value
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """A key, or a whole section, that varies: which layer varies it, over what."""

    layer: int
    values: Values


def variation(layers: Sequence[Layer]) -> dict[str, Varied]:
    """What varies in the end, in the order written: a later layer fixes or replaces what an earlier one varies."""
    found: dict[str, Varied] = {}
    for number, layer in enumerate(layers):
        for key, value in layer.fixed.items():
            _fix(found, key, value, number)
        for key, values in layer.varied.items():
            _vary(found, key, values, number)
    return found


def choices(varied: Mapping[str, Varied]) -> Iterator[Table]:
    """Every combination of what varies."""
    for values in itertools.product(*(each.values for each in varied.values())):
        yield dict(zip(varied, values, strict=True))


def settled(layers: Sequence[Layer], varied: Mapping[str, Varied], choice: Table) -> Settled:
    """What all layers come to, with one choice."""
    working = _Settling()
    for number, layer in enumerate(layers):
        own = {key: choice[key] for key in choice if varied[key].layer == number}
        chosen = _flat(own)
        kinds = {key.partition(".")[0] for key in chosen if is_tag(key)}
        # A kind that the layer varies is the kind that its other settings are of, unless they name one too.
        later = {
            key: value
            for key, value in layer.fixed.items()
            if (section := key.partition(".")[0]) in kinds and tag_of(section) not in layer.fixed
        }
        working.put({k: v for k, v in layer.fixed.items() if k not in later}, number)
        working.put(later | chosen, number)
    return working.result()


class _Settling:
    """Sections as they fill."""

    def __init__(self) -> None:
        self._table: Table = {}
        self._layer_of: dict[str, int] = {}
        self._waiting: dict[str, tuple[Any, int]] = {}

    def put(self, settings: Mapping[str, Any], number: int) -> None:
        """Set dotted keys, kinds first."""
        for key, value in settings.items():
            if is_tag(key):
                self._kind(key, value, number)
        for key, value in settings.items():
            if not is_tag(key) and key not in OWN_KEYS:
                self._waiting[key] = (value, number)
        for key, (value, layer) in list(self._waiting.items()):
            if self._applies(key):
                self._set(key, value, layer)
                del self._waiting[key]

    def result(self) -> Settled:
        """What it has come to."""
        return Settled(
            table=self._table,
            layer_of=self._layer_of,
            left_over={key: layer for key, (_, layer) in self._waiting.items()},
            unused={key: value for key, (value, _) in self._waiting.items()},
        )

    def _kind(self, key: str, kind: Any, number: int) -> None:
        section = key.partition(".")[0]
        if self._present(section) != kind:
            self._table[section] = {}
            dropped = [k for k in self._layer_of if k.partition(".")[0] == section]
            for old in dropped:
                del self._layer_of[old]
        self._set(key, kind, number)

    def _present(self, section: str) -> Any:
        tag, _ = KINDS[section]
        return self._table.get(section, {}).get(tag, default_kind(section))

    def _applies(self, key: str) -> bool:
        section, _, name = key.partition(".")
        if section not in KINDS:
            return True
        kind = self._present(section)
        known = KINDS[section][1].get(kind) if isinstance(kind, str) else None
        return known is None or name in known.model_fields

    def _set(self, key: str, value: Any, number: int) -> None:
        section, _, name = key.partition(".")
        if name:
            self._table.setdefault(section, {})[name] = value
        else:
            self._table[section] = value
        self._layer_of[key] = number


def default_kind(section: str) -> str:
    """The kind of a section that nobody names."""
    return str(getattr(Plan.model_fields[section].default, KINDS[section][0]))


def _fix(found: dict[str, Varied], key: str, value: Any, number: int) -> None:
    """Let a fixed key end what varied it, pick from a section that varied, or be set in each of its tables."""
    section, _, name = key.partition(".")
    found.pop(key, None)
    tables = _tables(found, section, number)
    if not tables:
        return
    if is_tag(key):
        tables = [table for table in tables if table.get(name) == value]
    else:
        tables = [{**t, name: value} if _has(section, t, name) else t for t in tables]
    _replace(found, section, tables)


def _vary(found: dict[str, Varied], key: str, values: Values, number: int) -> None:
    """Let a list vary a key from here on; a list of kinds picks from the tables that a section varied over."""
    section, _, name = key.partition(".")
    tables = _tables(found, section, number)
    if is_tag(key) and tables:
        found.pop(key, None)
        known = [[t for t in tables if t.get(name) == kind] or [{name: kind}] for kind in values]
        _replace(found, section, list(itertools.chain(*known)))
        return
    if name and tables:
        _replace(found, section, [{k: v for k, v in t.items() if k != name} for t in tables])
    if not name:
        found.pop(tag_of(section), None)
    found.pop(key, None)
    found[key] = Varied(layer=number, values=values)


def _tables(found: Mapping[str, Varied], section: str, number: int) -> Values:
    """The tables that an earlier layer varies a section over; none if it varies no whole section."""
    before = found.get(section)
    return (
        before.values
        if before is not None and before.layer < number and section in SECTIONS
        else []
    )


def _replace(found: dict[str, Varied], section: str, tables: Values) -> None:
    distinct = [t for n, t in enumerate(tables) if not any(same(t, other) for other in tables[:n])]
    if distinct:
        found[section] = Varied(layer=found[section].layer, values=distinct)
    else:
        del found[section]


def _has(section: str, table: Mapping[str, Any], name: str) -> bool:
    """Whether the kind that a table names has a setting; one that names none may have it."""
    kind = table.get(KINDS[section][0]) if section in KINDS else None
    known = KINDS[section][1].get(kind) if isinstance(kind, str) else None
    return known is None or name in known.model_fields


def _flat(choice: Mapping[str, Any]) -> Table:
    """A choice by dotted key; a key that varies by itself comes after its section."""
    flat: Table = {}
    for key, value in choice.items():
        if key in SECTIONS:
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
    return flat | {key: value for key, value in choice.items() if key not in SECTIONS}
