"""Layers: settings grouped by origin, each under its dotted key.

    the file  <  an arm  <  [quick]  <  the command line or the form

`settling` combines layers and decides precedence.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from revconsole.errors import ProfileError, nearest
from revconsole.records.files.toml_file import Table
from revconsole.records.sections import KINDS
from revconsole.records.settings import complaints
from revconsole.records.settings.words import same, shown, spelled, twice

SECTIONS = ("model", "scheme", "data", "train", "optimizer", "schedule", "objective")
PLAN_KEYS = frozenset({"backward", *SECTIONS})
OWN_KEYS = frozenset({"title", "seeds", "seed", "vary"})
USUAL_NAMES = {
    "lr": "optimizer.learning_rate", "rate": "optimizer.learning_rate", "wd": "optimizer.weight_decay",
    "bs": "train.batch", "batch_size": "train.batch", "epoch": "train.epochs", "max_epochs": "train.epochs",
    "arch": "model.architecture", "warmup": "schedule.warmup_epochs", "layers": "model.depth",
    "num_heads": "model.heads", "embed_dim": "model.dim", "patch_size": "model.patch", "img_size": "data.image_size",
    "amp": "train.precision", "gpu": "train.device", "bits": "scheme.grid_bits", "dropout_rate": "model.dropout",
}  # fmt: skip
"""Names that other programs use for a setting."""
Values = list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Settings from one origin.

    fixed: values by dotted key. varied: lists by dotted key, or of a whole section. problems: errors in the remaining
    settings.
    """

    where: str
    fixed: Table = field(default_factory=dict)
    varied: dict[str, Values] = field(default_factory=dict)
    problems: tuple[ProfileError, ...] = ()

    def joined(self, later: "Layer") -> "Layer":
        """Both layers as one; a key of the later layer replaces the same key of this one."""
        replaced = later.fixed.keys() | later.varied.keys()
        both = Layer(
            where=self.where,
            fixed={k: v for k, v in self.fixed.items() if k not in replaced} | later.fixed,
            varied={k: v for k, v in self.varied.items() if k not in replaced} | later.varied,
        )
        return replace(both, problems=(*self.problems, *later.problems, *_conflicts(both)))

    def picks_from(self, earlier: "Layer") -> bool:
        """Whether this layer names a kind of a section that the earlier layer varies as a whole."""
        tags = {section: f"{section}.{tag}" for section, (tag, _) in KINDS.items()}
        return any(
            tags.get(key) in self.fixed.keys() | self.varied.keys() for key in earlier.varied
        )


def written(table: Mapping[str, Any], where: str) -> Layer:
    """The layer of a file: its sections, and lists under `vary`."""
    builder = _LayerBuilder(where)
    for key, value in table.items():
        if key != "vary":
            builder.take(key, value, into=builder.fixed)
    vary = table.get("vary", {})
    if not isinstance(vary, Mapping):
        builder.refuse("vary", 'should be a table of lists, e.g. "model.depth" = [2, 4]')
        vary = {}
    for key, values in vary.items():
        builder.vary(key, values)
    return builder.layer()


def typed(assignments: Mapping[str, Any], where: str) -> Layer:
    """The layer of settings from a command line or form, where a list varies a key."""
    builder = _LayerBuilder(where, by_hand=True)
    for key, value in assignments.items():
        builder.take(key, value, into=builder.varied if isinstance(value, list) else builder.fixed)
    typed_layer = builder.layer()
    return replace(typed_layer, problems=(*typed_layer.problems, *_conflicts(typed_layer)))


def _conflicts(typed: Layer) -> Iterator[ProfileError]:
    """Errors for keys that are both fixed and varied."""
    for key, value in typed.fixed.items():
        section, _, name = key.partition(".")
        if key in typed.varied:
            yield ProfileError(typed.where, key, twice(value, typed.varied[key]))
        elif name and any(name in table for table in typed.varied.get(section, [])):
            sentence = f"is said by the list of {section}, too; leave one out"
            yield ProfileError(typed.where, key, sentence)


class _LayerBuilder:
    """Builds a layer setting by setting."""

    def __init__(self, where: str, *, by_hand: bool = False) -> None:
        self.where = where
        self._by_hand = by_hand
        self.fixed: Table = {}
        self.varied: dict[str, Values] = {}
        self._problems: list[ProfileError] = []

    def layer(self) -> Layer:
        """The finished layer."""
        for section, (tag, _) in KINDS.items():
            if section in self.varied and f"{section}.{tag}" in self.varied:
                self.refuse(section, f"and {section}.{tag} both say which; leave one out")
        return Layer(
            where=self.where, fixed=self.fixed, varied=self.varied, problems=tuple(self._problems)
        )

    def refuse(self, key: str, sentence: str) -> None:
        """Record an error for a key."""
        self._problems.append(ProfileError(self.where, key, sentence))

    def vary(self, key: str, values: Any) -> None:
        """Add an entry of `[vary]`; a table under a section holds lists for several of its keys."""
        if key in SECTIONS and isinstance(values, Mapping):
            for inner, inner_values in values.items():
                self.vary(f"{key}.{inner}", inner_values)
        elif not isinstance(values, list) or not values:
            self.refuse(f"vary.{key}", f"should be a list of values, not {shown(values)}")
        else:
            self.take(key, values, into=self.varied)

    def take(self, key: str, value: Any, *, into: Table) -> None:
        """Add a setting under its dotted key; an invalid one is recorded as a problem."""
        section, _, name = key.partition(".")
        if key in {"seed", "seeds"}:
            self._seeds(key, value)
        elif key == "title" and (self._by_hand or into is self.varied):
            self.refuse(key, "is of a file, and no run has another for it; leave it out")
        elif key in {"title", "backward"}:
            self._put(key, value, into=into)
        elif _case_corrected(key) != key:
            self.refuse(key, f"unknown key; did you mean {_case_corrected(key)}?")
        elif section not in SECTIONS:
            self._bare(key, value, into=into)
        elif not name:
            self._section(section, value, into=into)
        elif name not in complaints.fields_of(section):
            self.refuse(key, _unknown(name, complaints.fields_of(section), section))
        elif into is self.varied and value == []:
            self.refuse(key, "should be a list of values, not []")
        else:
            self._put(key, value, into=into)

    def _put(self, key: str, value: Any, *, into: Table) -> None:
        if into is self.varied and (again := repeated(value)):
            self.refuse(key, f"has {again} twice in its list; leave one out")
        if key in into and not same(into[key], value):
            self.refuse(key, twice(into[key], value))
        into[key] = value

    def _seeds(self, key: str, value: Any) -> None:
        self._put(
            "seeds",
            [value] if key == "seed" and not isinstance(value, list) else value,
            into=self.fixed,
        )

    def _bare(self, key: str, value: Any, *, into: Table) -> None:
        """Add a key without its section, if exactly one section has such a key."""
        owners = [s for s in SECTIONS if key in complaints.fields_of(s)]
        if len(owners) == 1:
            self._put(f"{owners[0]}.{key}", value, into=into)
        elif owners:
            self.refuse(
                key, f"is a key of several sections; write {_or([f'{s}.{key}' for s in owners])}"
            )
        else:
            self.refuse(key, _unknown_first(key))

    def _section(self, section: str, value: Any, *, into: Table) -> None:
        """Add a whole section: a table, the name of a kind, or a list of these."""
        tag = KINDS[section][0] if section in KINDS else ""
        if isinstance(value, Mapping):
            for inner, inner_value in value.items():
                self.take(f"{section}.{inner}", inner_value, into=into)
        elif tag and isinstance(value, str):
            self._put(f"{section}.{tag}", value, into=into)
        elif into is self.varied and isinstance(value, list):
            self._entries(section, value)
        else:
            self.refuse(section, _no_section(section, value))

    def _entries(self, section: str, values: Values) -> None:
        """Add a list of kinds, given by name or as tables."""
        tables: Values = []
        for value in values:
            inner = _LayerBuilder(self.where)
            inner.take(section, value, into=inner.fixed)
            self._problems += inner._problems
            tables.append({key.partition(".")[2]: v for key, v in inner.fixed.items()})
        if not values:
            self.refuse(section, "should be a list of values, not []")
        elif not any(problem.key.partition(".")[0] == section for problem in self._problems):
            self._put(section, tables, into=self.varied)


def repeated(values: Values) -> str:
    """The first value that occurs twice, in typed form; empty if none does."""
    duplicates = (v for n, v in enumerate(values) if any(_alike(v, other) for other in values[:n]))
    return next(map(spelled, duplicates), "")


def _alike(one: Any, other: Any) -> bool:
    """Whether two values give the same run: `0.1` and `1e-1` do, and so do `0` and `0.0`."""
    numbers = all(type(value) in {int, float} for value in (one, other))
    return bool(one == other) if numbers else same(one, other)


def setting_named(name: str) -> str:
    """The only setting with this name, here or in other programs; empty if there is none or several."""
    owners = [section for section in SECTIONS if name in complaints.fields_of(section)]
    if name in {*OWN_KEYS, *PLAN_KEYS} - {"vary"}:
        return name
    return f"{owners[0]}.{name}" if len(owners) == 1 else USUAL_NAMES.get(name.lower(), "")


def tag_of(section: str) -> str:
    """The key that names the kind of a section; empty for a section without kinds."""
    return f"{section}.{KINDS[section][0]}" if section in KINDS else ""


def is_tag(key: str) -> bool:
    """Whether a dotted key names the kind of its section."""
    return key == tag_of(key.partition(".")[0])


def _case_corrected(key: str) -> str:
    """The known key that differs only in case; the key itself if there is none."""
    first, _, name = key.partition(".")
    section = first.lower() if first.lower() in PLAN_KEYS else first
    small = {known.lower(): known for known in complaints.fields_of(section)}
    if not name or name in small.values():
        return section + key[len(first) :]
    return f"{section}.{small.get(name.lower(), name)}"


def _no_section(section: str, value: Any) -> str:
    if section in KINDS:
        noun = {"model": "an architecture"}.get(
            section, f"{'an' if section[0] in 'aeiou' else 'a'} {section}"
        )
        kinds = ", ".join(KINDS[section][1])
        return f"should be {noun} by name, or a table, not {shown(value)}; there are: {kinds}"
    first = {"data": "dataset"}.get(section, "epochs")
    example = (
        f"{section}.{first}={value}" if isinstance(value, str | int) else f"{section}.{first}=…"
    )
    return f"should be a table, not {shown(value)}; write {example}"


def _unknown(name: str, known: Collection[str], section: str = "") -> str:
    usual = USUAL_NAMES.get(name.lower(), "")
    if usual and usual.startswith(section):
        return f"unknown key; did you mean {usual}?"
    elsewhere = [s for s in SECTIONS if name in complaints.fields_of(s)]
    if elsewhere:
        return f"unknown key; did you mean {_or([f'{s}.{name}' for s in elsewhere])}?"
    return f"unknown key{nearest(name, known)}"


def _unknown_first(key: str) -> str:
    """The complaint about a key whose first word is no section: a setting without its section may have been meant."""
    first, dot, _ = key.partition(".")
    sections = [*PLAN_KEYS, "seeds"]
    settings = [] if dot else [name for s in SECTIONS for name in complaints.fields_of(s)]
    said = _unknown(first, {*sections, *settings})
    return said if "did you mean" in said else _unknown(first, sections)


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)
