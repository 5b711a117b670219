"""Same device: another run of this store trains on the same device.

Speaks when a live run is on the device that this one would take without waiting for its turn (`--now`). Both then share
its cores or its memory: each is slower, and times and peaks of either are not comparable with those of a device of its
own.
"""

from revconsole.records.prelaunch.planned_run import PlannedRun
from revconsole.records.prelaunch.rule import LaunchRule

MOST_NAMED = 2


def look(run: PlannedRun) -> str:
    """The sentence about runs beside this one."""
    if not run.beside:
        return ""
    more = f" and {len(run.beside) - MOST_NAMED} more" if len(run.beside) > MOST_NAMED else ""
    names = ", ".join(run.beside[:MOST_NAMED]) + more
    trains = "trains" if len(run.beside) == 1 else "train"
    return (
        f"{names} {trains} on the same device ({run.plan.train.device}): both become slower and their times are not comparable; "
        "usual is one at a time: without --now it waits for its turn; or train.device=cuda:1 if there is another"
    )


RULE = LaunchRule(name="same device", level="note", look=look)
