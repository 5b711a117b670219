"""The verb `watch`: follow runs as lines, as rows of JSON, or in a few lines that are drawn again in place."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer

from revconsole.cli import complete, output
from revconsole.cli.following import DELETED, POLL_SECONDS, ends_of, follow_to_end
from revconsole.cli.opening import opened
from revconsole.errors import NoSuchRun, ProfileError
from revconsole.lab import queue
from revconsole.lab.lab import Lab
from revconsole.lab.row_stream import RowStream
from revconsole.records.runs.run import LogLine, Run
from revconsole.records.settings.words import COMMAND_LINE


def watch(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs: ids, names, patterns, or a profile; without one, the run that trains and then its queue.",
            autocompletion=complete.runs,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for the end of the runs, or end now.")
    ] = True,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print a JSON object a line for each step, log line and change of state."
        ),
    ] = False,
    inline: Annotated[
        bool,
        typer.Option(
            "--inline",
            help="A line for each run, drawn again in place; plain lines where there is no terminal.",
        ),
    ] = False,
) -> None:
    """Follow runs until they end, wherever they train; the exit code is 0 if all finished without an alarm."""
    if json and inline:
        raise ProfileError(COMMAND_LINE, "--inline", "does not go with --json")
    lab = opened(context)
    ids = lab.store.find_all(runs) if runs else lab.batch() or (lab.store.find("@1"),)
    if json:
        ends = _rows(lab, ids, follow=follow)
    elif inline and _redrawn():
        ends = _in_place(lab, ids, follow=follow)
    else:
        ends = _lines(lab, ids, follow=follow)
    if follow and set(ends) - {"finished"}:
        raise typer.Exit(1)


def _redrawn() -> bool:
    """Whether lines on stderr can be drawn again."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _lines(lab: Lab, ids: Sequence[str], *, follow: bool) -> list[str]:
    """Print lines of one run after the other; returns how each ended."""
    states: list[str] = []
    for number, run_id in enumerate(ids):
        if len(ids) > 1:
            output.say(_place(lab, ids[number:]))
        try:
            tail, waits = lab.store.follow(run_id), partial(queue.waits, lab.store)
            look, seen = lab.jobs.look, ends_of(lab)
            last = follow_to_end(tail, until=lambda: not follow, waits=waits, look=look, seen=seen)
            states.append(last.standing)
        except NoSuchRun as error:
            output.say(str(error))
            states.append(DELETED)
    return states


def _place(lab: Lab, ids: Sequence[str]) -> str:
    """A line with the name and state of the run that is followed, and how many runs follow after it."""
    run = lab.summary(ids[0])
    after = f", {len(ids) - 1} after it" if ids[1:] else ", the last"
    return f"-- {run.name} is {run.state}{after}"


def _rows(lab: Lab, ids: Sequence[str], *, follow: bool) -> list[str]:
    """Print the rows of all runs as they are recorded."""
    streams = {run_id: RowStream() for run_id in ids}

    def show(read: Sequence[Run]) -> None:
        for run in read:
            output.print_json_lines(streams[run.id].new(run))

    return _followed(lab, ids, show, follow=follow)


def _in_place(lab: Lab, ids: Sequence[str], *, follow: bool) -> list[str]:
    """Draw a line for each run again and again; what is noteworthy is printed above them and stays."""
    from revconsole.cli.inline import InlineView  # rich: only on a terminal

    view, told = InlineView(), dict.fromkeys(ids, time.time())

    def show(read: Sequence[Run]) -> None:
        for run in read:
            for line in _noteworthy(run, told[run.id]):
                view.say(f"{run.summary.name}  {output.log_text(line)}")
            told[run.id] = max([told[run.id], *(line.time for line in run.log)])
        view.draw([run.summary for run in read])

    return _followed(lab, ids, show, follow=follow)


def _followed(
    lab: Lab, ids: Sequence[str], show: Callable[[Sequence[Run]], None], *, follow: bool
) -> list[str]:
    """Read all runs until they have ended, and show what was read each time; returns how each ended."""
    tails, newest, ends = {}, dict[str, Run](), dict[str, str]()
    see = ends_of(lab)
    for run_id in ids:
        tails[run_id] = lab.store.follow(run_id)
    while True:
        lab.jobs.look()
        for run_id in [each for each in ids if each not in ends]:
            try:
                newest[run_id] = run = tails[run_id].run()
            except NoSuchRun as error:
                output.say(str(error))
                newest.pop(run_id, None)
                ends[run_id] = DELETED
            else:
                ends |= {run_id: run.summary.standing} if run.summary.ended else {}
        show(list(newest.values()))
        see(run.summary for run in newest.values())
        if not follow or len(ends) == len(ids):
            return list(ends.values())
        time.sleep(POLL_SECONDS)


def _noteworthy(run: Run, since: float) -> list[LogLine]:
    """Notes, warnings and alarms that are newer than a time."""
    return [line for line in run.log if line.level != "log" and line.time > since]
