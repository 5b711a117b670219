"""Address: the text that names one or several runs on the command line.

rmj5rat3 or its beginning   one run, by its id
@1                          the newest run that `ls` lists, @2 the one before; archived runs are not counted
mine-bdia-s0                the runs with that name
mine                        the runs launched from that profile or study
'mine-*dropout0.1*'         the runs whose names match a pattern
mine@1                      the newest of the runs that `mine` means
"""

import fnmatch
import re
import time
from collections.abc import Sequence
from pathlib import Path

from revconsole.errors import NoSuchRun, nearest
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

MOST_LISTED = 5
MINUTE, HOUR, DAY = 60, 3600, 86400


def several(address: str, runs: Sequence[Summary], root: Path) -> list[Summary]:
    """The runs that an address means, oldest first. runs: all runs of the store at `root`, newest first. Raises NoSuchRun."""
    name, sign, number = address.rpartition("@")
    if sign and number.isdecimal():
        candidates = _counted(name, runs, root)
        return [_nth(address, int(number), candidates, root)]
    matches = _matching(address, runs)
    if not matches:
        suggestion = nearest(
            address, {s.name for s in runs} | {s.plan.profile for s in runs} - {""}
        )
        hint = suggestion if "did you mean" in suggestion else "; `revconsole ls` lists them"
        raise NoSuchRun(f"no run in {root} answers to {address!r}{hint}")
    return matches[::-1]


def one(address: str, runs: Sequence[Summary], root: Path) -> Summary:
    """The only run that an address means. Raises NoSuchRun; for an ambiguous address the message lists the candidates."""
    matches = several(address, runs, root)[::-1]
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(_introduced(s) for s in matches[:MOST_LISTED])
    more = ", …" if len(matches) > MOST_LISTED else ""
    raise NoSuchRun(
        f"{address!r} is ambiguous ({len(matches)} runs: {listed}{more}): use an id, or {address}@1 for the newest of them"
    )


def to_resume(runs: Sequence[Summary]) -> Summary:
    """The newest run that ended early. Raises NoSuchRun if none did."""
    for s in runs:
        if (
            not (s.archived or s.program or s.beside)
            and s.ended
            and s.state not in {"finished", "damaged"}
        ):
            return s
    raise NoSuchRun("no run ended early, so there is nothing to resume; `revconsole ls` lists them")


def _matching(address: str, runs: Sequence[Summary]) -> list[Summary]:
    """The runs that match under the first reading of the address that matches any."""
    pattern = re.compile(fnmatch.translate(address)) if set(address) & set("*?[") else None
    readings = (
        lambda s: s.id == address,
        lambda s: s.name == address,
        lambda s: s.plan.name == address,
        lambda s: address in {s.plan.profile, s.plan.study},
        lambda s: pattern is not None and pattern.match(s.name) is not None,
        lambda s: s.id.startswith(address),
    )
    groups = ([s for s in runs if reading(s)] for reading in readings) if address else ()
    return next((group for group in groups if group), [])


def _counted(name: str, runs: Sequence[Summary], root: Path) -> Sequence[Summary]:
    """The runs that a number counts, newest first: those that are not archived, unless all of that name are."""
    meant = several(name, runs, root)[::-1] if name else runs
    listed = [s for s in meant if not s.archived]
    return listed or meant if name else listed


def _nth(address: str, number: int, runs: Sequence[Summary], root: Path) -> Summary:
    """Run `number` of the list, counting from 1. Raises NoSuchRun."""
    if not 1 <= number <= len(runs):
        raise NoSuchRun(f"{address!r} is no run: @1 is the newest of {len(runs)} in {root}")
    return runs[number - 1]


def _introduced(s: Summary) -> str:
    """One candidate of an ambiguous address: id, name, state, age."""
    name = one_line(s.name)
    return f"{s.id} ({name}, {s.state}, {_ago(time.time() - s.created)})"


def _ago(seconds: float) -> str:
    for unit, word in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {word} ago"
    return "just now"
