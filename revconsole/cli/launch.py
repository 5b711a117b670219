"""Verbs that start training: train, demo, resume."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, leaving, output
from revconsole.cli.arguments import Detach, Now, On, Profile, Settings, Yes, assigned
from revconsole.cli.following import end_as, followed, still_there, waits_for
from revconsole.cli.opening import opened

if TYPE_CHECKING:
    from revconsole.cli.on_slurm import SlurmLaunch
    from revconsole.lab.judging import Verdicts
    from revconsole.lab.lab import Lab
    from revconsole.lab.planning import Planned
    from revconsole.records.settings.plan import Plan


def train(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    detach: Detach = False,
    now: Now = False,
    on: On = "",
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs, and stop.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print every resolved setting, and stop.")
    ] = False,
) -> None:
    """Train every run of a profile, one after the other.

    On a device one run trains at a time: these wait for what trains and waits there already, unless it is `--now`.
    Ctrl-C stops after the current step and writes a checkpoint; `resume` continues from it. In jobs of Slurm (`--on`) it
    detaches, and the jobs go on.
    """
    lab = opened(context)
    planned = lab.plan(profile, assigned(settings))
    if print_config:
        output.print_plans(planned.plans)
        return
    slurm = slurm_of(context, lab, on, now=now)
    ask = slurm.ask if slurm else None
    verdicts = lab.judge(planned.plans, set_in=planned.set_in, run_own_code=not dry_run, ask=ask)
    verdicts.refuse_if_none()
    say_partly(planned.settings, planned.plans)
    planned = planned.only(verdicts.fit)
    if dry_run:
        output.print_dry_run(verdicts)
        output.say_notes(lab.noted(planned.plans, now=now).lines)
        _say_time(lab, planned, profile)
        if slurm:
            slurm.say_plan(lab.standings_of(planned.plans, ()))
        return
    say_left_out(verdicts)
    if slurm:
        slurm.agree(lab.standings_of(planned.plans, ()), yes=yes)
        slurm.follow(lab.launch(planned, slurm.launcher), detach=detach)
    elif detach:
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
    on: On = "",
    yes: Yes = False,
) -> None:
    """Continue a run that was stopped, failed or lost, from its last checkpoint."""
    lab = opened(context)
    slurm = slurm_of(context, lab, on, now=now)
    if run is not None and "=" in run and run not in {each.name for each in lab.store.list()}:
        settings, run = [run, *(settings or [])], None
    run_id, wanted = lab.store.find(run) if run else lab.to_resume(), assigned(settings)
    before = lab.store.read(run_id)
    if slurm:
        slurm.agree(lab.standings_of([before.plan], [before.summary]), yes=yes)
        if answer := lab.resume(run_id, slurm.launcher, wanted, take_over=take_over):
            output.say(f"{before.summary.name}  {answer}")
        slurm.follow([run_id], detach=detach)
        return
    if detach:
        answer = lab.resume(run_id, "process", wanted, take_over=take_over, now=now)
        if answer:
            output.say(f"{before.summary.name}  {answer}")
        typer.echo(run_id)
        if waiting := waits_for(lab, lab.summary(run_id)):
            output.say(waiting)
        return
    with _compared(lab) as ids, leaving.runs_secured(lab):
        answer = lab.resume(run_id, "thread", wanted, take_over=take_over, now=now)
        ids.append(run_id)
        output.say(f"{before.summary.name}  {answer or 'continues from its last checkpoint'}")
        states = [followed(lab, run_id, known=before)]
    end_as(states)


def slurm_of(context: typer.Context, lab: "Lab", on: str, *, now: bool) -> "SlurmLaunch | None":
    """The launches at the place that `--on` names; None without one. Raises RevconsoleError; see `on_slurm.chosen`."""
    if not on:
        return None
    from revconsole.cli import on_slurm  # the lab: only with a place

    return on_slurm.chosen(context, lab, on, now=now)


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
    if not now and (waiting := waits_for(lab, lab.summary(ids[0]))):
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
