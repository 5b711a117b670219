"""Words about the list of runs: the parts of its title, and what stands in its place when it is empty."""

from collections.abc import Sequence

from revconsole.console.run_list import ListedRow, RunList
from revconsole.console.snapshot import Snapshot
from revconsole.lab.format import duration
from revconsole.lab.listing.fields import RunField

UP, DOWN = "▲", "▼"
BAD = frozenset({"failed", "out of memory", "killed", "lost", "stalled", "damaged"})
"""States in which a run ended early by itself, or goes on no more."""


def title(
    snapshot: Snapshot, made: RunList, listed: Sequence[ListedRow], marked: int, most: int
) -> list[str]:
    """How many runs there are and in which states, and what a user asked of the list. most: rows that are shown at most."""
    runs, order = snapshot.summaries, made.order
    waiting = sum(run.state == "queued" for run in runs)
    bad = sum(run.state in BAD or bool(run.alarm) for run in runs)
    training = sum(not run.ended for run in runs) - waiting
    matching = sum(len(row.runs) for row in listed if not row.member)
    counts = f"{len(runs)} runs" if len(runs) != 1 else "1 run"
    return [
        ""
        if not (runs or snapshot.complete)
        else counts
        if matching == len(runs)
        else f"{matching} of {counts}",
        f"the first {most} of {len(listed)} shown, / filters" if len(listed) > most else "",
        f"{training} training" if training else "",
        f"{waiting} waiting{_in_all(snapshot)}" if waiting else "",
        f"{bad} in trouble" if bad else "",
        f"filter {made.words!r}" if made.words else "",
        f"{marked} marked" if marked else "",
        "seeds grouped" if made.grouped else "",
        f"by {order.field.label} {DOWN if order.descending else UP}" if order else "",
    ]


def _in_all(snapshot: Snapshot) -> str:
    """How long the longest queue takes, as far as that is known."""
    waiting = [queue for queue in snapshot.queues if queue.waiting]
    longest = max(waiting, key=lambda queue: queue.seconds, default=None)
    if longest is None or not longest.seconds:
        return ""
    return f", {'' if longest.known else 'over '}{duration(longest.seconds)} in all"


def nothing(snapshot: Snapshot, made: RunList) -> str:
    """Why no run is listed, and what to press."""
    if not snapshot.complete:
        return "Reading runs…"
    if snapshot.summaries and made.words:
        return f"No run matches {made.words!r}.\nesc clears the filter"
    if snapshot.summaries:
        return "Every run is archived.\nThe filter archived=true lists them."
    return "No runs yet.\n\nn launches one   t lists the studies   ? lists all keys   q quits"


def field_name(field: RunField) -> str:
    """The name of a field, and the heading of its column where that differs."""
    return field.key if field.label == field.key else f"{field.key} ({field.label})"
