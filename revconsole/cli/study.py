"""Verbs of studies: study list, run, show, resume."""

from collections.abc import Sequence
from typing import Annotated

import typer

from revconsole.cli import complete, leaving, output
from revconsole.cli.arguments import Detach, Json, Settings
from revconsole.cli.launch import (
    ELSEWHERE,
    end_as,
    followed,
    say_left_out,
    say_partly,
    still_there,
)
from revconsole.cli.profiles import print_experiments
from revconsole.lab import format as form
from revconsole.lab import rows
from revconsole.lab.judging import Verdicts
from revconsole.lab.lab import Lab
from revconsole.lab.shell import command_line
from revconsole.lab.study import PlannedStudy, Standing, tally
from revconsole.records.settings import search_path
from revconsole.records.settings.profile import parse_assignments

Name = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="Name or path of an experiment (see `study list`, `profiles`).",
        autocompletion=complete.studies,
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="The short form: minutes on two CPU cores.")]
GROUP = typer.Typer(
    help="Repeat a whole sweep: several arms, each over the same seeds.", no_args_is_help=True
)
COLUMNS = ["arm", "seed", "state", "epoch", "test accuracy", "time", "run"]


@GROUP.command("list")
def list_studies(json: Json = False) -> None:
    """List the experiments of several runs: those of the working folder first, then those that came with revconsole."""
    print_experiments(search_path.studies(), json=json)


@GROUP.command()
def run(
    context: typer.Context,
    study: Name,
    settings: Settings = None,
    quick: Quick = False,
    detach: Detach = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and how long, and stop.")
    ] = False,
) -> None:
    """Train every run of a study one after the other; the same again goes on where it was left.

    What is done already is not trained again, what was interrupted goes on from its last checkpoint, and a run
    that fails, or is left out because it cannot be trained here, does not hold up the others. The exit code is 1 if
    any failed.
    """
    lab, planned = _planned(context, study, settings, quick=quick)
    standing = lab.standings(planned)
    new = [each.plan for each in standing if each.summary is None]
    verdicts = lab.judge(new, set_in=planned.set_in, run_own_code=not dry_run)
    if len(new) == len(standing):
        verdicts.refuse_if_none()
    output.say(f"{planned.study.name}: {tally(standing)}{_left_out(verdicts)}")
    say_partly(planned.settings, planned.plans)
    _say_baseline(planned)
    fit = [each for each in standing if each.summary or not verdicts.why_not(each.plan)]
    if dry_run:
        _print_standings(standing, verdicts)
    else:
        say_left_out(verdicts)
    if any(each.progress in {"to do", "interrupted"} for each in fit):
        output.say(f"time: {lab.forecast(fit, measure=True).sentence}")
    if not dry_run:
        _go_on(lab, fit, detach=detach)
        output.say(f"table and figures: {_report_line(planned)}")


@GROUP.command()
def show(
    context: typer.Context,
    study: Name,
    settings: Settings = None,
    quick: Quick = False,
    json: Json = False,
) -> None:
    """Show what a study asks, its runs, and how far they have come."""
    lab, planned = _planned(context, study, settings, quick=quick)
    runs = lab.store.list()
    standing = lab.standings(planned, runs)
    if json:
        output.print_json(_body(planned, standing))
        return
    facts = planned.study.facts
    for word in ("title", "source", "expected", "time", "hardware"):
        if text := getattr(facts, word):
            output.say(f"{word}: {text}")
    _print_standings(standing)
    output.say(f"{tally(standing)}; time left: {lab.forecast(standing, runs).sentence}")
    _say_baseline(planned)
    for line in lab.elsewhere(planned, "study show", runs):
        output.say(f"with other words, {line}")


@GROUP.command()
def resume(context: typer.Context, study: Name, detach: Detach = False) -> None:
    """Go on with every run of a study that was launched and has not finished, with the settings it had then."""
    lab, planned = _planned(context, study, None, quick=False)
    standing = lab.begun(planned)
    output.say(f"{planned.study.name}: {tally(standing)}")
    _go_on(lab, standing, detach=detach)


def _go_on(lab: Lab, standing: Sequence[Standing], *, detach: bool) -> None:
    if detach:
        for run_id in lab.go_on(standing, "process"):
            typer.echo(run_id)
        output.say("training in the background; `revconsole study show` says how far it is")
        return
    with leaving.runs_secured(lab):
        ids = lab.go_on(standing)
        if ids:
            output.say("Ctrl-C stops and keeps a checkpoint; the same command again goes on")
        states = _followed(lab, ids)
    if failed := [i for i, s in zip(ids, states, strict=True) if s not in {"finished", ELSEWHERE}]:
        output.say(
            f"{len(failed)} of {len(ids)} runs did not finish or have an alarm: {', '.join(failed)}"
        )
    end_as(states)


def _followed(lab: Lab, ids: Sequence[str]) -> list[str]:
    """Follow runs to their ends, one after the other; how they ended."""
    states: list[str] = []
    for run_id in ids:
        states.append(followed(lab, run_id))
        if len(states) < len(ids):
            output.say(_progress(lab, ids, states))
    return states


def _progress(lab: Lab, ids: Sequence[str], states: Sequence[str]) -> str:
    there = still_there(lab, ids[len(states) :])
    left = [Standing(plan=s.plan, summary=s) for s in map(lab.summary, there)]
    failed = len([state for state in states if state not in {"finished", ELSEWHERE}])
    trouble = f", {failed} not finished or with an alarm" if failed else ""
    return f"-- {len(states)} of {len(ids)} runs{trouble}; left: {lab.forecast(left).sentence}"


def _planned(
    context: typer.Context, study: str, settings: list[str] | None, *, quick: bool
) -> tuple[Lab, PlannedStudy]:
    lab = Lab(context.obj)
    return lab, lab.study(study, parse_assignments(settings), quick=quick)


def _say_baseline(planned: PlannedStudy) -> None:
    if said := planned.study.left_out(planned.arms):
        output.say(said)


def _report_line(planned: PlannedStudy) -> str:
    return command_line(planned.named, planned.settings, "report", quick=planned.quick)


def _left_out(verdicts: Verdicts) -> str:
    """How many runs cannot be trained, beside the tally."""
    return f", {len(verdicts.unfit)} of them left out" if verdicts.unfit else ""


def _print_standings(standing: Sequence[Standing], verdicts: Verdicts | None = None) -> None:
    """Every run with its state; of those that were judged, why they are left out."""
    reasons = [
        verdicts.why_not(each.plan) if verdicts is not None and each.summary is None else None
        for each in standing
    ]
    rows = [_cells(each) for each in standing]
    for cells, why in zip(rows, reasons, strict=True):
        cells[COLUMNS.index("state")] = output.LEFT_OUT if why else cells[COLUMNS.index("state")]
    output.print_judged(COLUMNS, rows, reasons, yields=["time", "epoch"], stays=["seed", "state"])


def _cells(each: Standing) -> list[str]:
    s, epochs = each.summary, each.plan.epochs
    state: str = each.progress if s is None or s.state == "finished" else s.state
    state += f", {s.alarm}" if s and s.alarm else ""
    return [
        each.plan.arm, str(each.plan.seed), state, f"{s.epoch if s else 0}/{epochs}",
        form.percent(s.test_accuracy if s else None),
        form.duration(s.seconds if s and s.attempt else None), s.id if s else "",
    ]  # fmt: skip


def _body(planned: PlannedStudy, standing: Sequence[Standing]) -> dict[str, object]:
    runs = [
        {
            "arm": each.plan.arm,
            "seed": each.plan.seed,
            "progress": each.progress,
            "run": rows.row(each.summary) if each.summary else None,
        }
        for each in standing
    ]
    return {
        "study": planned.study.name,
        "title": planned.study.facts.title,
        "quick": planned.quick,
        "baseline": planned.study.baseline(planned.arms).name,
        "runs": runs,
    }
