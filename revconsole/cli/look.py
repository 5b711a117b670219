"""Verbs that show runs: ls, show, compare."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revconsole.cli import complete, output
from revconsole.cli.arguments import Json
from revconsole.cli.opening import opened
from revconsole.errors import ProfileError, UnknownName, WrongState
from revconsole.records.printable import one_line, printable

if TYPE_CHECKING:
    from revconsole.records.runs.run import Run

Address = Annotated[
    str, typer.Argument(help="Run: id or its beginning, name, or @1.", autocompletion=complete.runs)
]


Where = Annotated[
    str,
    typer.Option(
        help="Only runs that meet this filter, e.g. 'lr>1e-3 scheme:bdia state=running has:test NOT seed=2'."
    ),
]


def list_runs(
    context: typer.Context,
    json: Json = False,
    where: Where = "",
    columns: Annotated[
        str,
        typer.Option(
            help="Settings, metrics and facts to show, e.g. lr,seed,best,gradient_norm; auto: what tells the runs apart."
        ),
    ] = "",
    sort: Annotated[
        str, typer.Option(help="Sort by a setting, metric or fact; -best is the largest first.")
    ] = "",
    groups: Annotated[
        bool,
        typer.Option(
            "--groups",
            help="One row for the runs that differ only in their seed: mean ± deviation.",
        ),
    ] = False,
    limit: Annotated[int, typer.Option(help="The first so many; 0 lists all.", min=0)] = 0,
) -> None:
    """List the runs of the store, newest first. Piped, the table is tab-separated."""
    from revconsole.lab import queue  # the records: no `--help` waits for them
    from revconsole.lab.listing.listed import WantedList, list_of
    from revconsole.records.runs.strays import described

    lab = opened(context)
    runs = lab.store.list()
    wanted = WantedList(where=where, columns=columns, sort=sort, groups=groups, limit=limit)
    listed = list_of(runs, wanted)
    if json:
        output.print_json(listed.json())
    elif wanted.plain:
        output.print_runs(listed.runs, "" if runs else _no_runs(lab.store.root))
    else:
        output.print_table(*listed.table(), stays=["state"])
    if runs and not listed.runs:
        output.say(_none(len(runs), where))
    for line in queue.QueueReader(lab.store).read(runs):
        if line.waiting:
            output.say(line.sentence)
    for amiss in filter(None, (*lab.store.problems, described(lab.store.strays()))):
        output.say(amiss)


def _no_runs(store: Path) -> str:
    """Why there is no run: the store has none, or there is no such folder yet."""
    if store.is_dir():
        return output.NO_RUNS
    return f"no store at {one_line(str(store))} yet; the first run makes it. {output.NO_RUNS}"


def _none(runs: int, where: str) -> str:
    """Why no run is listed although there are some."""
    if not where:
        return "every run is archived: `revconsole ls --where archived=true` lists them"
    return f"no run of {runs} meets the filter {one_line(where)!r}"


def show(
    context: typer.Context,
    run: Address = "@1",
    json: Json = False,
    metric: Annotated[
        str, typer.Option(help="Print one metric, step and value separated by a tab.")
    ] = "",
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Print the confusion matrix of the test.")
    ] = False,
    boundary: Annotated[
        bool,
        typer.Option(
            "--boundary", help="Draw the decision boundary, for data that are points of the plane."
        ),
    ] = False,
    written: Annotated[
        bool,
        typer.Option(
            "--output",
            help="Print what its processes wrote on standard output and error, as far as it was kept.",
        ),
    ] = False,
) -> None:
    """Show one run: settings, facts, measurements, log."""
    from revconsole.cli import pictures  # as above
    from revconsole.lab import queue, rows

    lab = opened(context)
    shown = lab.store.read(lab.store.find(run))
    if written:
        _print_output(shown, json=json)
    elif boundary:
        if shown.boundary is None:
            raise ProfileError(
                shown.summary.name,
                "",
                "has no decision boundary; only runs on points of the plane have one (circles, moons, spirals)",
            )
        if json:
            output.print_json(asdict(shown.boundary))
        else:
            output.print_lines(pictures.of_boundary(shown.boundary))
    elif confusion:
        _print_confusion(shown, json=json)
    elif metric:
        _print_metric(shown, metric, json=json)
    elif json:
        output.print_json(rows.details(shown))
    else:
        output.print_run(shown)
        if waiting := queue.waits(lab.store, shown.summary):
            output.say(waiting)


def _print_output(shown: "Run", *, json: bool) -> None:
    texts = [line.text for line in shown.output]
    if json:
        output.print_json({"output": texts})
    elif texts:
        output.print_lines(map(printable, texts))
    else:
        name = shown.summary.name
        output.say(f"{name} has written nothing; what a run in a terminal writes is not kept")


def _print_confusion(shown: "Run", *, json: bool) -> None:
    if shown.confusion is None:
        raise UnknownName("confusion matrix of", shown.summary.name, [])
    if json:
        accuracies = list(shown.confusion.accuracies.values())
        output.print_json(asdict(shown.confusion) | {"accuracies": accuracies})
    else:
        output.print_confusion(shown.confusion)


def _print_metric(shown: "Run", metric: str, *, json: bool) -> None:
    if not shown.series:
        raise WrongState(f"run {shown.summary.id} ({shown.summary.name}) has measured nothing yet")
    series = shown.series.get(metric)
    if series is None:
        raise UnknownName("metric", metric, shown.series)
    if json:
        output.print_json({"metric": metric, "steps": series.steps, "values": series.values})
    else:
        output.print_series(series)


def compare(
    context: typer.Context,
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs to compare: ids, names, patterns, or a profile for all its runs; the first is the baseline.",
            autocompletion=complete.runs,
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write the comparison to this new file: the table as .md, .tex, .csv or .json, or the curves as .svg, .png or .pdf."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compare runs: the settings that differ, and the results."""
    from revconsole.lab import rows  # as above

    lab = opened(context)
    ids = lab.store.find_all(runs)
    compared = lab.compare(ids)
    if to is not None:
        from revconsole.lab.exports import (
            export,
        )  # the formats of reports: only when something is written

        export(compared, [lab.store.read(run_id) for run_id in ids], to)
        output.say(f"written: {to}")
    if json:
        output.print_json(rows.comparison(compared))
    elif to is None:
        output.print_comparison(compared)
