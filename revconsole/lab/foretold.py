"""Foretold: what was foreseen of a run beside what was measured, as pairs of name and text for `show` and the run screen."""

from revconsole.lab import format as form
from revconsole.records.runs.run import Summary

FACTS = frozenset({
    "foreseen_peak_bytes", "foreseen_epoch_seconds", "foreseen_seconds", "foreseen_time_from",
})  # fmt: skip
"""Facts of a run that these pairs tell."""
SOURCES = {
    "run": "from a run like it",
    "steps": "from a few steps measured before",
    "multiply-adds": "from the multiply-adds of other runs",
}


def pairs(run: Summary) -> list[tuple[str, str]]:
    """What was foreseen, each with what came; where nothing was foreseen of a run that has begun, that is said."""
    if not run.attempt:
        return []
    return [
        ("foreseen peak", _peak(run)),
        ("foreseen epoch", _epoch(run)),
        *([("foreseen in all", _all(run))] if run.foreseen_seconds else []),
        *([("ETA and truth", text)] if (text := _eta(run)) else []),
    ]


def _peak(run: Summary) -> str:
    if not run.foreseen_peak_bytes:
        return "none: `revconsole plan` had not foreseen it when the run began"
    text = form.memory(run.foreseen_peak_bytes)
    measured = run.metrics.get(
        "step_peak_bytes", run.peak_memory_bytes
    )  # by one account, if there is
    return text + _measured(measured, run.foreseen_peak_bytes)


def _epoch(run: Summary) -> str:
    if not run.foreseen_epoch_seconds:
        return "none: nothing was known here when the run began"
    source = SOURCES.get(run.foreseen_time_from, run.foreseen_time_from)
    text = f"{form.duration(run.foreseen_epoch_seconds)}, {source}"
    return text + _measured(run.seconds_per_epoch, run.foreseen_epoch_seconds)


def _all(run: Summary) -> str:
    seconds = run.foreseen_seconds or 0.0
    measured = run.seconds if run.state == "finished" else None
    return form.duration(seconds) + _measured(measured, seconds)


def _eta(run: Summary) -> str:
    """How long the rest took by what the ETA had said; empty where no ETA was recorded."""
    etas = {10: run.eta_ratio_10, 25: run.eta_ratio_25, 50: run.eta_ratio_50}
    parts = [f"after {share} % {form.ratio(ratio)}" for share, ratio in etas.items() if ratio]
    return f"the rest took {', '.join(parts)} of what it said" if parts else ""


def _measured(value: float | None, foreseen: float) -> str:
    return f"; measured {form.ratio(value / foreseen)} of it" if value and foreseen else ""
