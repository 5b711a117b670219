"""Groups: runs that differ in nothing but their seed, as one row with mean and deviation."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean

from revconsole.lab.compare import arm_name
from revconsole.lab.listing.fields import RunField
from revconsole.lab.report.copies import originals
from revconsole.lab.report.statistics import MeanSpread, spread
from revconsole.records.runs.run import Summary
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan

SECTIONS = ("scheme", "model", "data", "optimizer", "schedule", "objective", "train")
MOST_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that differ in nothing but their seed, by seed."""

    members: tuple[Summary, ...]

    @property
    def first(self) -> Summary:
        """The run that stands for what all of them share."""
        return self.members[0]

    @property
    def name(self) -> str:
        """The name that the runs share."""
        return arm_name(self.first)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, each once, ascending."""
        return tuple(sorted({run.plan.seed for run in self.members}))

    def spread(self, field: RunField) -> MeanSpread | None:
        """Mean and deviation of a number over the runs that have one; runs with the same weights count once."""
        values = (field.value(run) for run in originals(self.members))
        return spread([float(v) for v in values if isinstance(v, int | float)])

    def loss_curve(self) -> tuple[float, ...]:
        """The mean of the members' loss curves, those with as many points as the longest."""
        curves = [run.loss_curve for run in self.members]
        most = max(map(len, curves))
        longest = [curve for curve in curves if len(curve) == most]
        return tuple(fmean(values) for values in zip(*longest, strict=True))


def curves(runs: Sequence[Summary]) -> int:
    """How many curves a comparison draws of these runs: one for those that differ only in their seed."""
    groups = Grouping().groups(runs)
    return sum(1 if len(g.seeds) == len(g.members) else len(g.members) for g in groups)


class Grouping:
    """Puts runs into groups; it remembers sections by identity, because thousands of runs share a few."""

    def __init__(self) -> None:
        self._keys: dict[int, tuple[object, str]] = {}

    def groups(self, runs: Sequence[Summary]) -> tuple[RunGroup, ...]:
        """The groups of runs, in the order of their first run."""
        if len(self._keys) > MOST_REMEMBERED:
            self._keys.clear()
        members: dict[Hashable, list[Summary]] = {}
        for run in runs:
            members.setdefault(self._key(run), []).append(run)
        return tuple(
            RunGroup(tuple(sorted(group, key=lambda run: (run.plan.seed, run.created))))
            for group in members.values()
        )

    def _key(self, run: Summary) -> Hashable:
        if run.state == "damaged":  # nothing says that it is like another
            return run.id
        plan: Plan = run.plan
        if isinstance(plan, GivenPlan):  # what says nothing of itself is like no other
            return plan.model_copy(update={"seed": 0}).digest() if plan.given else run.id
        return (plan.backward, *(self._section(getattr(plan, name)) for name in SECTIONS))

    def _section(self, section: object) -> str:
        known = self._keys.get(id(section))
        if known is None or known[0] is not section:
            known = self._keys[id(section)] = (section, repr(section))
        return known[1]
