"""A search in the verbs of studies: study run, show, resume of a file with `[search]`."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from revconsole.cli import leaving, output, pooled
from revconsole.cli.following import end_as
from revconsole.cli.launch import say_left_out
from revconsole.lab import format as form
from revconsole.records.printable import plural

if TYPE_CHECKING:
    from revconsole.cli.on_slurm import SlurmLaunch
    from revconsole.lab.lab import Lab
    from revconsole.lab.launchers.process import Workers
    from revconsole.lab.search.search_pool import SearchPool
    from revconsole.lab.search.searching import Searching, SearchStanding
    from revconsole.records.runs.run import Summary
    from revconsole.records.search.launched import SearchLaunch

COLUMNS = ["run of", "seed", "state", "epoch", "goal", "test accuracy", "time", "drawn", "run"]


def run(
    lab: "Lab",
    study: str,
    settings: Mapping[str, Any],
    *,
    quick: bool,
    names: tuple[str, ...] = (),
    per_device: str = "",
    slurm: "SlurmLaunch | None" = None,
    detach: bool = False,
    now: bool = False,
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Draw and train the trials that are left, then repeat the best, in a background process or in jobs that are followed.

    names: the device of each worker of the process. Raises typer.Exit with the code of `study run`.
    """
    from revconsole.records.search.optuna_here import optuna_loaded

    searching = _searching(lab, study, pooled.settled(settings, names), quick=quick)
    planned, ask = searching.planned, slurm.ask if slurm else None
    with optuna_loaded():
        verdicts = lab.judge(
            planned.kinds, set_in=planned.set_in, run_own_code=not dry_run, ask=ask
        )
    verdicts.refuse_if_none()
    say_left_out(verdicts)
    workers = pooled.workers(lab, planned.kinds, names, per_device)
    standing = searching.standing()
    output.say(f"{planned.study.name}: {standing.sentence}")
    if dry_run:
        _print_space(searching)
    if standing.done < standing.total and slurm:
        _submit(lab, searching, slurm, detach=detach, yes=yes, dry_run=dry_run)
    elif standing.done < standing.total:
        at_once = len(workers.slots) if workers else 1
        output.say(f"time: {at_most(searching, measure=True, at_once=at_once)}")
        if not dry_run:
            _train(lab, searching, workers, detach=detach, now=now)
    if not dry_run:
        _say_what_next(searching, settings)


def _train(
    lab: "Lab", searching: "Searching", workers: "Workers | None", *, detach: bool, now: bool
) -> None:
    from revconsole.lab.search import launching  # as above

    launch = launching.launch(lab, searching, workers or launching.ALONE, now=now)
    if not detach:
        _follow(lab, searching, launch)
        return
    typer.echo(launch.holder.pid if launch.holder else "")
    output.say(
        "searching in the background; `revconsole study show` shows the progress, `revconsole study stop` stops it with a checkpoint"
    )


def _submit(
    lab: "Lab",
    searching: "Searching",
    slurm: "SlurmLaunch",
    *,
    detach: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Submit workers for what is left, if the user agrees; in a dry run only show what that would be."""
    from revconsole.cli.on_slurm import agree, say_script  # the lab: only with a place
    from revconsole.lab.launchers.slurm import asking, search_jobs
    from revconsole.lab.search import launching

    place = slurm.place.sized(max(plan.train.ranks for plan in searching.planned.kinds))
    now = searching.standing()
    count = search_jobs.workers(place, now.total - now.done)
    launch = launching.new_launch(searching)

    def asked() -> None:
        output.say(
            f"{asking.asked_for(place, count)}; each draws and trains trials until none is left"
        )
        output.say(f"time: {at_most(searching, at_once=count)}")

    def plan() -> None:
        say_script(search_jobs.text(place, lab.store, launch, count).splitlines())
        asked()

    if dry_run:
        plan()
        return
    lab.refuse_changes()
    agree(plan, asked, yes=yes)
    launch = search_jobs.submit(place, lab.store, launch, count)
    typer.echo(launch.job)
    output.say(
        f"submitted as Slurm job {launch.job}; `revconsole study show` shows the progress, `revconsole study stop` ends it"
    )
    if detach:
        return
    output.say("Ctrl-C detaches, the jobs go on")
    try:
        _print_runs(lab, searching, _pool(lab, searching, launch), count)
    except KeyboardInterrupt:
        output.say("detached, the jobs go on")


def _say_what_next(searching: "Searching", settings: Mapping[str, Any]) -> None:
    from revconsole.lab.search.journal import keep_journal  # as above
    from revconsole.records.settings.typing_again import command_line

    planned, now = searching.planned, searching.standing()
    if any(run.settled for run in now.trials):
        output.say(f"for Optuna's own tools: {keep_journal(now)}")
    line = command_line(planned.named, settings, "report", quick=planned.quick)
    output.say(f"table and figures: {line}")


def show(lab: "Lab", study: str, settings: Mapping[str, Any], *, quick: bool, json: bool) -> None:
    """Show the trials of a search, the best so far, and who trains it."""
    from revconsole.lab.search import launching  # as above

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
    at_work = launching.at_work(lab.store, searching.planned.like.search)
    for each in at_work:
        output.say(f"trained by {launching.described(each)}")
    if standing.done < standing.total:
        output.say(f"time left: {at_most(searching, at_once=launching.at_once(at_work))}")


def stop(lab: "Lab", study: str, settings: Mapping[str, Any], *, quick: bool) -> None:
    """Let nobody draw for a search any more, and stop what trains. Raises WrongState if nobody does."""
    from revconsole.lab.search import launching  # as above

    lab.refuse_changes()
    searching = _searching(lab, study, settings, quick=quick)
    output.say(launching.stop(lab.store, searching.planned.like.search))


def at_most(searching: "Searching", *, measure: bool = False, at_once: int = 1) -> str:
    """How long the rest of a search takes at most, as a sentence. measure: a few steps, where nothing is known yet.

    at_once: how many of its runs train at the same time.
    """
    left, seconds = searching.seconds_at_most(measure=measure, at_once=at_once)
    runs = plural(left, "run")
    if not left:
        return "nothing left"
    if seconds is None:
        return f"{runs}, unknown until one is done"
    rule = searching.planned.search.stop_early
    less = "" if rule == "none" else f", less what {rule} saves"
    together = f", {at_once} at once" if at_once > 1 else ""
    return f"at most about {form.duration(seconds)} for {runs}{together}, each as long as the longest known{less}"


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


def _follow(lab: "Lab", searching: "Searching", launch: "SearchLaunch") -> None:
    """Print what a search does until its process ends. Raises typer.Exit with the code that the ends of its runs make."""
    at_once = max(1, len(launch.slots))
    where = " and ".join(f"{count} on {name}" for name, count in Counter(launch.slots).items())
    output.say(
        f"{f'{at_once} runs at once, {where}; ' if where else ''}Ctrl-C stops with a checkpoint; the same command continues"
    )
    pool = _pool(lab, searching, launch)
    with leaving.runs_secured(pool):
        states = _print_runs(lab, searching, pool, at_once)
    now = searching.standing()
    if now.done < now.total:
        output.say(f"the same command goes on with the search{_last_words(lab, launch)}")
    end_as(states or ["failed"])


def _pool(lab: "Lab", searching: "Searching", launch: "SearchLaunch") -> "SearchPool":
    from revconsole.lab.search.search_pool import SearchPool  # as above

    return SearchPool(lab, searching, launch)


def _print_runs(lab: "Lab", searching: "Searching", pool: "SearchPool", at_once: int) -> list[str]:
    """Print what the runs of a search do until nobody works for it any more; returns their final states."""

    def progress(rows: "Mapping[str, Summary]", states: "Mapping[str, str]") -> str:
        del rows, states
        return f"-- {searching.standing().sentence}; left: {at_most(searching, at_once=at_once)}"

    return pooled.follow(lab, pool, frozenset(), progress)


def _last_words(lab: "Lab", launch: "SearchLaunch") -> str:
    """The last line, after a colon, that the processes of a launch wrote."""
    from revconsole.records.files import bounded
    from revconsole.records.search.launched import OUTPUT, folder_of

    try:
        text = bounded.read(folder_of(lab.store, launch.search) / OUTPUT, bounded.RECORD_BYTES)
    except OSError:
        return ""
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    return f"; its last words were: {lines[-1][:300]}" if lines else ""


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
