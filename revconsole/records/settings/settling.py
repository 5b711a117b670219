"""Settling: combines layers of settings into one table, for every choice of the varied values.

Within a layer the order of settings has no meaning: kinds of sections are settled first, then the rest. If a layer
gives a section another kind, the section starts from that kind's defaults and drops the settings of earlier layers.
Settings of the layer itself are never dropped: those that the kind does not have are left over.
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
    """The combined layers for one choice of the varied values.

    table: the sections. layer_of: number of the layer that set a key. left_over: keys that the chosen kinds do not
    have, with the number of their layer.
    """

    table: Table
    layer_of: dict[str, int]
    left_over: dict[str, int]
    unused: Table = field(default_factory=dict)
    """Values of the left-over keys."""

    def kind(self, section: str) -> str:
        """The kind of a section."""
        return str(self.table.get(section, {}).get(KINDS[section][0], default_kind(section)))

    def complete(self) -> Table:
        """The sections including left-over keys, which another choice may use."""
        complete = {key: dict(v) if isinstance(v, dict) else v for key, v in self.table.items()}
        for key, value in self.unused.items():
            section, _, name = key.partition(".")
            complete.setdefault(section, {})[name] = value
        return complete


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """A key or whole section that varies: the number of its layer, and its values."""

    layer: int
    values: Values


def variation(layers: Sequence[Layer]) -> dict[str, Varied]:
    """The keys that vary in the end, in the order written; a later layer fixes or replaces what an earlier one varies."""
    varied: dict[str, Varied] = {}
    for number, layer in enumerate(layers):
        for key, value in layer.fixed.items():
            _fix(varied, key, value, number)
        for key, values in layer.varied.items():
            _vary(varied, key, values, number)
    return varied


def choices(varied: Mapping[str, Varied]) -> Iterator[Table]:
    """Every combination of the varied values."""
    for values in itertools.product(*(entry.values for entry in varied.values())):
        yield dict(zip(varied, values, strict=True))


def settled(layers: Sequence[Layer], varied: Mapping[str, Varied], choice: Table) -> Settled:
    """All layers combined, for one choice."""
    working = _Settling()
    for number, layer in enumerate(layers):
        own = {key: choice[key] for key in choice if varied[key].layer == number}
        chosen = _flat(own)
        kinds = {key.partition(".")[0] for key in chosen if is_tag(key)}
        # A kind varied by this layer also applies to the layer's fixed settings of that section, unless they fix a kind.
        later = {
            key: value
            for key, value in layer.fixed.items()
            if (section := key.partition(".")[0]) in kinds and tag_of(section) not in layer.fixed
        }
        working.put({k: v for k, v in layer.fixed.items() if k not in later}, number)
        working.put(later | chosen, number)
    return working.result()


class _Settling:
    """Sections that fill layer by layer."""

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
        """The settled layers."""
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
        section_class = KINDS[section][1].get(kind) if isinstance(kind, str) else None
        return section_class is None or name in section_class.model_fields

    def _set(self, key: str, value: Any, number: int) -> None:
        section, _, name = key.partition(".")
        if name:
            self._table.setdefault(section, {})[name] = value
        else:
            self._table[section] = value
        self._layer_of[key] = number


def default_kind(section: str) -> str:
    """The default kind of a section."""
    return str(getattr(Plan.model_fields[section].default, KINDS[section][0]))


def _fix(varied: dict[str, Varied], key: str, value: Any, number: int) -> None:
    """Apply a fixed key: it ends its own variation, selects tables of a varied section, or is set in each of them."""
    section, _, name = key.partition(".")
    varied.pop(key, None)
    tables = _tables(varied, section, number)
    if not tables:
        return
    if is_tag(key):
        tables = [table for table in tables if table.get(name) == value]
    else:
        tables = [{**t, name: value} if _has(section, t, name) else t for t in tables]
    _replace(varied, section, tables)


def _vary(varied: dict[str, Varied], key: str, values: Values, number: int) -> None:
    """Apply a varied key from this layer on; a list of kinds selects among the tables of a varied section."""
    section, _, name = key.partition(".")
    tables = _tables(varied, section, number)
    if is_tag(key) and tables:
        varied.pop(key, None)
        tables_by_kind = [
            [t for t in tables if t.get(name) == kind] or [{name: kind}] for kind in values
        ]
        _replace(varied, section, list(itertools.chain(*tables_by_kind)))
        return
    if name and tables:
        _replace(varied, section, [{k: v for k, v in t.items() if k != name} for t in tables])
    if not name:
        varied.pop(tag_of(section), None)
    varied.pop(key, None)
    varied[key] = Varied(layer=number, values=values)


def _tables(varied: Mapping[str, Varied], section: str, number: int) -> Values:
    """The tables over which an earlier layer varies a section; empty if no whole section varies."""
    before = varied.get(section)
    return (
        before.values
        if before is not None and before.layer < number and section in SECTIONS
        else []
    )


def _replace(varied: dict[str, Varied], section: str, tables: Values) -> None:
    distinct = [t for n, t in enumerate(tables) if not any(same(t, other) for other in tables[:n])]
    if distinct:
        varied[section] = Varied(layer=varied[section].layer, values=distinct)
    else:
        del varied[section]


def _has(section: str, table: Mapping[str, Any], name: str) -> bool:
    """Whether the kind named by a table has a setting; a table without a kind may have it."""
    kind = table.get(KINDS[section][0]) if section in KINDS else None
    section_class = KINDS[section][1].get(kind) if isinstance(kind, str) else None
    return section_class is None or name in section_class.model_fields


def _flat(choice: Mapping[str, Any]) -> Table:
    """A choice by dotted key; a key that varies by itself comes after its section."""
    flat: Table = {}
    for key, value in choice.items():
        if key in SECTIONS:
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
    return flat | {key: value for key, value in choice.items() if key not in SECTIONS}
