"""Reversibility: whether a run's backward rebuilds its activations, how exactly, and what says so, in words."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from revconsole import arithmetic
from revconsole.lab import format as form
from revconsole.lab import reconstruction
from revconsole.records.runs.audits import KeptAudit
from revconsole.records.runs.run import AuditFinding, Run, Series
from revconsole.records.sections.scheme import BdiaSection, ResidualSection
from revconsole.records.settings import growth

Tone = Literal["good", "plain", "doubtful", "bad"]
RECONSTRUCTION, GRADIENT = "reconstruction_error", "gradient_error"
NAMED = 3
"""Checks that are named in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A line of what is known: a name, a text, and how good it is."""

    name: str
    text: str
    tone: Tone = "plain"


def badge(run: Run) -> Told:
    """In a word how exactly the backward rebuilds the activations, and the sentence that belongs to it."""
    plan, carried = run.plan, run.facts.get("error_growth")
    if isinstance(plan.scheme, ResidualSection):
        kept = (
            "evaluates its blocks twice" if plan.backward == "checkpointed" else "keeps everything"
        )
        return Told(
            name="not reversible",
            text=f"the plain network has no inverse; backward {plan.backward} {kept}",
        )
    all_kept = plan.backward == "auto" and bool(run.facts) and carried is None
    if plan.backward not in {"reversible", "auto"} or all_kept:
        return Told(
            name="not reversed",
            text=f"{plan.scheme.name} has an inverse; backward {plan.backward} does not use it",
        )
    worst = _worst(run.series.get(RECONSTRUCTION))
    exact = (carried if isinstance(carried, int | float) else growth.carried(plan)) == 0
    of = f"in {plan.train.precision}"
    if exact and worst:
        return Told(
            name="not exact",
            text=f"bit for bit is promised {of}, and an error of {form.small(worst)} was measured",
            tone="bad",
        )
    if exact:
        grid = getattr(plan.scheme, "grid_bits", None)
        on = "" if grid is None else f": the streams lie on the grid 2^-{grid}"
        return Told(name="exact", text=f"bit for bit {of}{on}", tone="good")
    wrong = growth.wrong(plan, _worst(run.series.get(GRADIENT)))
    said = reconstruction.expected(run) or growth.predicted(plan)
    return Told(name="to rounding", text=f"{of}: {said}", tone="bad" if wrong else "plain")


def lines(run: Run, verified: KeptAudit | None = None) -> list[Told]:
    """Everything that is known, after the badge. verified: what `verify` said last of such a model."""
    scheme = run.plan.scheme
    told = [Told(name="scheme", text=f"{scheme.name}{_settings(run)}  {scheme.formula()}")]
    told += [Told(name="paper", text=scheme.paper)] if scheme.paper else []
    told += _errors(run)
    told += _side_bits(run)
    return [*told, _verified(run, verified)]


def _settings(run: Run) -> str:
    """The numbers and words that the scheme was given, but for those that say how exact it is and what is 0."""
    given = run.plan.scheme.options().items()
    said = [f"{name} {form.toml(value)}" for name, value in given if value and name != "grid_bits"]
    return f" ({', '.join(said)})" if said else ""


def _errors(run: Run) -> Iterator[Told]:
    """The errors that probes have found, the largest and the last."""
    words = {RECONSTRUCTION: "activations", GRADIENT: "gradients"}
    for metric, name in words.items():
        series = run.series.get(metric)
        if series is None or not series.length:
            continue
        worst, last = _worst(series), series.last
        number = f"{series.length} probe{'s' if series.length != 1 else ''}"
        if not worst:
            yield Told(name=name, text=f"error 0 in {number}: rebuilt to the bit", tone="good")
            continue
        at = series.values.index(worst) if worst in series.values else 0
        text = f"error at most {form.small(worst)} in {number}, at step {series.step_at(at):,}; last {form.small(last)}"
        wrong = metric == GRADIENT and growth.wrong(run.plan, worst)
        yield Told(name=name, text=text, tone="bad" if wrong else "plain")


def _side_bits(run: Run) -> Iterator[Told]:
    """What exact arithmetic keeps besides the streams."""
    size, kept = _last(run, "side_bits_bytes"), _last(run, "kept_for_backward_bytes")
    mean, scheme = _last(run, "side_bit_mean"), run.plan.scheme
    if size is None and mean is None:
        return
    parts = []
    if isinstance(scheme, BdiaSection) and (bits := arithmetic.LOST_BITS.get(scheme.gamma)):
        parts.append(f"{bits} bit{'s' if bits > 1 else ''} for each number of a block")
    if size is not None:
        share = f", {form.percent(size / kept)} of what is kept" if kept else ""
        parts.append(f"{form.memory(size)}{share}")
    parts += [f"their mean {mean:.3f}"] if mean is not None else []
    yield Told(name="side bits", text="; ".join(parts))


def _verified(run: Run, later: KeptAudit | None) -> Told:
    """What the last audit found: that of the run's launch, or of `verify` if it was asked later."""
    if later is not None and later.time > run.summary.created:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(later.time))
        return _concluded(f"`revconsole verify` on {when}", later.findings)
    if run.audit:
        return _concluded("the audit before training", run.audit)
    return Told(
        name="verify",
        text=f"nothing was checked: `revconsole verify {run.plan.profile or 'PROFILE'}` does",
        tone="doubtful",
    )


def _concluded(what: str, found: tuple[AuditFinding, ...]) -> Told:
    levels = {
        word: [each for each in found if each.level == word]
        for word in ("passed", "failed", "note")
    }
    counts = ", ".join(f"{len(each)} {word}" for word, each in levels.items() if each) or "nothing"
    named = [f"{each.name} ({each.figure})" for each in levels["failed"] or levels["note"]][:NAMED]
    tone: Tone = "bad" if levels["failed"] else "doubtful" if levels["note"] else "good"
    return Told(
        name="verify",
        text=f"{what}: {counts}" + (f": {'; '.join(named)}" if named else ""),
        tone=tone,
    )


def _worst(series: Series | None) -> float | None:
    """The largest value; NaN counts as the largest. None without any."""
    if series is None or not series.length:
        return None
    return max(series.values, key=lambda value: (math.isnan(value), value))


def _last(run: Run, name: str) -> float | None:
    series = run.series.get(name)
    return None if series is None else series.last
