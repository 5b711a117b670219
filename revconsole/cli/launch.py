"""Verbs that start training: train, demo, resume."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

import typer

from revconsole.cli import complete, leaving, output
from revconsole.cli.arguments import Detach, Profile, Settings
from revconsole.errors import NoSuchRun
from revconsole.lab import planning
from revconsole.lab.judging import Verdicts
from revconsole.lab.lab import Lab
from revconsole.lab.planning import Planned
from revconsole.lab.shell import command_line
from revconsole.records.runs.run import Run, Summary
from revconsole.records.runs.tail import Tail
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import parse_assignments

ELSEWHERE, UNRECORDED, DELETED = "elsewhere", "unrecorded", "deleted"
"""Where a followed run is that did not come to a recorded end here."""
POLL_SECONDS = 0.25
"""How often a followed run is looked at."""


def train(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    detach: Detach = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and stop.")
    ] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print every setting as resolved, and stop.")
    ] = False,
) -> None:
    """Train what a profile describes, every run of its grid one after the other.

    Ctrl-C stops after the current step and keeps a checkpoint; `resume` goes on from there.
    """
    lab = Lab(context.obj)
    planned = lab.plan(profile, parse_assignments(settings))
    if print_config:
        output.print_plans(planned.plans)
        return
    verdicts = lab.judge(planned.plans, set_in=planned.set_in, run_own_code=not dry_run)
    verdicts.refuse_if_none()
    say_partly(planned.settings, planned.plans)
    planned = planned.only(verdicts.fit)
    if dry_run:
        output.print_dry_run(verdicts)
        _say_time(lab, planned, profile)
        return
    say_left_out(verdicts)
    if detach:
        _train_detached(lab, planned)
    else:
        _train_here(lab, planned)


def demo(
    context: typer.Context,
    settings: Settings = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain progress lines even on a terminal.")
    ] = False,
) -> None:
    """Train a ViT, a RevViT, a momentum ViT and a BDIA ViT on real digits, side by side (1 to 3 minutes).

    On a terminal the console opens on the runs as they train; otherwise progress lines and a table.
    """
    lab = Lab(context.obj)
    planned = lab.plan("demo", parse_assignments(settings))
    verdicts = lab.judge(planned.plans, set_in=planned.set_in, run_own_code=True)
    verdicts.refuse_if_none()
    say_partly(planned.settings, planned.plans)
    say_left_out(verdicts)
    planned = planned.only(verdicts.fit)
    if headless or not (sys.stdout.isatty() and sys.stdin.isatty()):
        _train_here(lab, planned)
        return
    from revconsole.console.app import run_console  # textual: only when the console opens

    ids = lab.launch(planned, "thread")
    raise typer.Exit(run_console(lab, ids))


def resume(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            help="Run: id or its beginning, name, or @1; without one, the newest that ended early.",
            autocompletion=complete.runs,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="What may change of a run that has begun: data.folder, data.place, model.weights, train.device, and a larger "
            "train.epochs or train.steps, which also lengthens a finished run.",
        ),
    ] = None,
    detach: Detach = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Take the process of a run for gone that cannot be asked from here: of another host, or a container.",
        ),
    ] = False,
) -> None:
    """Go on with a run that was stopped, failed or lost, from its last checkpoint."""
    lab = Lab(context.obj)
    if run is not None and "=" in run and run not in {each.name for each in lab.store.list()}:
        settings, run = [run, *(settings or [])], None
    run_id, wanted = lab.store.find(run) if run else lab.to_resume(), parse_assignments(settings)
    before = lab.store.read(run_id)
    if detach:
        said = lab.resume(run_id, "process", wanted, take_over=take_over)
        if said:
            output.say(f"{before.summary.name}  {said}")
        typer.echo(run_id)
        return
    with _compared(lab) as ids, leaving.runs_secured(lab):
        said = lab.resume(run_id, "thread", wanted, take_over=take_over)
        ids.append(run_id)
        output.say(f"{before.summary.name}  {said or 'goes on from its last checkpoint'}")
        states = [followed(lab, run_id, known=before)]
    end_as(states)


def follow_to_end(
    tail: Tail, until: Callable[[], bool] = lambda: False, known: Run | None = None
) -> Summary:
    """Print a line per finished epoch and every advice until the run ends, or `until`; returns its last row.

    known: the run as it was told before, of which nothing is told again.
    """
    progress = output.TrainProgress(known)
    while True:
        over = until()
        run = tail.run()
        progress.show(run)
        if run.summary.ended:
            progress.close(run)
        if run.summary.ended or over:
            return run.summary
        time.sleep(POLL_SECONDS)


def followed(lab: Lab, run_id: str, known: Run | None = None) -> str:
    """The state in which a run of this process ended, or where it is instead: ELSEWHERE, UNRECORDED or DELETED.

    Says so of all but a recorded end. A run that finished with an alarm ends in the word of the alarm.
    """
    try:
        last = follow_to_end(
            lab.store.follow(run_id), until=lambda: run_id not in lab.busy(), known=known
        )
    except NoSuchRun:
        output.say(f"{run_id} was deleted; it is not trained")
        return DELETED
    problem = lab.unrecorded(run_id)
    if last.ended and (last.state != "finished" or not problem):
        return last.alarm if last.state == "finished" and last.alarm else last.state
    if problem:
        output.say(f"{run_id} ({last.name}) came to no recorded end: {problem}")
        return UNRECORDED
    if lab.moved(run_id):
        output.say(f"{run_id} goes on in the background; `revconsole watch {run_id}` follows it")
    else:
        output.say(f"{run_id} was taken over by another process, and is {last.state}")
    return ELSEWHERE


def still_there(lab: Lab, ids: Sequence[str]) -> list[str]:
    """The runs among these that have not been deleted meanwhile."""
    found = []
    for run_id in ids:
        with suppress(NoSuchRun):
            found.append(lab.summary(run_id).id)
    return found


def _say_time(lab: Lab, planned: Planned, profile: str) -> None:
    """How long all of them would take, from what has run already: nothing is measured, torch is not loaded."""
    found = lab.forecast(lab.standings_of(planned.plans, ()))
    measures = (
        f"`{command_line(profile, planned.settings, 'study run')} --dry-run` measures a few steps"
    )
    output.say(f"time: {found.sentence}{f'; {measures}' if found.unknown else ''}")


def say_partly(settings: Mapping[str, object], plans: Sequence[Plan]) -> None:
    """Say which settings only some of the runs have."""
    for sentence in planning.partly(settings, plans):
        output.say(sentence)


def say_left_out(verdicts: Verdicts) -> None:
    """Say which runs are left out, and why."""
    for sentence in verdicts.sentences:
        output.say(sentence)


def _train_detached(lab: Lab, planned: Planned) -> None:
    output.say_forecasts(planned.plans)
    for run_id in lab.launch(planned, "process"):
        typer.echo(run_id)
    output.say("training in the background; `revconsole watch` follows, `revconsole stop` ends it")


def _train_here(lab: Lab, planned: Planned) -> None:
    with _compared(lab) as ids, leaving.runs_secured(lab):
        ids.extend(lab.launch(planned, "thread"))
        output.say_forecasts(planned.plans)
        some = "run" if len(ids) == 1 else "runs"
        output.say(f"{len(ids)} {some} in {lab.store.root}; Ctrl-C stops and keeps a checkpoint")
        states = [followed(lab, run_id) for run_id in ids]
    end_as(states)


@contextmanager
def _compared(lab: Lab) -> Iterator[list[str]]:
    """Compare the runs of the list that is given, however the training ends."""
    ids: list[str] = []
    try:
        yield ids
    finally:
        if there := still_there(lab, ids):
            output.print_comparison(lab.compare(there), plain=True)


def end_as(states: Sequence[str]) -> None:
    """Leave with the exit code that tells whether all runs completed; raises typer.Exit if not."""
    if "stopped" in states:
        raise typer.Exit(130)
    if set(states) - {"finished", ELSEWHERE}:
        raise typer.Exit(1)
