"""Preview: the run under the cursor beside a table: curve, results, settings that tell it apart, notes, advice.

Everything comes from the row of the run, so that moving the cursor reads nothing.
"""

from collections.abc import Iterable, Sequence

from rich.text import Text

from revconsole.console import aside, states
from revconsole.console.colours import themed
from revconsole.console.run_list import ListedRow
from revconsole.console.widgets.panes import Words
from revconsole.lab import format as shown
from revconsole.lab.listing.fields import RunField, named
from revconsole.lab.listing.groups import RunGroup
from revconsole.lab.listing.texts import age, epochs, group_text, number, text
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

Pair = tuple[str, str]
LABEL, MOST_ADVICE = 11, 3
LEVELS = {"alarm": "text-error", "warning": "text-warning", "note": "text-accent"}


class Preview(Words):
    """A column of text beside the table."""

    def show_row(self, row: ListedRow | None, telling: Sequence[RunField], width: int) -> None:
        """Show the run or group of a row, in `width` cells. telling: the settings that tell the runs of the table apart."""
        variables = self.app.theme_variables
        if row is None:
            self.show_text(Text(), layout=False)
        elif row.group is not None:
            self.show_text(_of_group(row.group, telling, variables, width), layout=False)
        else:
            self.show_text(_of_run(row.run, telling, variables, width), layout=False)


def _of_run(
    run: Summary, telling: Sequence[RunField], variables: dict[str, str], width: int
) -> Text:
    out = Text(overflow="fold")
    out.append(shown.shortened(one_line(run.name), width), style="bold")
    out.append("\n")
    out.append_text(states.shown(run.state, variables, alarm=run.alarm))
    out.append(f" · {_progress(run)}\n\n", style="dim")
    out.append_text(aside.loss(run.loss_curve, variables, width, given=bool(run.program)))
    _pairs(out, [(field.label, text(field, run)) for field in telling], width)
    _pairs(out, _results(run), width)
    _pairs(out, _costs(run), width)
    if run.reason:
        colour = "text-error" if run.ended else "text-muted"
        out.append(f"{one_line(run.reason, 300)}\n\n", style=themed(variables, colour))
    if run.tags:
        out.append(
            f"{' '.join('#' + tag for tag in run.tags)}\n", style=themed(variables, "accent")
        )
    if run.note:
        out.append(f"{one_line(run.note, 600)}\n")
    _advice(out, run, variables)
    return out


def _of_group(
    group: RunGroup, telling: Sequence[RunField], variables: dict[str, str], width: int
) -> Text:
    out = Text(overflow="fold")
    out.append(shown.shortened(one_line(group.name), width), style="bold")
    done = sum(run.state == "finished" for run in group.members)
    out.append(f"\n{done} of {len(group.members)} runs finished", style="dim")
    out.append(f" · seeds {group_text(named('seed'), group)}\n\n", style="dim")
    given = any(run.program for run in group.members)
    out.append_text(aside.loss(group.loss_curve(), variables, width, given=given))
    _pairs(out, [(f.label, group_text(f, group)) for f in telling if f.key != "seed"], width)
    fields = [named(name) for name in ("best", "test", "loss", "kept", "images_per_second", "time")]
    _pairs(out, [(field.label, _spread(group, field)) for field in fields], width)
    for run in group.members:
        sign = states.shown(run.state, variables, alarm=run.alarm, brief=True)
        out.append_text(sign)
        out.append(f" seed {run.plan.seed}", style="not bold")
        out.append(f"  test {shown.percent(run.test_accuracy)}\n", style="dim")
    return out


def _spread(group: RunGroup, field: RunField) -> str:
    """The mean of a measurement with its deviation and the number of runs behind it."""
    mean = group.spread(field)
    if mean is None:
        return shown.UNKNOWN
    percent = field.kind == "fraction"
    if mean.deviation is None or not percent:
        return f"{number(field, mean.mean)}  (n = {mean.n})"
    return f"{number(field, mean.mean)} ± {mean.deviation * 100:.1f}  (n = {mean.n})"


def _pairs(out: Text, pairs: Iterable[Pair], width: int) -> None:
    """Name and value, one pair a line; unknown values are left out. An empty line follows."""
    lines = [(name, value) for name, value in pairs if value not in {"", shown.UNKNOWN}]
    for name, value in lines:
        out.append(f"{shown.shortened(name, LABEL - 1):<{LABEL}}", style="dim")
        out.append(f"{shown.shortened(value, width - LABEL)}\n", style="not dim")
    if lines:
        out.append("\n")


def _progress(run: Summary) -> str:
    if not run.readable:
        return "its settings are not known"
    told = epochs(run)
    parts = [told if told.startswith("step") else f"epoch {told}"]
    if run.eta_seconds is not None:
        parts.append(f"{shown.clock(run.eta_seconds)} left")
    parts.append(age(float(named("age").value(run))))
    return " · ".join(parts)


def _results(run: Summary) -> list[Pair]:
    best = shown.percent(run.best_validation_accuracy)
    at = f" at epoch {run.best_epoch}" if run.best_epoch is not None else ""
    return [
        ("validation", f"{best}{at}" if best != shown.UNKNOWN else ""),
        ("k-NN", shown.percent(run.best_knn_accuracy)),
        ("test", shown.percent(run.test_accuracy)),
        ("grad error", shown.small(run.gradient_error)),
    ]


def _costs(run: Summary) -> list[Pair]:
    if not run.readable:
        return [("id", run.id)]
    model = text(named("architecture"), run)
    learnt = shown.learnt(run.parameters, run.support_vectors)
    speed = run.metrics.get("images_per_second")
    peak = shown.gibibytes(run.peak_memory_bytes)
    if run.foreseen_peak_bytes is not None:
        peak += f" (foreseen {shown.gibibytes(run.foreseen_peak_bytes)})"
    return [
        ("model", f"{model}, {learnt} parameters" if run.parameters else model),
        ("scheme", f"{run.plan.scheme.name}, {run.plan.backward}" if run.plan_known else ""),
        ("trained by", run.program),
        ("data", text(named("data.dataset"), run)),
        ("kept", shown.memory(run.kept_for_backward_bytes)),
        ("peak", peak),
        ("speed", f"{speed:,.0f} images/s" if speed else ""),
        ("time", shown.duration(run.seconds) if run.seconds else ""),
        ("device", one_line(f"{run.trained_on} on {run.host}" if run.host else run.device, 80)),
        ("id", run.id),
    ]


def _advice(out: Text, run: Summary, variables: dict[str, str]) -> None:
    """The latest advice, each with the command that follows it."""
    for given in run.advice[: -MOST_ADVICE - 1 : -1]:
        style = themed(variables, LEVELS[given.level])
        out.append(f"\n! {one_line(given.text, 300)}\n", style=style)
        if given.command:
            out.append(f"  {one_line(given.command, 200)}\n", style="dim")
