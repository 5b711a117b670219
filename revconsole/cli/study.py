"""Verbs of studies: study list, run, show, resume."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, leaving, output, pooled, search, study_output
from revconsole.cli.arguments import Detach, Json, Now, On, Settings, Yes, assigned
from revconsole.cli.following import ELSEWHERE, end_as, followed, still_there
from revconsole.cli.launch import say_left_out, say_partly, slurm_of
from revconsole.cli.opening import opened
from revconsole.cli.profiles import print_experiments
from revconsole.errors import ProfileError, WrongState

if TYPE_CHECKING:
    from revconsole.cli.on_slurm import SlurmLaunch
    from revconsole.lab.judging import Verdicts
    from revconsole.lab.lab import Lab
    from revconsole.lab.launchers.process import Workers
    from revconsole.lab.study import PlannedStudy, Standing
    from revconsole.records.runs.run import Summary

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
    devices: pooled.Devices = "",
    per_device: pooled.PerDevice = "",
    on: On = "",
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs and their expected time, and stop.")
    ] = False,
) -> None:
    """Train every run of a study, one after the other; the same command again continues an unfinished study.

    Finished runs are reused and interrupted ones resumed. A run that fails, or that cannot be trained here, does not hold
    up the others. With --devices several train at once, in a background process: each device takes the next run, and one
    whose process was killed is taken again. The exit code is 1 if a run failed.
    """
    from revconsole.lab.study import new_plans  # as above
    from revconsole.records.settings.typing_again import command_line

    if _is_search(study):
        lab, pool = opened(context), bool(devices or per_device)
        search.run(
            lab, study, assigned(settings), quick=quick, names=pooled.chosen(devices, per_device), per_device=per_device,
            slurm=_slurm(context, lab, on, now=now, pool=pool), detach=detach, now=now, yes=yes, dry_run=dry_run,
        )  # fmt: skip
        return
    names = pooled.chosen(devices, per_device)
    lab, planned = _planned(context, study, settings, quick=quick, names=names)
    slurm = _slurm(context, lab, on, now=now, pool=bool(devices or per_device))
    standing = lab.standings(planned)
    new, ask = new_plans(standing), slurm.ask if slurm else None
    verdicts = lab.judge(new, set_in=planned.set_in, run_own_code=not dry_run, ask=ask)
    if len(new) == len(standing):
        verdicts.refuse_if_none()
    _say_begun(planned, standing, verdicts, dry_run=dry_run)
    fit = [each for each in standing if each.summary or not verdicts.why_not(each.plan)]
    notes = lab.noted(new_plans(fit), now=now)
    output.say_notes(notes.lines)
    workers = pooled.workers(lab, [each.plan for each in fit], names, per_device)
    if any(each.progress in {"to do", "interrupted"} for each in fit):
        at_once = len(workers.slots) if workers else 1
        output.say(f"time: {lab.forecast(fit, measure=not slurm, at_once=at_once).sentence}")
    if slurm:
        _submit(lab, fit, slurm, detach=detach, yes=yes, dry_run=dry_run)
    elif not dry_run:
        _go_on(lab, fit, detach=detach, now=now, said=notes.texts, workers=workers)
    if not dry_run:
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
    from revconsole.lab.going_on import at_once
    from revconsole.lab.study import tally  # as above

    if _is_search(study):
        search.show(opened(context), study, assigned(settings), quick=quick, json=json)
        return
    lab, planned = _planned(context, study, settings, quick=quick)
    runs = lab.store.list()
    standing = lab.standings(planned, runs)
    if json:
        output.print_json(study_output.body(planned, standing))
        return
    facts = planned.study.facts
    for word in ("title", "source", "expected", "time", "hardware"):
        if text := getattr(facts, word):
            output.say(f"{word}: {text}")
    study_output.print_standings(standing)
    forecast = lab.forecast(standing, runs, at_once=at_once(lab.store, standing))
    left = f"; time left: {forecast.sentence}" if forecast.left else ""
    output.say(f"{tally(standing)}{left}")
    _say_baseline(planned)
    for line in lab.elsewhere(planned, "study show", runs):
        output.say(f"with other settings, {line}")


@GROUP.command()
def resume(
    context: typer.Context,
    study: Name,
    detach: Detach = False,
    now: Now = False,
    devices: pooled.Devices = "",
    per_device: pooled.PerDevice = "",
    on: On = "",
    yes: Yes = False,
) -> None:
    """Resume every launched run of a study that has not finished, with the settings it was launched with."""
    from revconsole.lab.study import tally  # as above

    if _is_search(study):
        lab, pool = opened(context), bool(devices or per_device)
        search.run(
            lab, study, {}, quick=False, names=pooled.chosen(devices, per_device), per_device=per_device,
            slurm=_slurm(context, lab, on, now=now, pool=pool), detach=detach, now=now, yes=yes,
        )  # fmt: skip
        return
    names = pooled.chosen(devices, per_device)
    lab, planned = _planned(context, study, None, quick=False)
    slurm = _slurm(context, lab, on, now=now, pool=bool(devices or per_device))
    standing = lab.begun(planned)
    output.say(f"{planned.study.name}: {tally(standing)}")
    workers = pooled.workers(lab, [each.plan for each in standing], names, per_device)
    if slurm:
        _submit(lab, standing, slurm, detach=detach, yes=yes)
    else:
        _go_on(lab, standing, detach=detach, now=now, workers=workers)


@GROUP.command()
def stop(
    context: typer.Context, study: Name, settings: Settings = None, quick: Quick = False
) -> None:
    """Stop every run of a study that trains or waits, each with a checkpoint; of a search also draw no other trial."""
    from revconsole.lab.study import tally  # as above

    if _is_search(study):
        search.stop(opened(context), study, assigned(settings), quick=quick)
        return
    lab, planned = _planned(context, study, settings, quick=quick)
    going = [e.summary.id for e in lab.standings(planned) if e.progress == "running" and e.summary]
    if not going:
        raise WrongState(
            f"no run of {planned.study.name} trains or waits: {tally(lab.standings(planned))}"
        )
    output.say(lab.stop_runs(going, "study stop"))


def _say_begun(
    planned: "PlannedStudy", standing: "Sequence[Standing]", verdicts: "Verdicts", *, dry_run: bool
) -> None:
    """Print how far the study is, and which of its runs are left out."""
    from revconsole.lab.study import tally  # as above

    output.say(f"{planned.study.name}: {tally(standing)}{_left_out(verdicts)}")
    say_partly(planned.settings, planned.plans)
    _say_baseline(planned)
    if dry_run:
        study_output.print_standings(standing, verdicts)
    else:
        say_left_out(verdicts)


def _refuse_on(on: str, why: str) -> None:
    """Raise ProfileError if `--on` was given."""
    if on:
        raise ProfileError("command line", "--on", f"does not go with {why}")


def _slurm(
    context: typer.Context, lab: "Lab", on: str, *, now: bool, pool: bool
) -> "SlurmLaunch | None":
    """The place that `--on` names. pool: whether devices of this machine were named."""
    if pool:
        _refuse_on(
            on,
            "--devices and --per-device, which are of this machine; place.slurm.at_once says how many jobs run at once",
        )
    return slurm_of(context, lab, on, now=now)


def _submit(
    lab: "Lab",
    standing: "Sequence[Standing]",
    slurm: "SlurmLaunch",
    *,
    detach: bool,
    yes: bool,
    dry_run: bool = False,
) -> None:
    """Submit the runs that are neither done nor training, if the user agrees; in a dry run only show what that would be."""
    from revconsole.lab.study import to_launch  # as above

    left = to_launch(standing)
    if left and dry_run:
        slurm.say_plan(left)
    elif left:
        slurm.agree(left, yes=yes)
        slurm.follow(lab.go_on(left, slurm.launcher), detach=detach)


def _go_on(
    lab: "Lab",
    standing: "Sequence[Standing]",
    *,
    detach: bool,
    now: bool,
    said: AbstractSet[str] = frozenset(),
    workers: "Workers | None" = None,
) -> None:
    """Launch and follow the runs. said: notes that were printed already. workers: for several runs at once."""
    if detach:
        ids = lab.go_on(standing, workers or "process", now=now)
        for run_id in ids:
            typer.echo(run_id)
        if ids:
            output.say("training in the background; `revconsole study show` shows the progress")
        return
    if workers:
        ids, states = _pooled(lab, standing, now=now, said=said, workers=workers)
    else:
        ids, states = _here(lab, standing, now=now, said=said)
    if failed := [i for i, s in zip(ids, states, strict=True) if s not in {"finished", ELSEWHERE}]:
        output.say(
            f"{len(failed)} of {len(ids)} runs did not finish or ended with an alarm: {', '.join(failed)}"
        )
    end_as(states)


def _here(
    lab: "Lab", standing: "Sequence[Standing]", *, now: bool, said: AbstractSet[str]
) -> tuple[list[str], list[str]]:
    """Train the runs in this process, one after the other; returns ids and final states."""
    with leaving.runs_secured(lab):
        ids = lab.go_on(standing, now=now)
        if ids:
            output.say("Ctrl-C stops with a checkpoint; the same command continues")
        return ids, _followed(lab, ids, said)


def _pooled(
    lab: "Lab",
    standing: "Sequence[Standing]",
    *,
    now: bool,
    said: AbstractSet[str],
    workers: "Workers",
) -> tuple[list[str], list[str]]:
    """Train the runs several at once in a background process, and follow them; returns ids and final states."""
    from revconsole.lab.pool import Pool  # as above

    ids = lab.go_on(standing, workers, now=now)
    pool = Pool(lab, ids)
    if ids:
        where = " and ".join(f"{count} on {name}" for name, count in Counter(workers.slots).items())
        output.say(
            f"{len(workers.slots)} runs at once, {where}; Ctrl-C stops with a checkpoint, the same command continues"
        )

    def progress(rows: "Mapping[str, Summary]", states: "Mapping[str, str]") -> str:
        left = [row for run_id, row in rows.items() if run_id not in states]
        if not left:
            return ""
        return _progress(lab, len(rows), list(states.values()), left, len(workers.slots))

    with leaving.runs_secured(pool):
        return ids, pooled.follow(lab, pool, said, progress) if ids else []


def _followed(lab: "Lab", ids: Sequence[str], said: AbstractSet[str]) -> list[str]:
    """Follow runs to their ends, one after the other; returns their final states."""
    states: list[str] = []
    for run_id in ids:
        states.append(followed(lab, run_id, said=said))
        if len(states) < len(ids):
            left = [lab.summary(each) for each in still_there(lab, ids[len(states) :])]
            output.say(_progress(lab, len(ids), states, left))
    return states


def _progress(
    lab: "Lab", count: int, states: Sequence[str], left: "Sequence[Summary]", at_once: int = 1
) -> str:
    """How many of the runs are over, and how long those that are left take. states: of those that are over."""
    from revconsole.lab.study import Standing  # as above

    standing = [Standing(plan=s.plan, summary=s) for s in left]
    failed = len([state for state in states if state not in {"finished", ELSEWHERE}])
    trouble = f", {failed} not finished or with an alarm" if failed else ""
    time = lab.forecast(standing, at_once=at_once).sentence
    return f"-- {len(states)} of {count} runs{trouble}; left: {time}"


def _is_search(study: str) -> bool:
    from revconsole.records.settings import search_path  # as above

    return search_path.find(study, "study").search is not None


def _planned(
    context: typer.Context,
    study: str,
    settings: list[str] | None,
    *,
    quick: bool,
    names: Sequence[str] = (),
) -> "tuple[Lab, PlannedStudy]":
    lab, given = opened(context), assigned(settings)
    planned = lab.study(study, pooled.settled(given, names), quick=quick)
    return lab, replace(planned, settings=given)


def _say_baseline(planned: "PlannedStudy") -> None:
    if note := planned.study.left_out(planned.arms):
        output.say(note)


def _left_out(verdicts: "Verdicts") -> str:
    """How many runs cannot be trained, as the end of the sentence with the tally."""
    return f", {len(verdicts.unfit)} of them left out" if verdicts.unfit else ""
