"""Alike: what some runs have in common. There is no other way from a run to a sentence about all of them.

Whoever writes asks all runs at once: for a value that they share (`same`, `setting`, `fact`), or for every value with
the runs that have it (`told`). A sentence that says one run's value of all cannot be written with these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from revconsole.lab.compare import flat_settings
from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.wording import listed
from revconsole.records.datasets import sources
from revconsole.records.logs.events import Scalar
from revconsole.records.runs.run import Run
from revconsole.records.settings.plan import Plan

T = TypeVar("T")
WITHOUT_BLOCKS = frozenset({"cnn", "mlp", "svm"})
"""Architectures that no scheme can wire: they have no residual blocks."""
OF_PATCHES = ("source", "source_size", "patch_side", "gap", "jitter", "cut_seed", "views")
OF_FOLDERS = ("folder", "on_bad_image")


@dataclass(frozen=True, slots=True)
class Alike:
    """Some runs of a report, in its order. arms: all that there are, to say whose a value is."""

    runs: tuple[Run, ...]
    arms: tuple[ArmResult, ...]

    @classmethod
    def of(cls, results: Results) -> "Alike":
        """All runs of a report."""
        return cls(results.runs, results.arms)

    def __bool__(self) -> bool:
        return bool(self.runs)

    def every(self, key: str) -> bool:
        """Whether a setting, or a whole section, means something in all of them."""
        return all(applies(run.plan, key) for run in self.runs)

    def only(self, wanted: Callable[[Run], bool]) -> "Alike":
        """The runs of which `wanted` is true."""
        return Alike(tuple(run for run in self.runs if wanted(run)), self.arms)

    def of_arm(self, arm: ArmResult) -> "Alike":
        """The runs of one arm."""
        return Alike(arm.runs, self.arms)

    def same(self, of: Callable[[Run], T | None]) -> T | None:
        """What all have; None where they differ, or have nothing."""
        groups = self.each(of)
        return groups[0][0] if len(groups) == 1 else None

    def setting(self, key: str) -> Any:
        """The value of a setting that means something in every run and is the same in all; else None."""
        return self.same(lambda run: applied(run.plan).get(key))

    def fact(self, key: str) -> Scalar:
        """What all runs recorded alike; else None."""

        def recorded(run: Run) -> Scalar:
            return run.facts.get(key)

        found: Any = self.same(recorded)
        return cast("Scalar", found)

    def shared(self, section: str) -> dict[str, Any]:
        """The settings of a section, by their names in it, that mean something in every run and are the same in all."""
        keys = dict.fromkeys(key for run in self.runs for key in applied(run.plan))
        wanted = [key for key in keys if key.startswith(f"{section}.")]
        found = {key.partition(".")[2]: self.setting(key) for key in wanted}
        return {name: value for name, value in found.items() if value is not None}

    def settings(self) -> dict[str, Any]:
        """Every setting that means something and is the same in all, by dotted key; unset ones are None."""
        plans = [applied(run.plan) for run in self.runs]
        return {
            key: value
            for key, value in plans[0].items()
            if all(key in plan and repr(plan[key]) == repr(value) for plan in plans)
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
        """Words about each run: once where they are the same of all, else with whose they are."""
        groups = [(words or "not recorded", group) for words, group in self.each(of)]
        if len(groups) == 1:
            return groups[0][0]
        return "; ".join(f"{words} ({group.whose})" for words, group in groups)

    @property
    def whose(self) -> str:
        """The arms that the runs are of; with seeds, where an arm has other runs as well."""
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
    """The settings of a run, by dotted key, without those that mean nothing beside the others."""
    flat = flat_settings(plan)
    idle = idle_settings(plan)
    return {key: value for key, value in flat.items() if not _idle(key, idle)}


def applies(plan: Plan, key: str) -> bool:
    """Whether a setting, or a whole section, means something in a run."""
    return not _idle(key, idle_settings(plan))


def _idle(key: str, idle: Sequence[str]) -> bool:
    return any(key == each or key.startswith(f"{each}.") for each in idle)


def idle_settings(plan: Plan) -> list[str]:
    """Keys and sections without a meaning beside the plan's other settings."""
    model, data, train = plan.model, plan.data, plan.train
    conditions: Mapping[tuple[str, ...], bool] = {
        ("train", "optimizer", "schedule", "objective"): plan.fitted,
        ("scheme", "backward"): model.architecture in WITHOUT_BLOCKS,
        ("train.epochs",): train.steps is not None,
        ("train.budget_mib",): plan.backward != "auto",
        ("schedule.warmup_epochs",): getattr(plan.schedule, "warmup_steps", None) is not None,
        ("model.landmarks",): getattr(model, "attention", "") != "softmax_free",
        ("model.mlp_ratio",): getattr(model, "mlp_width", None) is not None,
        ("model.gamma",): getattr(model, "kernel", "") == "linear",
        ("model.degree",): getattr(model, "kernel", "") != "poly",
        ("data.crop_padding",): data.augment == "none",
        ("data.crop_most", "data.crop_ratio"): data.random_resized_crop is None,
        ("data.zca_eps",): data.standardise != "zca",
        tuple(f"data.{name}" for name in OF_PATCHES): data.dataset != sources.PATCHES,
        tuple(f"data.{name}" for name in OF_FOLDERS): data.dataset != sources.FOLDER,
    }
    return [key for keys, idle in conditions.items() if idle for key in keys]
