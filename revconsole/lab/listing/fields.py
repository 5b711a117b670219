"""Fields: everything that can be said of a run, by name, for filters, columns and orders.

A name is that of a fact of the run (`state`, `best`, `age`), of a setting (`optimizer.learning_rate`) or of a recorded
metric (`gradient_norm`). A setting may be shortened to its last part where only one has it (`learning_rate`); a metric
that is named as a setting is written `metric.learning_rate`.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from revconsole.errors import RevconsoleError, UnknownName
from revconsole.lab.format import toml
from revconsole.records.given import GivenValue
from revconsole.records.runs.run import Summary
from revconsole.records.runs.standing import State
from revconsole.records.sections import KINDS, Section
from revconsole.records.settings.plan import Plan

FieldKind = Literal["text", "words", "number", "mixed", "fraction", "bytes", "seconds"]
"""Kind of the values: `words` are several texts, `mixed` are numbers or words."""
SECTIONS = ("scheme", "model", "data", "optimizer", "schedule", "objective", "train")
METRIC = "metric."
"""Before the name of a metric that a setting has too."""
GIVEN = "given."
"""Before the name of a setting that another program gave its run and that revconsole has not."""
SHORT = {
    "lr": "optimizer.learning_rate", "wd": "optimizer.weight_decay", "arch": "architecture",
    "gamma": "scheme.gamma", "val": "best", "validation_accuracy": "best", "best_acc": "best",
    "accuracy": "best", "test_accuracy": "test", "tags": "tag", "notes": "note", "seconds": "time",
    "img/s": "images_per_second", "data": "data.dataset", "dataset": "data.dataset",
    "model": "model.architecture", "scheme": "scheme.name", "optimizer": "optimizer.name",
    "schedule": "schedule.name", "objective": "objective.name",
}  # fmt: skip
"""Short names, and the names they stand for."""
now: Callable[[], float] = time.time
"""The clock of ages, in seconds since 1970."""
OF_NO_PLAN = frozenset(
    {"id", "name", "state", "tag", "note", "archived", "alarm", "advice", "reason"}
)
"""Facts that are known of a run whose plan cannot be read."""
HEADINGS = {
    "learning_rate": "lr", "weight_decay": "wd", "warmup_epochs": "warm-up", "data": "dataset",
    "model": "arch",
}  # fmt: skip
"""Headings of settings that differ from the last part of their key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunField:
    """Something said of a run. label: heading, with the unit. value: None if unknown; fractions of 1, bytes, seconds."""

    key: str
    label: str
    kind: FieldKind
    value: Callable[[Summary], Any]
    setting: bool = False
    """Whether it is a setting of the plan."""
    words: tuple[str, ...] = ()
    """All texts that it can be, as they are typed; empty where any text can be."""


class AmbiguousName(RevconsoleError):  # noqa: N818  the name says what happened
    """A short name that several settings have."""

    exit_code = 2

    def __init__(self, name: str, keys: Iterable[str]) -> None:
        super().__init__(f"{name!r} may be {' or '.join(keys)}: write one of them")


def named(name: str, metrics: Iterable[str] = ()) -> RunField:
    """The field that a name means. metrics: see `metrics_of`. Raises UnknownName and AmbiguousName."""
    fields, recorded = _static(), set(metrics)
    if name in fields:
        return fields[name]
    if name.startswith(METRIC) and name.removeprefix(METRIC) in recorded:
        return _metric(name.removeprefix(METRIC))
    short = fields.get(SHORT.get(name, name))
    matching = _ending(name) if short is None else (short.key,) if short.setting else ()
    if len(matching) > 1:
        raise AmbiguousName(name, (*matching, *([METRIC + name] if name in recorded else ())))
    if matching:
        return fields[matching[0]]
    if name in recorded:
        return _recorded(name)
    if short is not None:
        return short
    if GIVEN + name in recorded:
        return _given(GIVEN + name)
    tails = {each.rpartition(".")[2] for each in fields}
    bare = {each.removeprefix(GIVEN) for each in recorded}
    raise UnknownName("setting or metric", name, {*fields, *tails, *bare, *SHORT})


def every(metrics: Iterable[str] = ()) -> tuple[RunField, ...]:
    """All fields: facts, settings, then metrics. metrics: as for `named`."""
    fields = _static()
    rest = sorted(set(metrics) - fields.keys())
    return (*fields.values(), *map(_recorded, rest))


def metrics_of(runs: Sequence[Summary]) -> dict[str, None]:
    """The names of the metrics that some of the runs have recorded, and of the settings that only other programs have."""
    names: dict[str, None] = {}
    for recorded in {tuple(run.metrics): None for run in runs}:
        names |= dict.fromkeys(recorded)
    return names | dict.fromkeys(field.key for field in given_fields(runs))


def given_fields(runs: Iterable[Summary]) -> tuple[RunField, ...]:
    """The fields of the settings that other programs gave these runs and that revconsole has not."""
    keys = {tuple(run.given): None for run in runs if run.given}
    own = {key: None for each in keys for key in each if our_key(key) is None}
    return tuple(_given(GIVEN + key) for key in own)


@cache
def our_key(key: str) -> str | None:
    """The setting of revconsole that a setting of another program is called as, fully or in short; None if there is none."""
    short = SHORT.get(key, key)
    found = _static().get(short)
    if found is not None:
        return short if found.setting else None
    ending = _ending(short)
    return ending[0] if len(ending) == 1 else None


def setting_fields() -> tuple[RunField, ...]:
    """The fields that are settings, those that decide most first; the seed is the last."""
    return tuple(field for field in _static().values() if field.setting)


def _ending(name: str) -> tuple[str, ...]:
    """The keys of the settings whose last parts are those of the name."""
    parts = name.split(".")
    return tuple(key for key in _static() if key.split(".")[-len(parts) :] == parts)


@cache
def _static() -> Mapping[str, RunField]:
    fields = [*FACTS, *_settings(), _of_plan("seed", "number")]
    return {field.key: field for field in fields}


def _fact(
    key: str,
    label: str,
    kind: FieldKind,
    value: Callable[[Summary], Any] | None = None,
    words: tuple[str, ...] = (),
) -> RunField:
    if value is None:

        def value(run: Summary) -> Any:
            return getattr(run, key)

    told = value if key in OF_NO_PLAN else _of_readable(value)
    return RunField(key=key, label=label, kind=kind, value=told, words=words)


def _of_readable(value: Callable[[Summary], Any]) -> Callable[[Summary], Any]:
    """The value, or None for a run whose plan cannot be read: defaults are no facts."""
    return lambda run: value(run) if run.readable else None


def _of_known_plan(key: str, value: Callable[[Summary], Any]) -> Callable[[Summary], Any]:
    """The value of a setting; of a run that another program trains, what it gave under that name."""
    return lambda run: value(run) if run.plan_known else given_value(run, key)


def given_value(run: Summary, key: str) -> GivenValue:
    """What another program gave its run under the name of a setting of revconsole; None if nothing."""
    return next((value for name, value in run.given.items() if our_key(name) == key), None)


def _architecture(run: Summary) -> Any:
    """The architecture of the model; for models of timm their name."""
    if not run.plan_known:
        return given_value(run, "model.architecture")
    model = run.plan.model
    return model.name if model.architecture == "timm" else model.architecture


def _progress(run: Summary) -> float | None:
    return run.step / run.steps if run.steps else None


def _age(run: Summary) -> float:
    return now() - run.created


def _speed(run: Summary) -> float | None:
    return run.metrics.get("images_per_second")


FACTS = (
    _fact("id", "id", "text"),
    _fact("name", "name", "text"),
    _fact("state", "state", "text", words=get_args(State)),
    _fact("tag", "tags", "words", lambda r: r.tags),
    _fact("note", "note", "text"),
    _fact("archived", "archived", "text", lambda r: toml(r.archived), words=("true", "false")),
    _fact("alarm", "alarm", "text"),
    _fact("advice", "advice", "words", lambda r: tuple(given.rule for given in r.advice)),
    _fact("reason", "reason", "text"),
    _fact("profile", "profile", "text", lambda r: r.plan.profile),
    _fact("study", "study", "text", lambda r: r.plan.study),
    _fact("arm", "arm", "text", lambda r: r.plan.arm),
    _fact("program", "recorded by", "text", lambda r: r.program or None),
    _fact("architecture", "arch", "text", _architecture),
    _fact("epoch", "epoch", "number"),
    _fact("epochs", "epochs", "number", lambda r: r.epochs),
    _fact("step", "step", "number"),
    _fact("steps", "steps", "number"),
    _fact("progress", "progress %", "fraction", _progress),
    _fact("attempt", "attempt", "number"),
    _fact("best", "val %", "fraction", lambda r: r.best_validation_accuracy),
    _fact("test", "test %", "fraction", lambda r: r.test_accuracy),
    _fact("knn", "k-NN %", "fraction", lambda r: r.best_knn_accuracy),
    _fact("best_epoch", "best epoch", "number"),
    _fact("loss", "loss", "number"),
    _fact("validation_loss", "val loss", "number", lambda r: r.best_validation_loss),
    _fact("test_loss", "test loss", "number"),
    _fact("gradient_error", "grad error", "number"),
    _fact("parameters", "parameters", "number"),
    _fact("multiply_adds", "multiply-adds", "number", lambda r: r.multiply_adds_per_image),
    _fact("support_vectors", "vectors", "number"),
    _fact("kept", "kept MiB", "bytes", lambda r: r.kept_for_backward_bytes),
    _fact("peak", "peak MiB", "bytes", lambda r: r.peak_memory_bytes),
    _fact("foreseen", "foreseen MiB", "bytes", lambda r: r.foreseen_peak_bytes),
    _fact("images_per_second", "images/s", "number", _speed),
    _fact("mfu", "MFU %", "fraction", lambda r: r.metrics.get("mfu")),
    _fact("time", "time", "seconds", lambda r: r.seconds),
    _fact("eta", "ETA", "seconds", lambda r: r.eta_seconds),
    _fact("age", "age", "seconds", _age),
    _fact("device", "device", "text", lambda r: r.trained_on),
    _fact("host", "host", "text"),
    _fact("fingerprint", "fingerprint", "text"),
)  # fmt: skip


def _settings() -> Iterable[RunField]:
    """Every setting of every section, the kind of a section first, and the backward after the scheme."""
    for section in SECTIONS:
        if section == SECTIONS[1]:
            yield _of_plan("backward", "text")
        tag = KINDS.get(section, ("", {}))[0]
        names = dict.fromkeys(name for cls in _classes(section) for name in cls.model_fields)
        for name in sorted(names, key=lambda name: name != tag):
            yield _setting(section, name, tag)


def _setting(section: str, name: str, tag: str) -> RunField:
    def value(run: Summary) -> Any:
        return getattr(getattr(run.plan, section), name, None)

    own = name == tag or (section, name) == ("data", "dataset")
    return RunField(
        key=f"{section}.{name}",
        label=HEADINGS.get(name) or (HEADINGS.get(section, section) if own else name),
        kind=_kind(section, name),
        value=_of_known_plan(f"{section}.{name}", value),
        setting=True,
        words=_words(section, name),
    )


def _words(section: str, name: str) -> tuple[str, ...]:
    """All texts that a setting can be: its choices, and none where it may be unset; empty if anything else is allowed."""
    found: dict[str, None] = {}
    for cls in _classes(section):
        declared = cls.model_fields.get(name)
        choices = ("none",) if declared is None else _choices(declared.annotation)
        if not choices:
            return ()
        found |= dict.fromkeys(choices)
    return tuple(found)


def _choices(annotation: Any) -> tuple[str, ...]:
    """The texts of a declared choice, switch or missing value; empty if the type has others."""
    if annotation in {None, type(None)}:
        return ("none",)
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return tuple(map(toml, get_args(annotation)))
    if get_origin(annotation) in {Union, UnionType}:
        parts = [_choices(part) for part in get_args(annotation)]
        return tuple(word for part in parts for word in part) if all(parts) else ()
    return ()


def _kind(section: str, name: str) -> FieldKind:
    """The kind of a setting's values, from the types that the sections declare."""
    types: set[Any] = set()
    for cls in _classes(section):
        if name in cls.model_fields:
            types |= _types(cls.model_fields[name].annotation)
    types.discard(type(None))
    if types <= {int, float}:
        return "number"
    return "mixed" if types & {int, float} else "text"


def _types(annotation: Any) -> set[Any]:
    """The types of a declared union; a literal counts as the types of its values."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return {type(value) for value in inner}
    if get_origin(annotation) in {Union, UnionType}:
        return {each for part in inner for each in _types(part)}
    return {annotation}


def _classes(section: str) -> list[type[Section]]:
    kinds = KINDS.get(section, ("", {}))[1]
    return list(kinds.values()) or [type(Plan.model_fields[section].default)]


def _of_plan(key: str, kind: FieldKind) -> RunField:
    """A setting that is in no section."""
    own = _of_known_plan(key, lambda run: getattr(run.plan, key))
    value = _of_readable(lambda run: run.plan.seed) if key == "seed" else own
    words = _choices(Plan.model_fields[key].annotation)
    return RunField(key=key, label=key, kind=kind, value=value, setting=True, words=words)


def _recorded(name: str) -> RunField:
    """The field of one of the names in `metrics_of`."""
    return _given(name) if name.startswith(GIVEN) else _metric(name)


def _given(name: str) -> RunField:
    """The field of a setting that only other programs have."""
    key = name.removeprefix(GIVEN)
    return RunField(
        key=name, label=key, kind="mixed", value=lambda run: run.given.get(key), setting=True
    )


def _metric(name: str) -> RunField:
    kind: FieldKind = "number"
    if name.endswith("_accuracy"):
        kind = "fraction"
    elif name.endswith("_bytes"):
        kind = "bytes"
    elif name.endswith("_seconds"):
        kind = "seconds"
    label = {"fraction": f"{name} %", "bytes": f"{name.removesuffix('_bytes')} MiB"}.get(kind, name)
    short = _static().get(SHORT.get(name, name))
    taken = name in _static() or (short.setting if short else _ending(name))
    key = METRIC + name if taken else name
    return RunField(
        key=key, label=label.replace("_", " "), kind=kind, value=lambda run: run.metrics.get(name)
    )
