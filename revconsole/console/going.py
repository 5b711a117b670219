"""Going: the sentence that the console leaves behind on runs that train in other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revconsole.errors import RevconsoleError
from revconsole.records.printable import printable

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab


def what_goes_on(lab: Lab) -> str:
    """A sentence on the runs that train in other processes; empty if none does."""
    if lab.hand_over_problem():
        return f"{printable(lab.hand_over_problem())}\n"
    try:
        mine = [run for run in lab.store.list() if not run.ended and not run.beside]
        going = [run for run in mine if run.id not in lab.busy()]
    except RevconsoleError:
        return ""
    if len(going) == 1:
        return f"1 run continues: `revconsole watch {going[0].id}` follows it\n"
    return f"{len(going)} runs continue: `revconsole ls` lists them\n" if going else ""
