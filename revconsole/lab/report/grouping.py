"""Grouping: arms of several datasets, or of several studies, in groups with a baseline each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from revconsole.lab.report.results import ArmResult, Results
from revconsole.records.settings.typing_again import flat_settings

NOT_SAID = "dataset not recorded"


def by_dataset(results: Results) -> Results:
    """The results with their arms grouped by dataset, if there are several.

    The baseline of a group is the arm that has the settings of the report's baseline but for those of the data; a group
    without one has no differences.
    """
    datasets = dict.fromkeys(dataset_of(arm) for arm in results.arms)
    if len(datasets) < 2:
        return results
    wanted = _but_for_data(results.reference)
    baselines = {dataset_of(a): a.name for a in results.arms if _but_for_data(a) == wanted}
    baselines[dataset_of(results.reference)] = results.reference.name
    arms = [
        replace(arm, group=d, short=_without(arm.name, d), against=baselines.get(d, ""))
        for d in datasets
        for arm in results.arms
        if dataset_of(arm) == d
    ]
    return replace(results, arms=tuple(arms), swept="", ladder=False)


def together(studies: Sequence[Results]) -> Results:
    """Several studies as one report: a group for each dataset if every study has its own, else for each study."""
    datasets = [sorted({dataset_of(arm) for arm in study.arms}) for study in studies]
    own = len({word for words in datasets for word in words}) == sum(map(len, datasets))
    arms = [arm for study in studies for arm in _placed(study, "" if own else study.name)]
    many = Counter(arm.name for arm in arms)
    apart = [
        replace(a, name=f"{a.name} ({a.group})", short=a.short or a.name) if many[a.name] > 1 else a
        for a in arms
    ]
    named = {(old.group, old.name): new.name for old, new in zip(arms, apart, strict=True)}
    tied = [
        replace(new, against=named.get((old.group, old.against or ""), ""))
        for old, new in zip(arms, apart, strict=True)
    ]
    return Results(
        name="-".join(study.name for study in studies)[:80],
        title=f"{len(studies)} studies: {'; '.join(s.title for s in studies)}",
        arms=tuple(tied),
        baseline=next(arm.name for arm in tied if arm.against == arm.name),
        quick=all(study.quick for study in studies),
        source=" ".join(dict.fromkeys(study.source for study in studies if study.source)),
        missing=tuple(name for study in studies for name in study.missing),
        unlabelled={name: why for study in studies for name, why in study.unlabelled.items()},
        unfinished=tuple(words for study in studies for words in study.unfinished),
    )


def dataset_of(arm: ArmResult) -> str:
    """The dataset that the runs of an arm trained on, as far as another program's run says it."""
    summary = arm.runs[0].summary
    if summary.plan_known:
        return summary.plan.data.dataset
    return str(summary.given.get("dataset", summary.given.get("data.dataset", NOT_SAID)))


def _placed(study: Results, name: str) -> list[ArmResult]:
    """The arms of a study in groups that tell them from those of other studies. name: of the study, if datasets do not."""
    grouped = by_dataset(study)
    reference = study.reference.name
    return [
        replace(
            arm,
            group=": ".join(filter(None, (name, arm.group or ("" if name else dataset_of(arm))))),
            against=arm.against if arm.group else reference,
        )
        for arm in grouped.arms
    ]


def _but_for_data(arm: ArmResult) -> dict[str, Any]:
    summary = arm.runs[0].summary
    settings = flat_settings(summary.plan) if summary.plan_known else summary.given
    return {k: v for k, v in settings.items() if k != "dataset" and not k.startswith("data.")}


def _without(name: str, dataset: str) -> str:
    """The name of an arm without the word for its dataset; the name itself if nothing else is left."""
    words = [word for word in name.split(", ") if word != dataset]
    return ", ".join(words) or name
