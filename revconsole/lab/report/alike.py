"""Alike: what some runs have in common; the only way from a run to a sentence about all of them.

A value that not all runs share is never stated for all: `same`, `setting` and `fact` give None, `told` names the runs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.wording import listed
from revconsole.records.datasets import sources
from revconsole.records.logs.events import Scalar
from revconsole.records.runs.run import Run
from revconsole.records.settings import idle
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.typing_again import flat_settings

T = TypeVar("T")
WITHOUT_BLOCKS = frozenset({"cnn", "mlp", "svm"})
"""Architectures without residual blocks, which no scheme can wire."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Some runs of a report, in its order. arms: all arms of the report, to name the arms that a value belongs to."""

    runs: tuple[Run, ...]
    arms: tuple[ArmResult, ...]

    @classmethod
    def of(cls, results: Results) -> "Alike":
        """All runs of a report."""
        return cls(results.runs, results.arms)

    def __bool__(self) -> bool:
        return bool(self.runs)

    def every(self, key: str) -> bool:
        """Whether a setting, or a whole section, has a meaning in all runs."""
        return all(applies(run.plan, key) for run in self.runs)

    def only(self, wanted: Callable[[Run], bool]) -> "Alike":
        """The runs for which `wanted` is true."""
        return Alike(tuple(run for run in self.runs if wanted(run)), self.arms)

    def of_arm(self, arm: ArmResult) -> "Alike":
        """The runs of one arm."""
        return Alike(arm.runs, self.arms)

    def same(self, of: Callable[[Run], T | None]) -> T | None:
        """The value that all runs have; None if they differ or have none."""
        groups = self.each(of)
        return groups[0][0] if len(groups) == 1 else None

    def setting(self, key: str) -> Any:
        """The value of a setting that has a meaning in every run and is the same in all; else None."""
        return self.same(lambda run: applied(run.plan).get(key))

    def fact(self, key: str) -> Scalar:
        """The value of a fact that all runs recorded; None if they differ."""

        def recorded(run: Run) -> Scalar:
            return run.facts.get(key)

        fact: Any = self.same(recorded)
        return cast("Scalar", fact)

    def shared(self, section: str) -> dict[str, Any]:
        """The settings of a section that have a meaning in every run and are the same in all, by name within the section."""
        prefix = f"{section}."
        return {
            key.removeprefix(prefix): value
            for key, value in self.settings().items()
            if key.startswith(prefix) and value is not None
        }

    def settings(self) -> dict[str, Any]:
        """Every setting that has a meaning and is the same in all runs, by dotted key; unset ones are None."""
        if not self.runs:
            return {}
        first, *others = (applied(run.plan) for run in self.runs)
        return {
            key: value
            for key, value in first.items()
            if all(key in other and repr(other[key]) == repr(value) for other in others)
        }

    def each(self, of: Callable[[Run], T | None]) -> list[tuple[T | None, "Alike"]]:
        """Every value with the runs that have it, in order."""
        values: dict[str, T | None] = {}
        runs: dict[str, list[Run]] = {}
        for run in self.runs:
            value = of(run)
            values.setdefault(repr(value), value)
            runs.setdefault(repr(value), []).append(run)
        return [(values[key], Alike(tuple(runs[key]), self.arms)) for key in values]

    def told(self, of: Callable[[Run], str]) -> str:
        """Words about the runs: once if they are the same for all, else each with the arms it is about."""
        groups = [(words or "not recorded", group) for words, group in self.each(of)]
        if len(groups) == 1:
            return groups[0][0]
        return "; ".join(f"{words} ({group.whose})" for words, group in groups)

    @property
    def whose(self) -> str:
        """The arms of these runs; with seeds, if an arm has other runs as well."""
        return listed(list(self._whose()))

    def _whose(self) -> Iterator[str]:
        here = {run.id for run in self.runs}
        for arm in self.arms:
            seeds = [str(run.plan.seed) for run in arm.runs if run.id in here]
            if len(seeds) == len(arm.runs):
                yield arm.name
            elif seeds:
                yield f"{arm.name}, seed{'' if len(seeds) == 1 else 's'} {listed(seeds)}"


def applied(plan: Plan) -> dict[str, Any]:
    """The settings of a run by dotted key, without those that have no meaning beside the others."""
    without = idle_settings(plan)
    sections = tuple(f"{key}." for key in without)
    return {
        key: value
        for key, value in flat_settings(plan).items()
        if key not in without and not key.startswith(sections)
    }


def applies(plan: Plan, key: str) -> bool:
    """Whether a setting, or a whole section, has a meaning in a run."""
    return not any(key == each or key.startswith(f"{each}.") for each in idle_settings(plan))


def idle_settings(plan: Plan) -> list[str]:
    """Keys and sections without a meaning beside the plan's other settings; what another program was given all has one."""
    if isinstance(plan, GivenPlan):
        return []
    model, dataset = plan.model, plan.data.dataset
    conditions: Mapping[tuple[str, ...], bool] = {
        ("train", "optimizer", "schedule", "objective"): plan.fitted,
        ("scheme", "backward"): model.architecture in WITHOUT_BLOCKS,
        ("model.landmarks",): getattr(model, "attention", "") != "softmax_free",
        ("data.source", "data.views"): dataset != sources.PATCHES,
        ("data.folder",): dataset != sources.FOLDER,
    }
    meaningless = [key for keys, holds in conditions.items() if holds for key in keys]
    return meaningless + [key for key in idle.NEEDS if idle.why(plan, key)]
