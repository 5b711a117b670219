"""Profile: everything a user can set, from a TOML file and overrides, and the plans it expands to.

A profile is a table of sections (see `sections`) plus three keys of its own: `title`, `seeds`, and
`[vary]`, whose lists make a grid:

    [vary]
    model.depth = [2, 4, 8]                                             or "model.depth", or depth
    scheme = ["residual", { name = "momentum", gamma = 0.9 }]

What is set where is in `layer`, what wins in `settling`. Every problem is a ProfileError that names the file or the command
line, the key and the nearest key that exists.
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
    "COMMAND_LINE",
    "OWN_KEYS",
    "PLAN_KEYS",
    "Profile",
    "Table",
    "apart",
    "changed",
    "expanded",
    "load",
    "parse_assignments",
    "read_table",
    "refuse_unknown",
]

MOST_RUNS = 1000
"""A grid larger than this is taken for a slip of the hand."""
LARGEST_SEED = 2**32 - 1
"""What every generator takes as it is."""

MOST_SPELLED = 5
"""Seeds that a sentence writes out."""
MOST_NAMED = 4
"""Further problems that a sentence names."""
LONGEST_NAME = 120
Run = tuple[Table, Plan]
"""What a run takes of `[vary]`, and its plan."""
Problem = tuple[int, ProfileError]
"""What is wrong, and how late the layer is that is to blame: what was typed last is said first."""
Said = tuple[str, str]
"""Where a setting was written, and its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the user asked for: `table` as in the file, `where` it came from, and the layers set `later` over it."""

    name: str
    where: str
    table: Mapping[str, Any]
    later: tuple[Layer, ...] = ()

    @property
    def title(self) -> str:
        """One line on what the experiment is."""
        return str(self.table.get("title", ""))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The file and what was set over it, the last word last."""
        return (layer.written(self.table, self.where), *self.later)

    def plans(self) -> tuple[Plan, ...]:
        """Every run of `[vary]` × `seeds`, in the order written. Raises ProfileError."""
        return tuple(plan for _, plan in self.expanded())

    def expanded(self) -> tuple[Run, ...]:
        """Every run of `[vary]` × `seeds`, each with what it takes of `[vary]`. Raises ProfileError."""
        (found,) = expanded([self])
        return found

    def overridden(self, assignments: Mapping[str, Any], where: str = COMMAND_LINE) -> "Profile":
        """This profile with keys set; a list varies a key. Calls with one `where` count as one.

        Where the profile varies a whole section, naming its kind picks that entry of the list, and any
        other key is set in every entry. where: who sets them, for the sentence about a mistake.
        """
        new = layer.typed(deepcopy(dict(assignments)), where)
        before = self.later[-1:]
        if before and before[0].where == where and not new.picks_from(before[0]):
            return replace(self, later=(*self.later[:-1], before[0].joined(new)))
        return replace(self, later=(*self.later, new))

    def merged(self) -> Table:
        """All layers as one table, as a file would say it, without what no run has a use for."""
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
        own = {
            key: value for each in layers for key, value in each.fixed.items() if key in OWN_KEYS
        }
        vary = {key: each.values for key, each in varied.items()}
        return own | table | ({"vary": vary} if vary else {})


def load(path: Path) -> Profile:
    """Read a profile file. Raises ProfileError if it is missing or not TOML; what it says is judged with its plans."""
    return Profile(name=path.stem, where=str(path), table=read_table(path))


def expanded(profiles: Sequence[Profile]) -> list[tuple[Run, ...]]:
    """The runs of each profile, judged together.

    A setting has to apply to some of all these runs: beside `scheme = ["residual", "momentum"]`, a gamma is momentum's.
    Raises ProfileError.
    """
    found = [_Expansion(profile) for profile in profiles]
    used = {said for each in found for said in each.used()}
    _refuse(problem for each in found for problem in each.problems(used))
    return [tuple(each.runs()) for each in found]


def apart(
    profiles: Sequence[Profile],
) -> list[list[tuple[Table, tuple[Plan, ...] | ProfileError]]]:
    """The choices of each profile, each with its runs or what is wrong with them: one hides no other.

    Raises ProfileError for what is wrong with all.
    """
    found = [_Expansion(profile) for profile in profiles]
    used = {said for each in found for said in each.used()}
    _refuse(problem for each in found for problem in each.shared(used))
    return [list(each.apart()) for each in found]


def refuse_unknown(settings: Mapping[str, Any], where: str) -> None:
    """Raise ProfileError for a key that no kind of its section has."""
    _refuse((0, problem) for problem in layer.typed(settings, where).problems)


def changed(plan: Plan, settings: Mapping[str, Any], where: str = COMMAND_LINE) -> Plan:
    """A plan with some settings changed, judged as every plan is. Raises ProfileError."""
    kept = plan.model_dump(include=set(PLAN_KEYS))
    layers = (layer.typed(kept, where), layer.typed(settings, where))
    _refuse((1, problem) for problem in layers[1].problems)
    table = settling.settled(layers, {}, {}).table
    made, wrong = _validated(plan.model_dump(exclude=set(PLAN_KEYS)) | table)
    _refuse((1, ProfileError(where, key, sentence)) for key, sentence in wrong)
    assert made is not None  # noqa: S101  where nothing is wrong there is a plan
    return made


class _Expansion:
    """What a profile comes to, with what is wrong about it."""

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
        """Settings that apply to some run."""
        for choice, found in self._choices:
            plan, _ = self._planned(choice, found)
            for key, number in found.layer_of.items():
                if plan is None or idle.is_default(plan, key) or not idle.why(plan, key):
                    yield self._layers[number].where, key

    def problems(self, used: set[Said]) -> list[Problem]:
        """Everything that is wrong; `used`: settings that apply to some run of this or of another profile."""
        invalid = next(
            (w for choice, found in self._choices if (w := self._invalid(choice, found))), []
        )
        return self.shared(used) + invalid

    def shared(self, used: set[Said]) -> list[Problem]:
        """What is wrong whatever is chosen."""
        return self._problems + list(self._useless(used))

    def runs(self) -> Iterator[Run]:
        """Every run with its choice; of each choice every seed."""
        for choice, found in self._choices:
            plan, _ = self._planned(choice, found)
            assert plan is not None  # noqa: S101  its problems were refused
            yield from ((choice, each) for each in self._over_seeds(plan))

    def apart(self) -> Iterator[tuple[Table, tuple[Plan, ...] | ProfileError]]:
        """Every choice with its runs, or with what is wrong."""
        for choice, found in self._choices:
            plan, _ = self._planned(choice, found)
            if plan is not None:
                yield choice, tuple(self._over_seeds(plan))
                continue
            try:
                _refuse(self._invalid(choice, found))
            except ProfileError as error:
                yield choice, error

    def _over_seeds(self, plan: Plan) -> Iterator[Plan]:
        plan = idle.without_effect(plan)
        for seed in self._seeds:
            words = [plan.name, f"s{seed}"] if len(self._seeds) > 1 else [plan.name]
            name = "-".join(words)[:LONGEST_NAME]
            yield plan.model_copy(update={"name": name, "seed": seed})

    def _settled(self) -> Iterator[tuple[Table, Settled]]:
        """Each choice without what does not apply to its kinds or changes nothing, and what it comes to."""
        seen: list[Table] = []
        for choice in settling.choices(self._varied):
            found = settling.settled(self._layers, self._varied, choice)
            needless = self._idle(choice, found) | found.left_over.keys()
            own = {key: value for key, value in choice.items() if key not in needless}
            if len(own) < len(choice) and any(same(own, other) for other in seen):
                continue
            seen.append(own)
            yield own, found

    def _idle(self, choice: Table, found: Settled) -> set[str]:
        """What varies and changes nothing with this choice."""
        asked = {key for key in choice if idle.causes(key)}
        plan = self._plan(choice, found)[0] if asked else None
        return {key for key in asked if plan and idle.why(plan, key)}

    def _useless(self, used: set[Said]) -> Iterator[Problem]:
        """Settings that no run has a use for."""
        kinds: dict[tuple[int, str], dict[str, None]] = {}
        for _, found in self._choices:
            for key, number in found.left_over.items():
                if (self._layers[number].where, key) not in used:
                    kinds.setdefault((number, key), {})[found.kind(key.partition(".")[0])] = None
        for (number, key), without in kinds.items():
            sentence = complaints.without(key, list(without))
            yield number, ProfileError(self._layers[number].where, key, sentence)
        for choice, found in self._choices:
            plan, _ = self._planned(choice, found)
            for key, number in found.layer_of.items() if plan else ():
                # What an earlier layer said, a later one may have made idle: that was asked for.
                later = any(found.layer_of.get(cause, -1) > number for cause in idle.causes(key))
                if plan and not later and (self._layers[number].where, key) not in used:
                    yield number, ProfileError(self._layers[number].where, key, idle.why(plan, key))

    def _invalid(self, choice: Table, found: Settled) -> list[Problem]:
        """What is wrong with a choice that is no plan."""
        _, wrong = self._planned(choice, found)
        return [self._blamed(choice, found, *each) for each in wrong]

    def _planned(self, choice: Table, found: Settled) -> tuple[Plan | None, list[tuple[str, str]]]:
        """The plan of a choice, or what is wrong with it; made once."""
        if id(found) not in self._made:
            self._made[id(found)] = self._plan(choice, found)
        return self._made[id(found)]

    def _plan(self, choice: Table, found: Settled) -> tuple[Plan | None, list[tuple[str, str]]]:
        words = [_label(key, value, self._varied[key].values) for key, value in choice.items()]
        name = "-".join([self._profile.name, *words])[:LONGEST_NAME]
        return _validated(found.table | {"name": name, "profile": self._profile.name})

    def _blamed(self, choice: Table, found: Settled, key: str, sentence: str) -> Problem:
        """The first layer that brings the problem about is to blame, though the key may be in an earlier one."""
        said = found.layer_of.get(key)
        number = next(
            (n for n in range(said or 0, len(self._layers)) if self._wrong_by(n, choice, key)),
            len(self._layers) - 1,
        )
        if said is not None and said != number:
            sentence += f" ({key} is from {self._layers[said].where})"
        return number, ProfileError(self._layers[number].where, key, sentence)

    def _wrong_by(self, number: int, choice: Table, key: str) -> bool:
        """Whether the layers up to that one have a problem with a key."""
        own = {k: v for k, v in choice.items() if self._varied[k].layer <= number}
        found = settling.settled(self._layers[: number + 1], self._varied, own)
        _, wrong = self._plan(own, found)
        return key in dict(wrong)

    def _seeds_of(self) -> list[int]:
        said = [
            (n, each.fixed["seeds"]) for n, each in enumerate(self._layers) if "seeds" in each.fixed
        ]
        number, seeds = said[-1] if said else (0, [0])
        wrong = _wrong_seeds(seeds)
        if wrong:
            self._problems.append(
                (number, ProfileError(self._layers[number].where, "seeds", wrong))
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
    """The plan, or each key that is wrong with a sentence."""
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
    """The table with the kind of each section that leaves it out, and with `backward` if nobody chose it."""
    found = {**table}
    for section, (tag, _) in KINDS.items():
        inner = found.get(section, {})
        found[section] = {tag: settling.default_kind(section), **inner}
    plain = found["scheme"]["name"] == "residual"
    return {"backward": "stored" if plain else "reversible", **found}


def _refuse(problems: Iterable[Problem]) -> None:
    """Raise the problem of the latest layer, with the keys of all others; nothing if there is none."""
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
    """What is wrong with seeds, if anything is."""
    if type(seeds) is int and seeds > 0:
        several = ",".join(str(n) for n in range(seeds)) if seeds <= MOST_SPELLED else "0,1,2,…"
        return f"{shown(seeds)} may be a seed or how many; write seed={shown(seeds)} or seeds=[{several}]"
    numbers = [seeds] if type(seeds) is int else seeds
    if not isinstance(numbers, list) or not numbers:
        return f"should be a list of whole numbers from 0, not {shown(seeds)}"
    if len(numbers) > MOST_RUNS:
        return f"this makes {len(numbers)} runs; the limit is {MOST_RUNS}"
    if not all(type(n) is int and n >= 0 for n in numbers):
        return f"should be a list of whole numbers from 0, not {shown(seeds)}"
    if max(numbers) > LARGEST_SEED:
        return f"the largest seed is {LARGEST_SEED}"
    again = layer.repeated(numbers)
    return f"has {again} twice in its list; leave one out" if again else ""


def _label(key: str, value: Any, among: Sequence[Any]) -> str:
    """A short mark of one varied value in the name of a run."""
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
