"""Compare: several runs as one table, the settings that differ first.

Differences are to the first run, the baseline. An accuracy from one seed is one number, and the table says how
many seeds stand behind each row.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revconsole.lab import format as form
from revconsole.lab.report.copies import originals
from revconsole.lab.report.statistics import spread
from revconsole.records.runs.run import Summary
from revconsole.records.sections import KINDS
from revconsole.records.settings import growth
from revconsole.records.settings.plan import LABELS, Plan
from revconsole.records.settings.words import spelled

MOST_NAMED = 3
NOT_SETTINGS = LABELS | {"seed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One run among others. `settings` holds only the keys in which the compared runs differ."""

    summary: Summary
    settings: Mapping[str, Any]
    test_accuracy_gain: float | None
    """Test accuracy minus that of the baseline's arm with the same seed, as a fraction; None within that arm, where no
    run of the seed is there, and while unknown."""
    kept_ratio: float | None
    """Bytes kept for backward relative to the baseline's."""
    seconds_ratio: float | None
    """Wall clock relative to the baseline's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Rows in the order asked for; the first is the baseline."""

    rows: tuple[ComparedRun, ...]
    differing: tuple[str, ...]
    warnings: tuple[str, ...]
    """What makes the runs hard to compare: other images, other seeds, unfinished runs."""
    means: tuple[str, ...] = ()
    """Of runs that differ in their seed alone: the mean of the test accuracy, its deviation, and what it gains."""


def compare(summaries: Sequence[Summary]) -> Comparison:
    """Put runs beside each other; the first is the baseline."""
    flats = [flat_settings(s.plan) for s in summaries]
    alike = [
        [s for s, other in zip(summaries, flats, strict=True) if other == flat] for flat in flats
    ]
    for section, (tag, _) in KINDS.items():
        if len({flat[f"{section}.{tag}"] for flat in flats}) > 1:
            flats = [
                _joined(flat, s.plan, section, tag)
                for flat, s in zip(flats, summaries, strict=True)
            ]
    keys = dict.fromkeys(key for flat in flats for key in flat)
    differing = tuple(k for k in keys if len({repr(flat.get(k)) for flat in flats}) > 1)
    baseline = summaries[0]
    rows = tuple(
        ComparedRun(
            summary=s,
            settings={k: flat[k] for k in differing if k in flat},
            test_accuracy_gain=_gain(s, _counterpart(s, baseline, alike[0], others)),
            kept_ratio=_ratio(s.kept_for_backward_bytes, baseline.kept_for_backward_bytes),
            seconds_ratio=_ratio(s.seconds, baseline.seconds),
        )
        for s, flat, others in zip(summaries, flats, alike, strict=True)
    )
    return Comparison(
        rows=rows,
        differing=differing,
        warnings=tuple(_warnings(summaries)),
        means=tuple(_means(alike)),
    )


def arm_name(summary: Summary) -> str:
    """What a run and those that differ from it in their seed alone are called."""
    return summary.plan.arm or re.sub(rf"-s{summary.plan.seed}$", "", summary.name)


def _counterpart(
    run: Summary, baseline: Summary, reference: Sequence[Summary], alike: Sequence[Summary]
) -> Summary | None:
    """The run of the baseline's arm that a run is measured against, None if there is none.

    reference: the arm of the baseline, alike: that of the run. It is the one of the same seed, as another seed is
    another draw; where both arms have a single run, whatever seed that has.
    """
    if baseline in alike:
        return baseline if run.plan.seed == baseline.plan.seed and run is not baseline else None
    same = [s for s in reference if s.plan.seed == run.plan.seed]
    if same:
        return baseline if baseline in same else same[0]
    return baseline if len(reference) == len(alike) == 1 else None


def _gain(run: Summary, counterpart: Summary | None) -> float | None:
    here, there = run.test_accuracy, counterpart.test_accuracy if counterpart else None
    return None if here is None or there is None else here - there


def _means(groups: Sequence[Sequence[Summary]]) -> Iterator[str]:
    """A sentence for each group of several seeds, as far as they were tested; the first has the baseline."""
    reference = _tested(groups[0])
    for alike in {id(group[0]): group for group in groups}.values():
        tested = _tested(alike)
        different = originals(list(tested.values()))
        found = spread([s.test_accuracy for s in different if s.test_accuracy is not None])
        if len(tested) > 1 and found is not None:
            seeds = ", ".join(map(str, sorted(tested)))
            copies = "" if len(different) > 1 else ", which gave the very same weights"
            mean = form.mean(found.mean, found.deviation)
            gain = _mean_gain(tested, reference)
            more = "" if gain is None else f", {form.points(gain)} to {arm_name(groups[0][0])}"
            yield f"test accuracy of {arm_name(alike[0])} over seeds {seeds}{copies}: {mean}{more}"


def _tested(alike: Sequence[Summary]) -> dict[int, Summary]:
    return {s.plan.seed: s for s in alike if s.test_accuracy is not None}


def _mean_gain(tested: Mapping[int, Summary], reference: Mapping[int, Summary]) -> float | None:
    """The mean of the differences seed by seed; None within one arm, and where the seeds are others."""
    if tested == reference or tested.keys() != reference.keys():
        return None
    gains = [_gain(run, reference[seed]) for seed, run in tested.items()]
    known = [gain for gain in gains if gain is not None]
    return sum(known) / len(known)


def flat_settings(plan: Plan) -> dict[str, Any]:
    """Every setting of a run by its dotted key, as it would be written on the command line."""
    flat: dict[str, Any] = {}
    for key, value in plan.model_dump().items():
        if key in NOT_SETTINGS:
            continue
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": v for inner, v in value.items()}
        else:
            flat[key] = value
    return flat


def _joined(flat: dict[str, Any], plan: Plan, section: str, tag: str) -> dict[str, Any]:
    """The settings with those of one section as one: kinds that differ have few keys in common."""
    inner = getattr(plan, section)
    chosen = inner.model_dump(exclude_defaults=True, exclude={tag})
    words = [str(getattr(inner, tag)), *(f"{k}={spelled(v)}" for k, v in chosen.items())]
    rest = {k: v for k, v in flat.items() if not k.startswith(f"{section}.")}
    return {section: " ".join(words), **rest}


def _warnings(summaries: Sequence[Summary]) -> list[str]:
    found = []
    prints = {s.fingerprint for s in summaries if s.fingerprint}
    if len(prints) > 1:
        short = ", ".join(sorted(p[:12] for p in prints))
        found.append(f"these runs did not train on the same images and split: fingerprints {short}")
    if any(not s.ended for s in summaries):
        found.append("some runs are not finished: their figures will change")
    found += _early_ends(summaries)
    if len({s.plan.epochs for s in summaries}) > 1:
        found.append("the runs have different numbers of epochs")
    found += [
        f"the gradients of {s.name} were off by up to {s.gradient_error:.1%} of their size: what it learnt is not what "
        "its scheme learns"
        for s in summaries
        if growth.wrong(s.plan, s.gradient_error)
    ]
    seeds = {s.plan.seed for s in summaries}
    if len(summaries) > 1 and len(seeds) == 1:
        found.append(f"one seed each ({min(seeds)}): a difference may be chance; add seeds=[0,1,2]")
    return found


def _early_ends(summaries: Sequence[Summary]) -> Iterator[str]:
    """What became of runs that did not finish, and what their figures are of."""
    ends: dict[str, list[str]] = {}
    for s in summaries:
        if s.ended and s.state not in {"finished", "damaged"}:
            ends.setdefault(f"{s.state} {_got(s)}", []).append(s.name)
    for what, names in ends.items():
        rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"{', '.join(names[:MOST_NAMED])}{rest}: {what}"


def _got(s: Summary) -> str:
    if not s.step:
        return "before the first step, without a result"
    where = f"after epoch {s.epoch} of {s.plan.epochs}" if s.epoch else "within the first epoch"
    return f"{where}, with the figures of a shorter training"


def _ratio(value: float | None, baseline: float | None) -> float | None:
    return value / baseline if value is not None and baseline else None
