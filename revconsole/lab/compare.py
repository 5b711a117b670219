"""Compare: several runs as one table, the settings that differ first. Differences are to the first run, the baseline."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from revconsole.lab import format as form
from revconsole.lab import matched, trade_offs
from revconsole.lab.listing.fields import our_key
from revconsole.lab.matched import MatchedGain
from revconsole.lab.report.copies import originals
from revconsole.lab.report.statistics import MeanDifference, difference, spread
from revconsole.lab.report.wording import verdict
from revconsole.lab.trade_offs import Scatter
from revconsole.records.printable import plural
from revconsole.records.runs.run import Run, Summary
from revconsole.records.sections import KINDS
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.typing_again import flat_settings
from revconsole.records.settings.words import spelled

MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """A run in a comparison. `settings` holds only the keys in which the compared runs differ."""

    summary: Summary
    settings: Mapping[str, Any]
    test_accuracy_gain: float | None
    """Test accuracy minus that of the baseline arm's run of the same seed, as a fraction; None for the baseline's arm, if that
    run does not exist, or if one of the accuracies is unknown."""
    kept_ratio: float | None
    """Bytes kept for backward relative to the baseline's."""
    seconds_ratio: float | None
    """Training seconds relative to the baseline's."""
    at_equal_step: MatchedGain | None = None
    """Validation against the run of the gain after as many steps; None if the runs were not read, or one has no validation."""
    in_equal_time: MatchedGain | None = None
    """The same after as many seconds since each began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The compared runs in the order asked for; the first is the baseline."""

    rows: tuple[ComparedRun, ...]
    differing: tuple[str, ...]
    warnings: tuple[str, ...]
    """Sentences on what makes the runs hard to compare: different images, different seeds, unfinished runs."""
    means: tuple[str, ...] = ()
    """A sentence for each group of runs that differ only in their seed: mean test accuracy, deviation, difference to the baseline."""
    trade_offs: tuple[str, ...] = ()
    """Sentences on the runs that no other run beats in accuracy and cost at once."""
    scatters: tuple[Scatter, ...] = ()
    """Test accuracy against each cost in which the runs differ, with those runs."""


NOT_READ: Mapping[str, Run] = MappingProxyType({})


def compare(
    summaries: Sequence[Summary],
    letters: Mapping[str, str] | None = None,
    runs: Mapping[str, Run] = NOT_READ,
) -> Comparison:
    """Compare runs; the first is the baseline.

    letters: those of the runs in a chart beside it, by their id. runs: the runs with their series by id, for differences at the
    same step and in the same time; a run that is not among them has none.
    """
    called = _called(summaries, letters or {})
    flats: list[dict[str, Any]] = [all_settings(s) for s in summaries]
    alike = [
        [s for s, other in zip(summaries, flats, strict=True) if other == flat] for flat in flats
    ]
    for section, (tag, _) in KINDS.items():
        known = [f for f, s in zip(flats, summaries, strict=True) if s.plan_known]
        if len({flat[f"{section}.{tag}"] for flat in known}) > 1:
            flats = [
                _joined(flat, s.plan, section, tag) if s.plan_known else flat
                for flat, s in zip(flats, summaries, strict=True)
            ]
    differing = _differing(summaries, flats)
    baseline = summaries[0]
    against = [
        _counterpart(s, baseline, alike[0], others)
        for s, others in zip(summaries, alike, strict=True)
    ]
    pairs = [_read_pair(s, other, runs) for s, other in zip(summaries, against, strict=True)]
    rows = tuple(
        ComparedRun(
            summary=s,
            settings={k: flat[k] for k in differing if k in flat},
            test_accuracy_gain=_gain(s, counterpart),
            kept_ratio=_ratio(s.kept_for_backward_bytes, baseline.kept_for_backward_bytes),
            seconds_ratio=_ratio(s.seconds, baseline.seconds),
            at_equal_step=matched.at_equal_step(*pair) if pair else None,
            in_equal_time=matched.in_equal_time(*pair) if pair else None,
        )
        for s, flat, counterpart, pair in zip(summaries, flats, against, pairs, strict=True)
    )
    return Comparison(
        rows=rows,
        differing=differing,
        warnings=tuple(_warnings(summaries, called)),
        means=tuple(_means(alike)),
        trade_offs=tuple(trade_offs.sentences(summaries, called)),
        scatters=trade_offs.scatters(summaries),
    )


def all_settings(run: Summary) -> dict[str, Any]:
    """Every setting of a run by its dotted key; of a run that another program trains, what it gave, under our name for it."""
    if not run.readable:
        return {}
    own = flat_settings(run.plan)
    return own if run.plan_known else {our_key(key) or key: value for key, value in own.items()}


def _differing(summaries: Sequence[Summary], flats: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The settings in which runs differ. What only our runs have, or only those of other programs, sets them not apart."""
    planned = [flat for s, flat in zip(summaries, flats, strict=True) if s.plan_known]
    given = [flat for s, flat in zip(summaries, flats, strict=True) if s.given]

    def differs(key: str) -> bool:
        within = any(len({repr(f.get(key)) for f in group}) > 1 for group in (planned, given))
        return within or len({repr(f[key]) for f in (*planned, *given) if key in f}) > 1

    return tuple(key for key in dict.fromkeys(k for flat in flats for k in flat) if differs(key))


def _called(summaries: Sequence[Summary], letters: Mapping[str, str]) -> dict[str, str]:
    """What each run is called, so that no two are called alike: its letter and name, and its id if others have that name."""
    names = {s.id: f"{letters.get(s.id, '')} {s.name}".strip() for s in summaries}
    many = Counter(names.values())
    return {key: f"{name} ({key})" if many[name] > 1 else name for key, name in names.items()}


def arm_name(summary: Summary) -> str:
    """The common name of a run and of the runs that differ from it only in their seed."""
    return summary.plan.arm or re.sub(rf"-s{summary.plan.seed}$", "", summary.name)


def _counterpart(
    run: Summary, baseline: Summary, reference: Sequence[Summary], alike: Sequence[Summary]
) -> Summary | None:
    """The run of the baseline's arm with which a run is compared; None if there is none.

    reference: the runs of the baseline's arm. alike: those of the run's arm. The counterpart has the same seed, because
    another seed is another sample; if both arms have a single run, the seeds may differ.
    """
    if baseline in alike:
        return baseline if run.plan.seed == baseline.plan.seed and run is not baseline else None
    same = [s for s in reference if s.plan.seed == run.plan.seed]
    if same:
        return baseline if baseline in same else same[0]
    return baseline if len(reference) == len(alike) == 1 else None


def _read_pair(
    run: Summary, counterpart: Summary | None, runs: Mapping[str, Run]
) -> tuple[Run, Run] | None:
    """Both runs with their series; None if one of them was not read, or is unlike a run."""
    other = runs.get(counterpart.id) if counterpart else None
    own = runs.get(run.id)
    known = own is not None and other is not None and run.readable and other.summary.readable
    return (own, other) if known and own and other else None


def _gain(run: Summary, counterpart: Summary | None) -> float | None:
    here, there = run.test_accuracy, counterpart.test_accuracy if counterpart else None
    return None if here is None or there is None else here - there


def _means(groups: Sequence[Sequence[Summary]]) -> Iterator[str]:
    """Yield a sentence for each group with several tested seeds. The first group holds the baseline."""
    reference = _tested(groups[0])
    arms = {id(group[0]): group for group in groups}.values()
    many = Counter(arm_name(group[0]) for group in arms)

    def called(arm: Sequence[Summary]) -> str:
        name = arm_name(arm[0])
        return f"{name} ({arm[0].id} …)" if many[name] > 1 else name

    for alike in arms:
        tested = _tested(alike)
        different = originals(list(tested.values()))
        accuracy = spread([s.test_accuracy for s in different if s.test_accuracy is not None])
        if len(tested) > 1 and accuracy is not None:
            seeds = ", ".join(map(str, sorted(tested)))
            copies = "" if len(different) > 1 else ", which gave identical weights"
            mean = form.mean(accuracy.mean, accuracy.deviation)
            gain = _mean_gain(tested, reference)
            more = "" if gain is None else f", {verdict(gain, called(groups[0]))}"
            yield f"test accuracy of {called(alike)} over seeds {seeds}{copies}: {mean}{more}"


def _tested(alike: Sequence[Summary]) -> dict[int, Summary]:
    return {s.plan.seed: s for s in alike if s.test_accuracy is not None}


def _mean_gain(
    tested: Mapping[int, Summary], reference: Mapping[int, Summary]
) -> MeanDifference | None:
    """The mean difference over the seeds, tested in pairs; None within the baseline's arm, and if the seeds of the two arms differ."""
    if tested == reference or tested.keys() != reference.keys():
        return None
    copies = any(len(originals(list(arm.values()))) < len(arm) for arm in (tested, reference))
    return difference(_accuracies(tested), _accuracies(reference), copies=copies)


def _accuracies(tested: Mapping[int, Summary]) -> dict[int, float]:
    return {n: s.test_accuracy for n, s in tested.items() if s.test_accuracy is not None}


def _joined(flat: dict[str, Any], plan: Plan, section: str, tag: str) -> dict[str, Any]:
    """The settings with those of one section as a single value, because different kinds have few keys in common."""
    inner = getattr(plan, section)
    chosen = inner.model_dump(exclude_defaults=True, exclude={tag})
    words = [str(getattr(inner, tag)), *(f"{k}={spelled(v)}" for k, v in chosen.items())]
    rest = {k: v for k, v in flat.items() if not k.startswith(f"{section}.")}
    return {section: " ".join(words), **rest}


def _warnings(summaries: Sequence[Summary], called: Mapping[str, str]) -> list[str]:
    sentences = [
        f"the settings of {s.name} are not known: {s.reason}" for s in summaries if not s.readable
    ]
    summaries = [s for s in summaries if s.readable]
    prints = {s.fingerprint for s in summaries if s.fingerprint}
    if len(prints) > 1:
        short = ", ".join(sorted(p[:12] for p in prints))
        sentences.append(
            f"these runs did not train on the same images and split: fingerprints {short}"
        )
    if any(not s.ended for s in summaries):
        sentences.append("some runs are not finished: their figures will change")
    sentences += _early_ends(summaries, called)
    sentences += [
        f"{plural(s.damaged_lines, 'line')} of the log of {called[s.id]} damaged and left out: what they measured is missing"
        for s in summaries
        if s.damaged_lines
    ]
    if len({s.epochs for s in summaries} - {None}) > 1:
        sentences.append("the runs have different numbers of epochs")
    sentences += [
        f"the gradients of {called[s.id]} were off by up to {s.gradient_error:.1%} of their size: what it learnt is not what "
        "its scheme learns"
        for s in summaries
        if s.plan_known and growth.wrong(s.plan, s.gradient_error)
    ]
    seeds = {s.plan.seed for s in summaries}
    if len(summaries) > 1 and len(seeds) == 1:
        sentences.append(
            f"one seed each ({min(seeds)}): a difference may be chance; add seeds=[0,1,2]"
        )
    return sentences


def _early_ends(summaries: Sequence[Summary], called: Mapping[str, str]) -> Iterator[str]:
    """Sentences on the runs that did not finish and on what their figures mean."""
    ends: dict[str, list[str]] = {}
    for s in summaries:
        if s.ended and s.state not in {"finished", "damaged"}:
            ends.setdefault(f"{s.state} {_got(s)}", []).append(called[s.id])
    for what, names in ends.items():
        rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"{', '.join(names[:MOST_NAMED])}{rest}: {what}"


def _got(s: Summary) -> str:
    if not s.step:
        return "before the first step, without a result"
    of = "" if s.epochs is None else f" of {s.epochs}"
    first = "within the first epoch" if s.plan_known else f"after step {s.step:,}"
    where = f"after epoch {s.epoch}{of}" if s.epoch else first
    return f"{where}, with the figures of a shorter training"


def _ratio(value: float | None, baseline: float | None) -> float | None:
    return value / baseline if value is not None and baseline else None
