"""A search in the verbs of studies: study run, show, resume of a file with `[search]`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from revconsole.cli import leaving, output
from revconsole.cli.following import ELSEWHERE, end_as, followed
from revconsole.cli.launch import say_left_out
from revconsole.errors import AlreadyClaimed
from revconsole.lab import format as form
from revconsole.records.printable import plural

if TYPE_CHECKING:
    from revconsole.lab.lab import Lab
    from revconsole.lab.search.searching import Searching, SearchStanding

COLUMNS = ["run of", "seed", "state", "epoch", "goal", "test accuracy", "time", "drawn", "run"]


def run(
    lab: "Lab",
    study: str,
    settings: Mapping[str, Any],
    *,
    quick: bool,
    detach: bool = False,
    now: bool = False,
    dry_run: bool = False,
) -> None:
    """Draw and train the trials that are left, then repeat the best. Raises typer.Exit with the code of `study run`."""
    from revconsole.lab.search.journal import keep_journal
    from revconsole.records.search.optuna_here import optuna_loaded
    from revconsole.records.settings.typing_again import command_line

    searching = _searching(lab, study, settings, quick=quick)
    planned = searching.planned
    with optuna_loaded():
        verdicts = lab.judge(planned.kinds, set_in=planned.set_in, run_own_code=not dry_run)
    verdicts.refuse_if_none()
    say_left_out(verdicts)
    standing = searching.standing()
    output.say(f"{planned.study.name}: {standing.sentence}")
    if dry_run:
        _print_space(searching)
    if standing.done < standing.total:
        output.say(f"time: {at_most(searching, measure=True)}")
    if dry_run:
        return
    lab.refuse_changes()
    if detach:
        _detached(lab, searching)
        return
    _train(lab, searching, now=now)
    output.say(f"for Optuna's own tools: {keep_journal(searching.standing())}")
    line = command_line(planned.named, planned.settings, "report", quick=planned.quick)
    output.say(f"table and figures: {line}")


def show(lab: "Lab", study: str, settings: Mapping[str, Any], *, quick: bool, json: bool) -> None:
    """Show the trials of a search, and the best so far."""
    searching = _searching(lab, study, settings, quick=quick)
    standing = searching.standing()
    if json:
        output.print_json(body(standing))
        return
    output.say(f"title: {searching.planned.study.facts.title}")
    _print_trials(standing)
    output.say(standing.sentence)
    if standing.best is not None:
        values = ", ".join(f"{key}={value}" for key, value in standing.best.trial.values.items())
        output.say(
            f"best: trial {standing.best.trial.number}, {values} (run {standing.best.summary.id})"
        )
    if standing.done < standing.total:
        output.say(f"time left: {at_most(searching)}")


def at_most(searching: "Searching", *, measure: bool = False) -> str:
    """How long the rest of a search takes at most, as a sentence. measure: a few steps, where nothing is known yet."""
    left, seconds = searching.seconds_at_most(measure=measure)
    runs = plural(left, "run")
    if not left:
        return "nothing left"
    if seconds is None:
        return f"{runs}, unknown until one is done"
    rule = searching.planned.search.stop_early
    less = "" if rule == "none" else f", less what {rule} saves"
    return f"at most about {form.duration(seconds)} for {runs}, each as long as the longest known{less}"


def body(standing: "SearchStanding") -> dict[str, object]:
    """A search as `--json` prints it."""
    from revconsole.lab import rows  # the records: no `--help` waits for them

    planned = standing.planned
    return {
        "study": planned.study.name,
        "title": planned.study.facts.title,
        "quick": planned.quick,
        "search": planned.like.search,
        "goal": planned.like.metric,
        "trials_planned": planned.search.trials,
        "best": None if standing.best is None else standing.best.trial.number,
        "trials": [
            {
                "number": run.trial.number,
                "values": run.trial.values,
                "reached": run.best,
                "run": rows.row(run.summary),
            }
            for run in standing.trials
        ],
        "repeats": [
            {
                "seed": each.plan.seed,
                "progress": each.progress,
                "run": rows.row(each.summary) if each.summary else None,
            }
            for each in standing.repeats
        ],
    }


def _searching(lab: "Lab", study: str, settings: Mapping[str, Any], *, quick: bool) -> "Searching":
    from revconsole.lab.search.searching import Searching
    from revconsole.records.search.planned_search import planned_search  # as above

    return Searching(lab, planned_search(study, settings, lab.store, quick=quick))


def _train(lab: "Lab", searching: "Searching", *, now: bool) -> None:
    states: dict[str, str] = {}
    with leaving.runs_secured(lab):
        output.say("Ctrl-C stops with a checkpoint; the same command continues")
        while (each := searching.next()) is not None:
            try:
                (run_id,) = lab.go_on([each], now=now)
            except AlreadyClaimed:  # another process draws for the same search, and was first
                continue
            states[run_id] = followed(lab, run_id)
            if states[run_id] in {ELSEWHERE, "stopped"}:
                output.say("the same command goes on with the search")
                break
            output.say(f"-- {searching.standing().sentence}; left: {at_most(searching)}")
    end_as([*states.values()])


def _detached(lab: "Lab", searching: "Searching") -> None:
    from revconsole.lab.search.detached import detach

    process = detach(lab.store, searching.planned)
    typer.echo(process.pid)
    output.say(
        "searching in the background; `revconsole study show` shows the progress, `kill` and this number stop it with a checkpoint"
    )


def _print_space(searching: "Searching") -> None:
    planned = searching.planned
    output.print_table(["drawn", "from"], [[each.key, each.words] for each in planned.search.space])
    search, like = planned.search, planned.like
    rule = (
        "none is stopped early"
        if search.stop_early == "none"
        else f"{search.stop_early} stops trials early from epoch {like.stop_from} of {planned.epochs} on"
    )
    output.say(
        f"{search.trials} trials, method {search.method} with seed {search.seed}, for {like.goal.words}; {rule}; the best is "
        f"repeated with {search.repeat_best} other seeds"
    )


def _print_trials(standing: "SearchStanding") -> None:
    from revconsole.lab.search.searching import drawn_words  # as above
    from revconsole.records.search.early import shown

    goals = {run.summary.id: run for run in standing.trials}
    rows = []
    for each in standing.standings:
        s, trial = each.summary, goals.get(each.summary.id) if each.summary else None
        best = trial.best if trial else s.best_validation_accuracy if s else None
        rows.append([
            each.plan.arm, str(each.plan.seed), s.state if s else each.progress,
            f"{s.epoch if s else 0}/{each.plan.epochs}",
            form.UNKNOWN if best is None else shown(standing.planned.like.goal, best),
            form.percent(s.test_accuracy if s else None),
            form.duration(s.seconds if s and s.attempt else None),
            drawn_words(trial) if trial else "",
            s.id if s else "",
        ])  # fmt: skip
    goal = standing.planned.like.goal.words
    columns = [goal if name == "goal" else name for name in COLUMNS]
    output.print_table(
        columns, rows, yields=["time", "epoch", "test accuracy"], stays=["seed", "state"]
    )
