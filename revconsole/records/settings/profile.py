"""Profile: settings from a TOML file and overrides, and the plans that they expand to.

A profile has the tables in `sections` plus `title`, `seeds` and `[vary]`, whose lists make a grid:

    [vary]
    model.depth = [2, 4, 8]                                             or "model.depth", or depth
    scheme = ["residual", { name = "momentum", gamma = 0.9 }]

`layer` keeps the origin of each setting, `settling` decides precedence. Every problem is a ProfileError that names
the file or the command line, the key and the nearest known key.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from revconsole.errors import ProfileError, UnknownName
from revconsole.records.files.toml_file import Table, read_table
from revconsole.records.sections import KINDS
from revconsole.records.sections.rule import Rule
from revconsole.records.settings import complaints, growth, idle, layer, settling
from revconsole.records.settings.layer import OWN_KEYS, PLAN_KEYS, SECTIONS, Layer
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.settling import Settled
from revconsole.records.settings.words import COMMAND_LINE, parse_assignments, same, shown

__all__ = [
    "COMMAND_LINE", "OWN_KEYS", "PLAN_KEYS", "Profile", "Table", "apart", "changed", "expanded", "load",
    "parse_assignments", "read_table", "refuse_unknown",
]  # fmt: skip

MOST_RUNS = 1000
"""Largest accepted grid; a larger one is taken for a mistake."""
LARGEST_SEED = 2**32 - 1
"""Largest seed that every random generator accepts unchanged."""

MOST_SPELLED = 5
"""Number of seeds listed in a sentence."""
MOST_NAMED = 4
"""Number of further problems listed in a sentence."""
LONGEST_NAME = 120
Run = tuple[Table, Plan]
"""(values chosen from `[vary]`, plan)."""
Problem = tuple[int, ProfileError]
"""(number of the responsible layer, error); the latest layer is reported first."""
Said = tuple[str, str]
"""(origin of a setting, dotted key)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile as requested: `table` as in the file, `where` it came from, and `later` layers set over it."""

    name: str
    where: str
    table: Mapping[str, Any]
    later: tuple[Layer, ...] = ()

    @property
    def title(self) -> str:
        """One line that describes the experiment."""
        return str(self.table.get("title", ""))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer of the file and those set over it, in increasing precedence."""
        return (layer.written(self.table, self.where), *self.later)

    def plans(self) -> tuple[Plan, ...]:
        """Every run of `[vary]` × `seeds`, in the order written. Raises ProfileError."""
        return tuple(plan for _, plan in self.expanded())

    def expanded(self) -> tuple[Run, ...]:
        """Every run of `[vary]` × `seeds` with its values of `[vary]`. Raises ProfileError."""
        (runs,) = expanded([self])
        return runs

    def overridden(self, assignments: Mapping[str, Any], where: str = COMMAND_LINE) -> "Profile":
        """A copy of the profile with keys set; a list varies a key. Calls with one `where` (named in errors) form one
        layer.

        If the profile varies a whole section, naming a kind selects that entry of the list, and any other key is set
        in every entry.
        """
        new = layer.typed(deepcopy(dict(assignments)), where)
        before = self.later[-1:]
        if before and before[0].where == where and not new.picks_from(before[0]):
            return replace(self, later=(*self.later[:-1], before[0].joined(new)))
        return replace(self, later=(*self.later, new))

    def merged(self) -> Table:
        """All layers as one table in the form of a file, without settings that no run uses."""
        layers = self.layers
        varied = settling.variation(layers)
        table = settling.settled(layers, varied, {}).complete()
        used = {key for _, key in _Expansion(self).used()}
        for section in SECTIONS:
            inner = table.get(section, {})
            if kept := {k: v for k, v in inner.items() if f"{section}.{k}" in used}:
                table[section] = kept
            else:
                table.pop(section, None)
        own = {key: value for one in layers for key, value in one.fixed.items() if key in OWN_KEYS}
        vary = {key: lists.values for key, lists in varied.items()}
        return own | table | ({"vary": vary} if vary else {})


def load(path: Path) -> Profile:
    """Read a profile file. Raises ProfileError if it is missing or not TOML; expanding it checks the content."""
    return Profile(name=path.stem, where=str(path), table=read_table(path))


def expanded(profiles: Sequence[Profile]) -> list[tuple[Run, ...]]:
    """The runs of each profile, checked together. Raises ProfileError.

    A setting must apply to at least one of all these runs: beside `scheme = ["residual", "momentum"]`, a gamma
    belongs to momentum.
    """
    expansions = [_Expansion(profile) for profile in profiles]
    used = {origin for expansion in expansions for origin in expansion.used()}
    _refuse(problem for expansion in expansions for problem in expansion.problems(used))
    return [tuple(expansion.runs()) for expansion in expansions]


def apart(profiles: Sequence[Profile]) -> list[list[tuple[Table, tuple[Plan, ...] | ProfileError]]]:
    """The choices of each profile, each with its runs or its error. Raises ProfileError for an error common to all."""
    expansions = [_Expansion(profile) for profile in profiles]
    used = {origin for expansion in expansions for origin in expansion.used()}
    _refuse(problem for expansion in expansions for problem in expansion.shared(used))
    return [list(expansion.apart()) for expansion in expansions]


def refuse_unknown(settings: Mapping[str, Any], where: str) -> None:
    """Raise ProfileError for a key that no kind of its section has."""
    _refuse((0, problem) for problem in layer.typed(settings, where).problems)


def changed(plan: Plan, settings: Mapping[str, Any]) -> Plan:
    """A plan with some settings typed over and all rules checked. Raises ProfileError."""
    present = plan.model_dump(include=set(PLAN_KEYS))
    layers = (layer.typed(present, COMMAND_LINE), layer.typed(settings, COMMAND_LINE))
    _refuse((1, problem) for problem in layers[1].problems)
    table = settling.settled(layers, {}, {}).table
    new_plan, errors = _validated(plan.model_dump(exclude=set(PLAN_KEYS)) | table)
    _refuse((1, ProfileError(COMMAND_LINE, key, sentence)) for key, sentence in errors)
    assert new_plan is not None  # noqa: S101  where nothing is wrong there is a plan
    return new_plan


class _Expansion:
    """The plans of a profile, with its problems."""

    def __init__(self, profile: Profile) -> None:
        self._profile, self._layers = profile, profile.layers
        self._problems: list[Problem] = [
            (number, problem)
            for number, each in enumerate(self._layers)
            for problem in each.problems
        ]
        self._varied = settling.variation(self._layers)
        self._seeds = self._seeds_of()
        self._made: dict[int, tuple[Plan | None, list[tuple[str, str]]]] = {}
        self._choices = [] if self._too_many() else list(self._settled())

    def used(self) -> Iterator[Said]:
        """Settings that have an effect in some run."""
        for choice, settled in self._choices:
            plan, _ = self._planned(choice, settled)
            for key, number in settled.layer_of.items():
                if plan is None or idle.is_default(plan, key) or not idle.why(plan, key):
                    yield self._layers[number].where, key

    def problems(self, used: set[Said]) -> list[Problem]:
        """All problems. used: settings that have an effect in some run of this or another profile."""
        invalid = next(
            (w for choice, settled in self._choices if (w := self._invalid(choice, settled))), []
        )
        return self.shared(used) + invalid

    def shared(self, used: set[Said]) -> list[Problem]:
        """Problems that do not depend on the choice."""
        return self._problems + list(self._useless(used))

    def runs(self) -> Iterator[Run]:
        """Every run with its choice: for each choice, every seed."""
        for choice, settled in self._choices:
            plan, _ = self._planned(choice, settled)
            assert plan is not None  # noqa: S101  its problems were refused
            yield from ((choice, each) for each in self._over_seeds(plan))

    def apart(self) -> Iterator[tuple[Table, tuple[Plan, ...] | ProfileError]]:
        """Every choice with its runs, or with its error."""
        for choice, settled in self._choices:
            plan, _ = self._planned(choice, settled)
            if plan is not None:
                yield choice, tuple(self._over_seeds(plan))
                continue
            try:
                _refuse(self._invalid(choice, settled))
            except ProfileError as error:
                yield choice, error

    def _over_seeds(self, plan: Plan) -> Iterator[Plan]:
        plan = idle.without_effect(plan)
        for seed in self._seeds:
            words = [plan.name, f"s{seed}"] if len(self._seeds) > 1 else [plan.name]
            name = "-".join(words)[:LONGEST_NAME]
            yield plan.model_copy(update={"name": name, "seed": seed})

    def _settled(self) -> Iterator[tuple[Table, Settled]]:
        """Each distinct choice without inapplicable or idle values, and its settled layers."""
        earlier: list[Table] = []
        for choice in settling.choices(self._varied):
            settled = settling.settled(self._layers, self._varied, choice)
            needless = self._idle(choice, settled) | settled.left_over.keys()
            own = {key: value for key, value in choice.items() if key not in needless}
            if len(own) < len(choice) and any(same(own, other) for other in earlier):
                continue
            earlier.append(own)
            yield own, settled

    def _idle(self, choice: Table, settled: Settled) -> set[str]:
        """Varied keys that have no effect in this choice."""
        candidates = {key for key in choice if idle.causes(key)}
        plan = self._plan(choice, settled)[0] if candidates else None
        return {key for key in candidates if plan and idle.why(plan, key)}

    def _useless(self, used: set[Said]) -> Iterator[Problem]:
        """Problems for settings that have no effect in any run."""
        kinds: dict[tuple[int, str], dict[str, None]] = {}
        for _, settled in self._choices:
            for key, number in settled.left_over.items():
                if (self._layers[number].where, key) not in used:
                    kinds.setdefault((number, key), {})[settled.kind(key.partition(".")[0])] = None
        for (number, key), without in kinds.items():
            sentence = complaints.without(key, list(without))
            yield number, ProfileError(self._layers[number].where, key, sentence)
        for choice, settled in self._choices:
            plan, _ = self._planned(choice, settled)
            for key, number in settled.layer_of.items() if plan else ():
                # A later layer may make an earlier setting idle on purpose: that is no problem.
                later = any(settled.layer_of.get(cause, -1) > number for cause in idle.causes(key))
                if plan and not later and (self._layers[number].where, key) not in used:
                    yield number, ProfileError(self._layers[number].where, key, idle.why(plan, key))

    def _invalid(self, choice: Table, settled: Settled) -> list[Problem]:
        """Problems of a choice that gives no valid plan."""
        _, wrong = self._planned(choice, settled)
        return [self._blamed(choice, settled, *each) for each in wrong]

    def _planned(
        self, choice: Table, settled: Settled
    ) -> tuple[Plan | None, list[tuple[str, str]]]:
        """The plan of a choice or its errors; computed once."""
        if id(settled) not in self._made:
            self._made[id(settled)] = self._plan(choice, settled)
        return self._made[id(settled)]

    def _plan(self, choice: Table, settled: Settled) -> tuple[Plan | None, list[tuple[str, str]]]:
        words = [_label(key, value, self._varied[key].values) for key, value in choice.items()]
        name = "-".join([self._profile.name, *words])[:LONGEST_NAME]
        return _validated(settled.table | {"name": name, "profile": self._profile.name})

    def _blamed(self, choice: Table, settled: Settled, key: str, sentence: str) -> Problem:
        """The problem, attributed to the first layer that causes it, even if the key is in an earlier layer."""
        origin = settled.layer_of.get(key)
        number = next(
            (n for n in range(origin or 0, len(self._layers)) if self._wrong_by(n, choice, key)),
            len(self._layers) - 1,
        )
        if origin is not None and origin != number:
            sentence += f" ({key} is from {self._layers[origin].where})"
        return number, ProfileError(self._layers[number].where, key, sentence)

    def _wrong_by(self, number: int, choice: Table, key: str) -> bool:
        """Whether the layers up to `number` already have a problem with the key."""
        own = {k: v for k, v in choice.items() if self._varied[k].layer <= number}
        settled = settling.settled(self._layers[: number + 1], self._varied, own)
        _, wrong = self._plan(own, settled)
        return key in dict(wrong)

    def _seeds_of(self) -> list[int]:
        seeds_by_layer = [
            (n, each.fixed["seeds"]) for n, each in enumerate(self._layers) if "seeds" in each.fixed
        ]
        number, seeds = seeds_by_layer[-1] if seeds_by_layer else (0, [0])
        fault = _wrong_seeds(seeds)
        if fault:
            self._problems.append(
                (number, ProfileError(self._layers[number].where, "seeds", fault))
            )
            return [0]
        return seeds if isinstance(seeds, list) else [seeds]

    def _too_many(self) -> bool:
        counts = {key: len(each.values) for key, each in self._varied.items()} | {
            "seeds": len(self._seeds)
        }
        runs = math.prod(counts.values())
        if runs <= MOST_RUNS:
            return False
        key = max(counts, key=counts.__getitem__)
        seeded = [n for n, each in enumerate(self._layers) if "seeds" in each.fixed]
        number = max([*seeded, *(each.layer for each in self._varied.values())])
        sentence = f"this makes {runs} runs; the limit is {MOST_RUNS}"
        self._problems.append((number, ProfileError(self._layers[number].where, key, sentence)))
        return True


def _validated(table: Table) -> tuple[Plan | None, list[tuple[str, str]]]:
    """The plan, or (key, sentence) for each error."""
    complete = _complete(table)
    try:
        plan = Plan.model_validate(complete)
        growth.refuse_lost(plan)
    except Rule as rule:
        return None, [(rule.key, str(rule))]
    except UnknownName as error:
        return None, [("data.dataset", str(error))]
    except ValidationError as error:
        return None, complaints.every(error, complete)
    return plan, []


def _complete(table: Table) -> Table:
    """The table with the default kind of each section, and with `backward` if it is unset."""
    complete = {**table}
    for section, (tag, _) in KINDS.items():
        inner = complete.get(section, {})
        complete[section] = {tag: settling.default_kind(section), **inner}
    plain = complete["scheme"]["name"] == "residual"
    return {"backward": "stored" if plain else "reversible", **complete}


def _refuse(problems: Iterable[Problem]) -> None:
    """Raise the problem of the latest layer, listing the keys of the others, if there is any problem."""
    distinct: dict[tuple[str, str], Problem] = {}
    for number, problem in problems:
        distinct.setdefault((problem.where, problem.key), (number, problem))
    ordered = [problem for _, problem in sorted(distinct.values(), key=lambda each: -each[0])]
    if not ordered:
        return
    first, *others = ordered
    named = [p.key if p.where == first.where else f"{p.key} in {p.where}" for p in others]
    more = f" (and {len(others)} more mistake{'s' * (len(others) > 1)}: {', '.join(named[:MOST_NAMED])}{', …' * (len(named) > MOST_NAMED)})"
    raise ProfileError(first.where, first.key, first.reason + (more if others else ""))


def _wrong_seeds(seeds: Any) -> str:
    """What is wrong with the seeds; empty if nothing is."""
    if type(seeds) is int and seeds > 0:
        several = ",".join(str(n) for n in range(seeds)) if seeds <= MOST_SPELLED else "0,1,2,…"
        return f"{shown(seeds)} may be a seed or how many; write seed={shown(seeds)} or seeds=[{several}]"
    numbers = [seeds] if type(seeds) is int else seeds
    unlike = f"should be a list of whole numbers from 0, not {shown(seeds)}; write [7,8], say"
    if not isinstance(numbers, list) or not numbers:
        return unlike
    if len(numbers) > MOST_RUNS:
        return f"this makes {len(numbers)} runs; the limit is {MOST_RUNS}"
    if not all(type(n) is int and n >= 0 for n in numbers):
        return unlike
    if max(numbers) > LARGEST_SEED:
        return f"the largest seed is {LARGEST_SEED}"
    again = layer.repeated(numbers)
    return f"has {again} twice in its list; leave one out" if again else ""


def _label(key: str, value: Any, among: Sequence[Any]) -> str:
    """The part of a run's name that stands for one varied value."""
    if key in SECTIONS:
        tag = KINDS.get(key, ("",))[0]
        kind = value.get(tag)
        alike = [other for other in among if other.get(tag) == kind]
        rest = [f"{k}{v}" for k, v in value.items() if k != tag and (len(alike) > 1 or not kind)]
        text = "-".join([str(kind), *rest] if kind else rest)
        return re.sub(r"[^\w.+-]+", "-", text)
    text = str(value)
    last = key.rpartition(".")[2]
    plain = isinstance(value, str) or last in {"name", "architecture"}
    return re.sub(r"[^\w.+-]+", "-", text if plain else f"{last}{text}")
