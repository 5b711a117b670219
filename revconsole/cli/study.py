"""Verbs of studies: study list, run, show, resume."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, leaving, output, search
from revconsole.cli.arguments import Detach, Json, Now, Settings, assigned
from revconsole.cli.launch import ELSEWHERE, end_as, followed, say_left_out, say_partly, still_there
from revconsole.cli.opening import opened
from revconsole.cli.profiles import print_experiments
from revconsole.lab import format as form

if TYPE_CHECKING:
    from revconsole.lab.judging import Verdicts
    from revconsole.lab.lab import Lab
    from revconsole.lab.study import PlannedStudy, Standing

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
    """List the experiments of several runs: those of the working folder first, then those shipped with revconsole."""
    from revconsole.records.settings import search_path  # the records: no `--help` waits for them

    print_experiments(search_path.studies(), json=json)


@GROUP.command()
def run(
    context: typer.Context,
    study: Name,
    settings: Settings = None,
    quick: Quick = False,
    detach: Detach = False,
    now: Now = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs and their expected time, and stop.")
    ] = False,
) -> None:
    """Train every run of a study, one after the other; the same command again continues an unfinished study.

    Finished runs are reused and interrupted ones resumed. A run that fails, or that cannot be trained here, does not hold
    up the others. The exit code is 1 if a run failed.
    """
    from revconsole.lab.study import new_plans, tally  # as above
    from revconsole.records.settings.typing_again import command_line

    if _is_search(study):
        search.run(
            opened(context),
            study,
            assigned(settings),
            quick=quick,
            detach=detach,
            now=now,
            dry_run=dry_run,
        )
        return
    lab, planned = _planned(context, study, settings, quick=quick)
    standing = lab.standings(planned)
    new = new_plans(standing)
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
    notes = lab.noted(new_plans(fit), now=now)
    output.say_notes(notes.lines)
    if any(each.progress in {"to do", "interrupted"} for each in fit):
        output.say(f"time: {lab.forecast(fit, measure=True).sentence}")
    if not dry_run:
        _go_on(lab, fit, detach=detach, now=now, said=notes.texts)
        line = command_line(planned.named, planned.settings, "report", quick=planned.quick)
        output.say(f"table and figures: {line}")


@GROUP.command()
def show(
    context: typer.Context,
    study: Name,
    settings: Settings = None,
    quick: Quick = False,
    json: Json = False,
) -> None:
    """Show the question of a study, its runs and their progress."""
    from revconsole.lab.study import tally  # as above

    if _is_search(study):
        search.show(opened(context), study, assigned(settings), quick=quick, json=json)
        return
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
    forecast = lab.forecast(standing, runs)
    left = f"; time left: {forecast.sentence}" if forecast.left else ""
    output.say(f"{tally(standing)}{left}")
    _say_baseline(planned)
    for line in lab.elsewhere(planned, "study show", runs):
        output.say(f"with other settings, {line}")


@GROUP.command()
def resume(context: typer.Context, study: Name, detach: Detach = False, now: Now = False) -> None:
    """Resume every launched run of a study that has not finished, with the settings it was launched with."""
    from revconsole.lab.study import tally  # as above

    if _is_search(study):
        search.run(opened(context), study, {}, quick=False, detach=detach, now=now)
        return
    lab, planned = _planned(context, study, None, quick=False)
    standing = lab.begun(planned)
    output.say(f"{planned.study.name}: {tally(standing)}")
    _go_on(lab, standing, detach=detach, now=now)


def _go_on(
    lab: "Lab",
    standing: "Sequence[Standing]",
    *,
    detach: bool,
    now: bool,
    said: AbstractSet[str] = frozenset(),
) -> None:
    """Launch and follow the runs. said: notes that were printed already."""
    if detach:
        for run_id in lab.go_on(standing, "process", now=now):
            typer.echo(run_id)
        output.say("training in the background; `revconsole study show` shows the progress")
        return
    with leaving.runs_secured(lab):
        ids = lab.go_on(standing, now=now)
        if ids:
            output.say("Ctrl-C stops with a checkpoint; the same command continues")
        states = _followed(lab, ids, said)
    if failed := [i for i, s in zip(ids, states, strict=True) if s not in {"finished", ELSEWHERE}]:
        output.say(
            f"{len(failed)} of {len(ids)} runs did not finish or ended with an alarm: {', '.join(failed)}"
        )
    end_as(states)


def _followed(lab: "Lab", ids: Sequence[str], said: AbstractSet[str]) -> list[str]:
    """Follow runs to their ends, one after the other; returns their final states."""
    states: list[str] = []
    for run_id in ids:
        states.append(followed(lab, run_id, said=said))
        if len(states) < len(ids):
            output.say(_progress(lab, ids, states))
    return states


def _progress(lab: "Lab", ids: Sequence[str], states: Sequence[str]) -> str:
    from revconsole.lab.study import Standing  # as above

    remaining = still_there(lab, ids[len(states) :])
    left = [Standing(plan=s.plan, summary=s) for s in map(lab.summary, remaining)]
    failed = len([state for state in states if state not in {"finished", ELSEWHERE}])
    trouble = f", {failed} not finished or with an alarm" if failed else ""
    return f"-- {len(states)} of {len(ids)} runs{trouble}; left: {lab.forecast(left).sentence}"


def _is_search(study: str) -> bool:
    from revconsole.records.settings import search_path  # as above

    return search_path.find(study, "study").search is not None


def _planned(
    context: typer.Context, study: str, settings: list[str] | None, *, quick: bool
) -> "tuple[Lab, PlannedStudy]":
    lab = opened(context)
    return lab, lab.study(study, assigned(settings), quick=quick)


def _say_baseline(planned: "PlannedStudy") -> None:
    if note := planned.study.left_out(planned.arms):
        output.say(note)


def _left_out(verdicts: "Verdicts") -> str:
    """How many runs cannot be trained, as the end of the sentence with the tally."""
    return f", {len(verdicts.unfit)} of them left out" if verdicts.unfit else ""


def _print_standings(standing: "Sequence[Standing]", verdicts: "Verdicts | None" = None) -> None:
    """Print every run with its state; of runs that were judged, also why they are left out."""
    reasons = [
        verdicts.why_not(each.plan) if verdicts is not None and each.summary is None else None
        for each in standing
    ]
    rows = [_cells(each) for each in standing]
    for cells, why in zip(rows, reasons, strict=True):
        cells[COLUMNS.index("state")] = output.LEFT_OUT if why else cells[COLUMNS.index("state")]
    output.print_judged(COLUMNS, rows, reasons, yields=["time", "epoch"], stays=["seed", "state"])


def _cells(each: "Standing") -> list[str]:
    s, epochs = each.summary, each.plan.epochs
    state: str = each.progress if s is None or s.state == "finished" else s.state
    state += f", {s.alarm}" if s and s.alarm else ""
    return [
        each.plan.arm, str(each.plan.seed), state, f"{s.epoch if s else 0}/{epochs}",
        form.percent(s.test_accuracy if s else None),
        form.duration(s.seconds if s and s.attempt else None), s.id if s else "",
    ]  # fmt: skip


def _body(planned: "PlannedStudy", standing: "Sequence[Standing]") -> dict[str, object]:
    from revconsole.lab import rows  # as above

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
