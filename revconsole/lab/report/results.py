"""Results: the finished runs of a study, or of some chosen runs, arm by arm."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from revconsole.errors import WrongState
from revconsole.lab.compare import arm_name, compare
from revconsole.lab.report import wording
from revconsole.lab.report.copies import originals
from revconsole.lab.report.search_results import SearchResults
from revconsole.lab.study import PlannedStudy, Standing
from revconsole.records.runs.run import Run
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import distinct, word

Read = Callable[[str], Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """The finished runs of an arm, ascending by seed. planned: how many there should be."""

    name: str
    runs: tuple[Run, ...]
    planned: int
    swept: float | None = None
    reported: float | None = None
    """The test accuracy in percent that others published for it."""
    names: tuple[str, ...] = ()
    """The names of its runs, if the runs differ in their names only."""
    group: str = ""
    """The dataset, or the study, under which a table lists it; empty where there is one group."""
    short: str = ""
    """Its name within its group; empty if that is its name."""
    against: str | None = None
    """The name of the arm that it is compared with, its own for a baseline; empty for none; None for the report's baseline."""
    replaced: tuple[str, ...] = ()
    """Names of older runs with the settings and seed of a newer one, which are not counted."""

    @property
    def quick(self) -> bool:
        """Whether the runs are of the study's quick form."""
        return any(run.plan.quick for run in self.runs)

    @property
    def originals(self) -> tuple[Run, ...]:
        """The runs without copies; runs whose seed decides nothing are one result."""
        kept = {summary.id for summary in originals(tuple(run.summary for run in self.runs))}
        return tuple(run for run in self.runs if run.id in kept)

    @property
    def copied(self) -> bool:
        """Whether some runs are copies of others."""
        return len(self.originals) < len(self.runs)

    def by_seed(self, metric: str) -> dict[int, float]:
        """The last value of a metric for each seed that has one, without copies."""
        series = {run.plan.seed: run.series.get(metric) for run in self.originals}
        return {seed: s.last for seed, s in series.items() if s is not None and s.last is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The runs of a report. It contains arms with a finished run only; `missing` names the others."""

    name: str
    title: str
    arms: tuple[ArmResult, ...]
    baseline: str
    quick: bool = False
    swept: str = ""
    """The key that the study varies, for the horizontal axis; empty if it varies none."""
    ladder: bool = False
    """Whether each arm keeps the settings of those above it and changes one thing."""
    source: str = ""
    expected: str = ""
    missing: tuple[str, ...] = ()
    unlabelled: Mapping[str, str] = field(default_factory=dict)
    """Arms that train without labels and so have no test accuracy, each with its objective."""
    search: SearchResults | None = None
    """What the search found whose best trial is the only arm; None for any other report."""
    unfinished: tuple[str, ...] = ()
    """Runs asked for that have not finished, each with its state."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of all arms."""
        return tuple(run for arm in self.arms for run in arm.runs)

    @property
    def baseline_missing(self) -> bool:
        """Whether the requested baseline has no finished run."""
        return all(arm.name != self.baseline for arm in self.arms)

    @property
    def reference(self) -> ArmResult:
        """The arm to which differences are computed."""
        return next((arm for arm in self.arms if arm.name == self.baseline), self.arms[0])

    def baseline_of(self, arm: ArmResult) -> ArmResult | None:
        """The arm that an arm is compared with: itself, if it is a baseline; None if its group has none."""
        if arm.against is None:
            return self.reference
        return next((each for each in self.arms if each.name == arm.against), None)

    @property
    def baseline_word(self) -> str:
        """What the baselines are called: by their common name, or the baseline."""
        baselines = [self.baseline_of(arm) for arm in self.arms]
        names = {arm.short or arm.name for arm in baselines if arm is not None}
        return names.pop() if len(names) == 1 else "the baseline"


def of_study(
    planned: PlannedStudy, standing: Sequence[Standing], read: Read, others: Sequence[str] = ()
) -> Results:
    """The finished runs of a study. others: sentences on those with other settings. Raises RevconsoleError if none has labels."""
    unlabelled = {plan.arm or plan.name: plan for plan in planned.plans if _unlabelled(plan)}
    _refuse_all(unlabelled.values(), of=planned.plans)
    classifying = [each for each in standing if not _unlabelled(each.plan)]
    arms_asked = [arm for arm in planned.arms if not _unlabelled(arm.plans[0])]
    done: dict[str, list[Run]] = {arm.name: [] for arm in arms_asked}
    for each in classifying:
        if each.progress == "done" and each.summary is not None:
            done[each.plan.arm].append(_labelled(read(each.summary.id), each.plan))
    facts, reported = planned.study.facts, planned.study.reported
    arms = [
        replace(
            _arm(a.name, done[a.name], planned=len(a.plans), swept=a.swept),
            reported=reported.get(a.name),
        )
        for a in arms_asked
    ]
    present = [arm for arm in arms if arm.runs]
    if not present:
        elsewhere = "; ".join([" with these settings", *others]) if others else ""
        which = "no run with labels" if unlabelled else "no run"
        raise WrongState(
            f"{which} of the study {planned.study.name} has finished{elsewhere}; `revconsole study run` trains it"
        )
    return Results(
        name=planned.study.name,
        title=facts.title,
        arms=tuple(present),
        baseline=planned.study.baseline(planned.arms).name,
        quick=planned.quick,
        swept=facts.swept,
        ladder=facts.ladder and len(present) == len(arms),
        source=facts.source,
        expected=facts.expected,
        missing=tuple(arm.name for arm in arms if not arm.runs),
        unfinished=tuple(
            f"{each.plan.arm}, seed {each.plan.seed} ({each.summary.state if each.summary else each.progress})"
            for each in classifying
            if each.progress != "done"
        ),
        unlabelled={name: plan.objective.name for name, plan in unlabelled.items()},
    )


def of_runs(runs: Sequence[Run]) -> Results:
    """Some runs as arms, which differ in more than the seed; the first is the baseline. Raises RevconsoleError as `of_study`."""
    unlabelled = [run for run in runs if _unlabelled(run.plan)]
    _refuse_all([run.plan for run in unlabelled], of=[run.plan for run in runs])
    runs = [run for run in runs if not _unlabelled(run.plan)]
    every: dict[str, list[Run]] = {}
    for run in runs:
        every.setdefault(run.plan.model_copy(update={"seed": 0}).digest(), []).append(run)
    finished = (
        [run for run in group if run.summary.state == "finished"] for group in every.values()
    )
    groups = {key: group for key, group in zip(every, finished, strict=True) if group}
    if not groups:
        raise WrongState("none of these runs has finished; a report is made of finished runs")
    names = _names([group[0] for group in groups.values()])
    arms = [
        _arm(name, group, planned=len({run.plan.seed for run in every[key]}))
        for name, (key, group) in zip(names, groups.items(), strict=True)
    ]
    return Results(
        name="report",
        title=wording.row(names),
        arms=tuple(arms),
        baseline=names[0],
        quick=all(arm.quick for arm in arms),
        unfinished=tuple(
            f"{run.summary.name} ({run.summary.state})"
            for run in runs
            if run.summary.state != "finished"
        ),
        unlabelled={arm_name(run.summary): run.plan.objective.name for run in unlabelled},
    )


def of_search(name: str, title: str, found: SearchResults, runs: Sequence[Run]) -> Results:
    """The best of a search as the only arm. runs: the finished ones of the best, with its own seed or others."""
    arm = f"best, trial {found.best}"
    quick = any(run.plan.quick for run in runs)
    return Results(
        name=name,
        title=title,
        arms=(_arm(arm, runs, planned=len(runs)),),
        baseline=arm,
        quick=quick,
        search=found,
    )


def _unlabelled(plan: Plan) -> bool:
    """Whether the arm's runs have no test accuracy, because they train without labels."""
    return plan.objective.name != "classification"


def _refuse_all(unlabelled: Collection[Plan], *, of: Collection[Plan]) -> None:
    """Raise RevconsoleError if no run trains with labels."""
    plan = next(iter(unlabelled), None)
    if plan is not None and all(map(_unlabelled, of)):
        raise WrongState(
            f"a report compares test accuracies, and {plan.name} learns by {plan.objective.name}, without labels; "
            f"train runs with model.pretrained=run:{plan.name} and report those, or use `revconsole compare`"
        )


def _labelled(run: Run, plan: Plan) -> Run:
    """The run with the study's arm name, which it lacks if it was launched otherwise; plans are matched by digest, without names."""
    marks = {"study": plan.study, "arm": plan.arm, "quick": plan.quick}
    asked = run.plan.model_copy(update=marks)
    return replace(run, summary=replace(run.summary, plan=asked))


def _arm(name: str, runs: Sequence[Run], *, planned: int, swept: float | None = None) -> ArmResult:
    """An arm of runs that differ only in their seed or name."""
    kept = _in_order(runs)
    names = dict.fromkeys(arm_name(run.summary) for run in runs)
    return ArmResult(
        name=name,
        runs=kept,
        planned=planned,
        swept=swept,
        names=tuple(names) if len(names) > 1 else (),
        replaced=tuple(run.id for run in runs if run not in kept),
    )


def _in_order(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs ascending by seed; of two runs with one seed the newer."""
    newest: Mapping[int, Run] = {
        run.plan.seed: run for run in sorted(runs, key=lambda r: r.summary.created)
    }
    return tuple(newest[seed] for seed in sorted(newest))


def _names(firsts: Sequence[Run]) -> list[str]:
    """A name for each arm, from its first run; arms with equal names get the settings that distinguish them."""
    named = [(arm_name(run.summary), run.summary) for run in firsts]
    telling: dict[str, Mapping[str, object]] = {}
    for name in {name for name, _ in named}:
        rows = compare([summary for called, summary in named if called == name]).rows
        telling |= {row.summary.id: row.settings for row in rows}
    words = [(name, *(word(k, v) for k, v in telling[s.id].items())) for name, s in named]
    return distinct([", ".join(each) for each in words])
