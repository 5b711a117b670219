"""Asking: what a submission asks of the cluster, in words, before anything is submitted."""

from collections.abc import Sequence
from pathlib import Path

from revconsole.lab import format as form
from revconsole.lab.launchers.slurm.place import EARLY_SECONDS, SlurmPlace
from revconsole.lab.launchers.slurm.script import job_name, script
from revconsole.lab.launchers.slurm.submitting import MOST_TASKS
from revconsole.records.printable import plural
from revconsole.records.runs.submission import FOLDER, LISTS
from revconsole.records.settings.plan import Plan


def asked_for(place: SlurmPlace, count: int) -> str:
    """How many jobs with what each, in one sentence."""
    gpus = place.gpus.rpartition(":")[2]
    each = [
        f"partition {place.partition}" if place.partition else "the default partition",
        f"account {place.account}" if place.account else "",
        ("no GPU" if gpus == "0" else f"{place.gpus.replace(':', ' × ')} GPU{'s' * (gpus != '1')}")
        + (f" on each of {place.nodes} nodes" if place.nodes > 1 else ""),
        plural(place.cpus, "core") if place.cpus else "",
        f"a limit of {form.duration(place.seconds)}"
        if place.seconds
        else "the partition's time limit",
    ]
    asks = ", ".join(filter(None, each))
    if count == 1:
        return f"{place.name}: a job with {asks}"
    at_once = f", {place.at_once} at once" if 0 < place.at_once < count else ""
    arrays = -(-count // MOST_TASKS)
    several = f"{arrays} arrays" if arrays > 1 else "an array"
    return f"{place.name}: {several} of {plural(count, 'job')}{at_once}, each with {asks}"


def time_foreseen(place: SlurmPlace, left: Sequence[float | None]) -> str:
    """The predicted time of the runs beside the limit of their job. left: predicted seconds of each run; None if unknown."""
    known = [seconds for seconds in left if seconds is not None]
    if not known:
        return (
            "how long a run takes is not known here; at the limit it saves itself and is requeued"
        )
    longest, limit = max(known), place.seconds
    foreseen = f"foreseen {form.duration(longest)}{' for the longest' if len(left) > 1 else ''}"
    others = len(left) - len(known)
    unknown = f", {plural(others, 'run')} of unknown time" if others else ""
    if limit is None or longest <= limit:
        return f"{foreseen}{unknown}"
    usable = limit - place.signal_seconds - EARLY_SECONDS
    times = -(-longest // usable) - 1
    return f"{foreseen}{unknown}: it is requeued {plural(int(times), 'time')} at the limit, and goes on from its last step"


def previewed(place: SlurmPlace, root: Path, plans: Sequence[Plan]) -> list[str]:
    """The lines of the script, without the name of its list of runs, which does not exist yet. root: the store."""
    runs = root.resolve() / FOLDER / f"…{LISTS}"
    first, count = plans[0], min(len(plans), MOST_TASKS)
    text = script(place, root.resolve(), runs, name=job_name(first, count), count=count)
    return text.splitlines()
