"""Verbs that start training: train, demo, resume."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, leaving, output
from revconsole.cli.arguments import Detach, Now, Profile, Settings, assigned
from revconsole.cli.opening import opened
from revconsole.cli.progress import TrainProgress
from revconsole.errors import NoSuchRun

if TYPE_CHECKING:
    from revconsole.lab.judging import Verdicts
    from revconsole.lab.lab import Lab
    from revconsole.lab.planning import Planned
    from revconsole.records.runs.run import Run, Summary
    from revconsole.records.runs.tail import Tail
    from revconsole.records.settings.plan import Plan

ELSEWHERE, UNRECORDED, DELETED = "elsewhere", "unrecorded", "deleted"
"""States that `followed` reports for runs without a recorded end in this process."""
POLL_SECONDS, WAITING_SECONDS = 0.25, 1.0
"""Seconds between two looks at a followed run, and at one that waits for its turn."""


def train(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    detach: Detach = False,
    now: Now = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs, and stop.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print every resolved setting, and stop.")
    ] = False,
) -> None:
    """Train every run of a profile, one after the other.

    On a device one run trains at a time: these wait for what trains and waits there already, unless it is `--now`.
    Ctrl-C stops after the current step and writes a checkpoint; `resume` continues from it.
    """
    lab = opened(context)
    planned = lab.plan(profile, assigned(settings))
    if print_config:
        output.print_plans(planned.plans)
        return
    verdicts = lab.judge(planned.plans, set_in=planned.set_in, run_own_code=not dry_run)
    verdicts.refuse_if_none()
    say_partly(planned.settings, planned.plans)
    planned = planned.only(verdicts.fit)
    if dry_run:
        output.print_dry_run(verdicts)
        output.say_notes(lab.noted(planned.plans, now=now).lines)
        _say_time(lab, planned, profile)
        return
    say_left_out(verdicts)
    if detach:
        _train_detached(lab, planned, now=now)
    else:
        _train_here(lab, planned, now=now)


def demo(
    context: typer.Context,
    settings: Settings = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Print progress lines even on a terminal.")
    ] = False,
) -> None:
    """Train a ViT, a RevViT, a momentum ViT and a BDIA ViT on real digits, side by side (1 to 3 minutes).

    On a terminal the console shows the runs while they train; elsewhere progress lines and a table are printed.
    """
    lab = opened(context)
    planned = lab.plan("demo", assigned(settings))
    verdicts = lab.judge(planned.plans, set_in=planned.set_in, run_own_code=True)
    verdicts.refuse_if_none()
    say_partly(planned.settings, planned.plans)
    say_left_out(verdicts)
    planned = planned.only(verdicts.fit)
    if headless or not (sys.stdout.isatty() and sys.stdin.isatty()):
        _train_here(lab, planned)
        return
    from revconsole.console.session import run_console  # textual: only when the console opens

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
            help="Settings that may change once a run has begun: data.folder, data.place, model.weights, train.device, and "
            "train.epochs or train.steps if larger, which also lengthens a finished run.",
        ),
    ] = None,
    detach: Detach = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Treat the run's process as gone although it cannot be checked from here (another host, a container).",
        ),
    ] = False,
    now: Now = False,
) -> None:
    """Continue a run that was stopped, failed or lost, from its last checkpoint."""
    lab = opened(context)
    if run is not None and "=" in run and run not in {each.name for each in lab.store.list()}:
        settings, run = [run, *(settings or [])], None
    run_id, wanted = lab.store.find(run) if run else lab.to_resume(), assigned(settings)
    before = lab.store.read(run_id)
    if detach:
        answer = lab.resume(run_id, "process", wanted, take_over=take_over, now=now)
        if answer:
            output.say(f"{before.summary.name}  {answer}")
        typer.echo(run_id)
        if waiting := _waits(lab, lab.summary(run_id)):
            output.say(waiting)
        return
    with _compared(lab) as ids, leaving.runs_secured(lab):
        answer = lab.resume(run_id, "thread", wanted, take_over=take_over, now=now)
        ids.append(run_id)
        output.say(f"{before.summary.name}  {answer or 'continues from its last checkpoint'}")
        states = [followed(lab, run_id, known=before)]
    end_as(states)


def follow_to_end(
    tail: "Tail",
    until: Callable[[], bool] = lambda: False,
    known: "Run | None" = None,
    said: AbstractSet[str] = frozenset(),
    waits: "Callable[[Summary], str]" = lambda _: "",
    seen: "Callable[[Iterable[Summary]], object]" = lambda _: None,
) -> "Summary":
    """Print a line per finished epoch and per advice until the run ends or `until()` is true; returns the newest summary.

    known: the state of the run whose lines were printed before; they are not printed again, nor is the advice `said`.
    waits: says behind which runs a run waits, which is printed once. seen: is called with each state of the run.
    """
    progress, waiting = TrainProgress(known, said), ""
    while True:
        over = until()
        run = tail.run()
        if not waiting and (waiting := waits(run.summary)):
            output.say(f"{run.summary.name}  {waiting}")
        progress.show(run)
        seen([run.summary])
        if run.summary.ended:
            progress.close(run)
        if run.summary.ended or over:
            return run.summary
        time.sleep(WAITING_SECONDS if waiting and run.summary.state == "queued" else POLL_SECONDS)


def followed(
    lab: "Lab", run_id: str, known: "Run | None" = None, said: AbstractSet[str] = frozenset()
) -> str:
    """Follow a run of this process; returns its final state, or ELSEWHERE, UNRECORDED or DELETED.

    Prints a sentence for the last three. The result for a run that finished with an alarm is the alarm.
    """
    try:
        last = follow_to_end(
            lab.store.follow(run_id),
            until=lambda: run_id not in lab.busy(),
            known=known,
            said=said,
            waits=lambda run: _waits(lab, run),
            seen=ends_of(lab),
        )
    except NoSuchRun:
        output.say(f"{run_id} was deleted; its training has ended")
        return DELETED
    problem = lab.unrecorded(run_id)
    if last.ended and (last.state != "finished" or not problem):
        return last.alarm if last.state == "finished" and last.alarm else last.state
    if problem:
        output.say(f"{run_id} ({last.name}) has no recorded end: {problem}")
        return UNRECORDED
    if lab.moved(run_id):
        output.say(f"{run_id} continues in the background; `revconsole watch {run_id}` follows it")
    else:
        output.say(f"{run_id} was taken over by another process, and is {last.state}")
    return ELSEWHERE


def still_there(lab: "Lab", ids: Sequence[str]) -> list[str]:
    """The ids among these whose runs have not been deleted."""
    ids_left = []
    for run_id in ids:
        with suppress(NoSuchRun):
            ids_left.append(lab.summary(run_id).id)
    return ids_left


def _say_time(lab: "Lab", planned: "Planned", profile: str) -> None:
    """Print how long all runs would take, estimated from finished runs; nothing is measured and torch is not loaded."""
    from revconsole.records.settings.typing_again import command_line  # the records: only here

    forecast = lab.forecast(lab.standings_of(planned.plans, ()))
    measures = (
        f"`{command_line(profile, planned.settings, 'study run')} --dry-run` measures a few steps"
    )
    output.say(f"time: {forecast.sentence}{f'; {measures}' if forecast.unknown else ''}")


def say_partly(settings: Mapping[str, object], plans: "Sequence[Plan]") -> None:
    """Print which settings apply to only some of the runs."""
    from revconsole.lab import planning  # as above

    for sentence in planning.partly(settings, plans):
        output.say(sentence)


def ends_of(lab: "Lab") -> "Callable[[Iterable[Summary]], object]":
    """What is to be called with the runs that are followed, so that their ends are told."""
    from revconsole.lab.ends import SeenEnds  # as above
    from revconsole.records.config.config import read_config

    return SeenEnds(lab, read_config(), output.ring).look


def _waits(lab: "Lab", run: "Summary") -> str:
    """Behind which runs a run waits; empty if it does not."""
    from revconsole.lab import queue  # as above

    return queue.waits(lab.store, run)


def say_left_out(verdicts: "Verdicts") -> None:
    """Print which runs are left out, with the reason."""
    for sentence in verdicts.sentences:
        output.say(sentence)


def _train_detached(lab: "Lab", planned: "Planned", *, now: bool) -> None:
    output.say_forecasts(planned.plans)
    output.say_notes(lab.noted(planned.plans, now=now).lines)
    ids = lab.launch(planned, "process", now=now)
    for run_id in ids:
        typer.echo(run_id)
    if not now and (waiting := _waits(lab, lab.summary(ids[0]))):
        output.say(f"the first of them {waiting}" if ids[1:] else waiting)
    output.say(
        "training in the background; `revconsole watch` follows it, `revconsole stop` ends it"
    )


def _train_here(lab: "Lab", planned: "Planned", *, now: bool = False) -> None:
    notes = lab.noted(planned.plans, now=now)
    with _compared(lab) as ids, leaving.runs_secured(lab):
        ids.extend(lab.launch(planned, "thread", now=now))
        output.say_forecasts(planned.plans)
        output.say_notes(notes.lines)
        some = "run" if len(ids) == 1 else "runs"
        output.say(f"{len(ids)} {some} in {lab.store.root}; Ctrl-C stops with a checkpoint")
        states = [followed(lab, run_id, said=notes.texts) for run_id in ids]
    end_as(states)


@contextmanager
def _compared(lab: "Lab") -> Iterator[list[str]]:
    """Yield a list of ids; when training ends in any way, print the comparison of the runs in it."""
    ids: list[str] = []
    try:
        yield ids
    finally:
        if present := still_there(lab, ids):
            output.print_comparison(lab.compare(present), plain=True)


def end_as(states: Sequence[str]) -> None:
    """Raise typer.Exit with 130 if a run was stopped, with 1 if one failed or ended in an alarm; return if all finished."""
    if "stopped" in states:
        raise typer.Exit(130)
    if set(states) - {"finished", "pruned", ELSEWHERE}:
        raise typer.Exit(1)
