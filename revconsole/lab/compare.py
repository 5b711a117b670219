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
from revconsole.records import growth
from revconsole.records.plan import LABELS, Plan
from revconsole.records.run import Summary
from revconsole.records.sections import KINDS

MOST_NAMED = 3
NOT_SETTINGS = LABELS | {"seed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One run among others. `settings` holds only the keys in which the compared runs differ."""

    summary: Summary
    settings: Mapping[str, Any]
    test_accuracy_gain: float | None
    """Test accuracy minus the baseline's, as a fraction; None for the baseline or while unknown."""
    kept_ratio: float | None
    """Bytes kept for backward relative to the baseline's."""
    seconds_ratio: float | None
    """Wall clock relative to the baseline's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Rows in the order asked for; the first is the baseline."""

    rows: tuple[Row, ...]
    differing: tuple[str, ...]
    warnings: tuple[str, ...]
    """What makes the runs hard to compare: other images, other seeds, unfinished runs."""
    means: tuple[str, ...] = ()
    """Of runs that differ in their seed alone: the mean of the test accuracy, and its deviation."""


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
        Row(
            summary=s,
            settings={k: flat[k] for k in differing if k in flat},
            test_accuracy_gain=_minus(
                s.test_accuracy, baseline.test_accuracy, _no_gain(s, baseline, others)
            ),
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


def _no_gain(run: Summary, baseline: Summary, alike: Sequence[Summary]) -> bool:
    """Whether nothing is gained over the baseline but another draw: it is that run, or the same with another seed."""
    return run is baseline or (run.plan.seed != baseline.plan.seed and baseline in alike)


def _means(groups: Sequence[Sequence[Summary]]) -> Iterator[str]:
    """A sentence for each group of several seeds, as far as they were tested."""
    for alike in {id(group[0]): group for group in groups}.values():
        tested = {s.plan.seed: s for s in alike if s.test_accuracy is not None}
        different = originals(list(tested.values()))
        found = spread([s.test_accuracy for s in different if s.test_accuracy is not None])
        if len(tested) > 1 and found is not None:
            seeds = ", ".join(map(str, sorted(tested)))
            copies = "" if len(different) > 1 else ", which gave the very same weights"
            mean = form.mean(found.mean, found.deviation)
            yield f"test accuracy of {arm_name(alike[0])} over seeds {seeds}{copies}: {mean}"


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
    words = [str(getattr(inner, tag)), *(f"{k}={v}" for k, v in chosen.items())]
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


def _minus(value: float | None, baseline: float | None, same: bool) -> float | None:
    return None if same or value is None or baseline is None else value - baseline


def _ratio(value: float | None, baseline: float | None) -> float | None:
    return value / baseline if value is not None and baseline else None
