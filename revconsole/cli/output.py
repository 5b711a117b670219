"""What the command line prints: tables on a terminal, tab-separated lines in a pipe, JSON on request.

Data on stdout, narration on stderr. Everything that came from outside is printed as text, never as markup.
"""

import errno
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

from revconsole.lab import format as form
from revconsole.lab import reconstruction
from revconsole.lab.compare import ComparedRun, Comparison, flat_settings
from revconsole.lab.judging import Verdicts
from revconsole.records.logs.times import FORECAST
from revconsole.records.printable import json_text, one_line, printable
from revconsole.records.runs.run import Confusion, LogLine, Run, Series, Summary
from revconsole.records.settings.plan import Plan

RUNS_YIELD = (
    "dataset", "architecture", "backward", "kept for backward", "eta", "scheme", "best validation",
)  # fmt: skip
"""Columns of the runs table that a narrow terminal does without, the first one first."""
COMPARISON_YIELDS = (
    "memory ratio", "time ratio", "gradient error", "parameters", "seconds", "kept for backward", "state",
)  # fmt: skip
LOST = {errno.EIO, errno.EPIPE}
"""Errors of writing to a terminal, or a pipe, that nobody holds any more."""
LEFT_OUT, WHY = "left out", "left out because"
"""What becomes of a run that cannot be trained, and the heading of the reasons."""
CLASSES_ACROSS = 10
"""Columns of counts that fit a terminal."""


def say(text: str) -> None:
    """One line of narration, on stderr; on a terminal as many lines as it takes without breaking a word.

    Where stderr takes no more it is dropped; where nobody holds it any more, OSError is raised.
    """
    shown = _in_words(printable(text.replace("\n", " ")), sys.stderr)
    try:
        print(shown, file=sys.stderr, flush=True)
    except OSError as error:
        if error.errno in LOST:
            raise
        silence(sys.stderr)


def print_sentence(text: str) -> None:
    """A sentence that is data, on stdout; likewise without breaking a word."""
    print(_in_words(text, sys.stdout))


def _in_words(text: str, stream: TextIO) -> str:
    if not stream.isatty():
        return text
    from revconsole.cli import table  # rich: only on a terminal

    return table.sentence(text, table.width_of(stream))


def silence(*streams: TextIO) -> None:
    """Let what is printed from here on go nowhere: nobody reads it, and to write it may fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_json(body: Any) -> None:
    """One JSON document on stdout."""
    print(json_text(body))


def print_entries(
    entries: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    json: bool,
    prose: Sequence[str] = (),
    yields: Sequence[str] = (),
) -> None:
    """A list of alike things: as JSON with every key, or as a table of `columns`; prose and yields as in `print_table`."""
    if json:
        print_json([dict(entry) for entry in entries])
    else:
        cells = [[str(entry[c]) for c in columns] for entry in entries]
        print_table(columns, cells, prose=prose, yields=yields)


def print_lines(lines: Iterable[str]) -> None:
    """Lines drawn by us, colours included, as they are."""
    print("\n".join(lines))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    plain: bool = False,
    prose: Sequence[str] = (),
    yields: Sequence[str] = (),
    stays: Sequence[str] = (),
) -> None:
    """A table on a terminal; tab-separated lines in a pipe, or aligned text if `plain`. A pipe gets all of it.

    On a terminal `prose` may take several lines, `yields` are left out where there is no room, the first one first,
    and what all rows have in common is said once, but for what `stays`.
    """
    columns = [one_line(column) for column in columns]
    cells = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_laid(columns, cells, prose=prose, yields=yields, stays=stays)
    elif plain:
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in (columns, *cells):
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    else:
        for row in (columns, *cells):
            print("\t".join(row))


def print_runs(runs: Sequence[Summary]) -> None:
    """The runs table."""
    columns = [
        "id", "name", "state", "architecture", "scheme", "backward", "dataset", "epoch", "eta",
        "best validation", "test", "kept for backward",
    ]  # fmt: skip
    if not runs:
        say("no runs here yet; `revconsole demo` makes four, `revconsole train PROFILE` more")
    print_table(columns, [_run_cells(s) for s in runs], yields=RUNS_YIELD, stays=["state"])


def print_run(run: Run) -> None:
    """Everything about one run that fits a screen: settings, facts, measurements, the end of its log."""
    s = run.summary
    state = f"{s.standing}: {s.reason}" if s.reason else s.standing
    pairs = [
        ("run", f"{s.id} {s.name}"),
        ("state", state),
        *([("alarm", s.alarm_text)] if s.alarm else []),
        ("epoch", f"{s.epoch} of {s.plan.epochs}, step {s.step}"),
        ("training time", form.duration(s.seconds)),
        (f"best {s.plan.objective.best.words}", f"{_best(s)} at epoch {form.count(s.best_epoch)}"),
        *_tested(s),
        ("kept for backward", form.memory(s.kept_for_backward_bytes)),
        ("parameters", form.learnt(s.parameters, s.support_vectors)),
        ("operations per image", form.multiply_adds(s.multiply_adds_per_image)),
        ("peak memory", f"{form.memory(s.peak_memory_bytes)} {s.peak_memory_of}".strip()),
        *((key, text) for key, text in _reconstruction(run) if text),
        *(
            (key, form.toml(v))
            for key, v in run.facts.items()
            if key
            not in FORECAST
            | {"error_growth", "rebuilt_blocks", "parameters", "multiply_adds_per_image"}
        ),
        *((key, form.toml(v)) for key, v in flat_settings(s.plan).items() if v is not None),
    ]
    print_table(["what", "value"], pairs, prose=["value"])
    for line in run.log[-10:]:
        say(_log_text(line))


def print_confusion(confusion: Confusion) -> None:
    """A row for every class: its accuracy, what it is mistaken for, and what its images were called.

    A terminal gets the counts of a few classes only; a pipe gets all.
    """
    counted = not sys.stdout.isatty() or len(confusion.names) <= CLASSES_ACROSS
    accuracies = confusion.accuracies
    rows = [
        [
            name,
            form.percent(accuracies[name]),
            confusion.mistaken(number) or form.UNKNOWN,
            *(map(str, row) if counted else ()),
        ]
        for number, (name, row) in enumerate(zip(confusion.names, confusion.counts, strict=True))
    ]
    names = confusion.names if counted else ()
    print_table(["class", "accuracy", "mistaken for", *names], rows, stays=["mistaken for", *names])


def _reconstruction(run: Run) -> list[tuple[str, str]]:
    return [
        ("reconstruction", reconstruction.expected(run)),
        ("measured error", reconstruction.measured(run)),
    ]


def say_forecasts(plans: Sequence[Plan]) -> None:
    """What to expect of the reconstruction of each, before anything runs."""
    for line in reconstruction.forecasts(plans):
        say(line)


def print_series(series: Series) -> None:
    """Step and value of one metric, exact to the last bit of the value."""
    for step, value in zip(series.steps, series.values, strict=True):
        print(f"{step}\t{value!r}")


def print_plans(plans: Sequence[Plan]) -> None:
    """Every plan as TOML, each under its name."""
    import tomli_w  # only here

    for plan in plans:
        content = plan.model_dump(exclude_none=True)
        text = tomli_w.dumps(content)
        print(f"# {one_line(plan.name)}\n{printable(text, len(text))}")


def print_dry_run(verdicts: Verdicts) -> None:
    """What would run, and beside it what would not, and why."""
    columns = ["name", "architecture", "scheme", "backward", "dataset", "epochs", "batch", "seed"]
    rows = [
        [
            p.name, p.model.architecture, p.scheme.name, p.backward, p.data.dataset,
            str(p.epochs), str(p.train.batch), str(p.seed),
        ]
        for p in verdicts.plans
    ]  # fmt: skip
    reasons = [verdicts.why_not(plan) for plan in verdicts.plans]
    print_judged(
        columns, rows, reasons, yields=["dataset", "architecture", "backward", "batch", "scheme"]
    )
    say_forecasts(verdicts.fit)
    said = "1 run" if len(verdicts.fit) == 1 else f"{len(verdicts.fit)} runs"
    left_out = f", {len(verdicts.unfit)} left out" if verdicts.unfit else ""
    say(f"{said}{left_out}; nothing was started")


def print_judged(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    reasons: Sequence[object | None],
    *,
    yields: Sequence[str] = (),
    stays: Sequence[str] = (),
) -> None:
    """A table of runs with the reason of each that is left out, in a column of its own if there is any."""
    if any(reason is not None for reason in reasons):
        rows = [
            [*row, "" if why is None else str(why)] for row, why in zip(rows, reasons, strict=True)
        ]
        columns = [*columns, WHY]
    print_table(columns, rows, prose=[WHY, "operations"], yields=yields, stays=[*stays, WHY])


def print_comparison(compared: Comparison, *, plain: bool = False) -> None:
    """The comparison, settings that differ first; its warnings go to stderr."""
    probed = any(row.summary.gradient_error is not None for row in compared.rows)
    columns = [
        "name", "state", *compared.differing, "test accuracy", "gain", "seconds", "time ratio",
        "kept for backward", "memory ratio", *(["gradient error"] if probed else []), "parameters", "seed",
    ]  # fmt: skip
    rows = [_comparison_cells(row, compared.differing, probed=probed) for row in compared.rows]
    settings = [key for key in reversed(compared.differing) if key not in {"scheme", "backward"}]
    print_table(columns, rows, plain=plain, yields=[*COMPARISON_YIELDS, *settings, "backward"])
    for mean in compared.means:
        say(mean)
    for warning in compared.warnings:
        say(f"note: {warning}")


class TrainProgress:
    """Plain progress lines of one run: one per finished epoch, one per advice, and what was read of a folder."""

    def __init__(self, known: Run | None = None) -> None:
        """Nothing is printed of what the run is known to have done before."""
        self._epoch, self._told, self._state, self._read = 0, 0.0, "", ""
        if known is not None:
            self._epoch = known.summary.epoch
            self._told = known.log[-1].time if known.log else 0.0

    def show(self, run: Run) -> None:
        """Print what is new since the last look."""
        s = run.summary
        if s.state != self._state and s.state in {"starting", "paused", "stopping"}:
            say(f"{s.name}  {s.state}")
        self._state = s.state
        read = str(run.facts.get("what_was_read", "")) if s.plan.data.folder else ""
        if read and read != self._read:
            say(f"{s.name}  read {read}")
        self._read = read
        for line in run.log:
            if line.level != "log" and line.time > self._told:
                say(f"{s.name}  {_log_text(line)}")
        self._told = run.log[-1].time if run.log else 0.0
        if s.epoch > self._epoch:
            say(_epoch_line(run))
        self._epoch = s.epoch  # which is smaller where the run went back to a checkpoint

    def close(self, run: Run) -> None:
        """The last line of a run: how it ended."""
        s = run.summary
        test = f"  test {form.percent(s.test_accuracy)}" if s.test_accuracy is not None else ""
        if s.test_knn_accuracy is not None:
            test = f"  test k-NN {form.percent(s.test_knn_accuracy)}"
        kept = f"  kept for backward {form.memory(s.kept_for_backward_bytes)}"
        why = f"  {s.reason}" if s.reason else ""
        say(f"{s.name}  {s.standing} after {form.duration(s.seconds)} of training{test}{kept}{why}")


def _epoch_line(run: Run) -> str:
    s = run.summary
    values = {name: series.last for name, series in run.series.items()}
    parts = [
        f"{s.name}  epoch {s.epoch}/{s.plan.epochs}",
        *([f"loss {loss:.4f}"] if (loss := values.get("train_loss", s.loss)) is not None else []),
        _validated(values),
    ]
    if (speed := values.get("images_per_second")) is not None:
        parts.append(f"{speed:,.0f} images/s")
    if s.eta_seconds is not None:
        parts.append(f"eta {form.eta(form.duration(s.eta_seconds), s.plan.train.patience)}")
    return "  ".join(parts)


def _validated(values: Mapping[str, float | None]) -> str:
    knn, loss = values.get("knn_accuracy"), values.get("validation_loss")
    if knn is None:
        return f"validation {form.percent(values.get('validation_accuracy'))}"
    return f"validation loss {loss or 0.0:.4f}  k-NN {form.percent(knn)}"


def _best(s: Summary) -> str:
    """What the best epoch was chosen by."""
    if s.plan.objective.best.metric == "validation_loss":
        return form.UNKNOWN if s.best_validation_loss is None else f"{s.best_validation_loss:.4f}"
    accuracy = s.best_validation_accuracy
    return form.percent(s.best_knn_accuracy if accuracy is None else accuracy)


def _tested(s: Summary) -> list[tuple[str, str]]:
    if s.plan.objective.name == "classification":
        return [("test accuracy", form.percent(s.test_accuracy))]
    return [
        ("k-NN accuracy of that epoch", form.percent(s.best_knn_accuracy)),
        ("test k-NN accuracy", form.percent(s.test_knn_accuracy)),
    ]


def _log_text(line: LogLine) -> str:
    return line.text if line.level in {"log", "note"} else f"{line.level}: {line.text}"


def _run_cells(s: Summary) -> list[str]:
    eta = form.duration(s.eta_seconds) if s.eta_seconds is not None else ""
    return [
        s.id, s.name, s.standing, s.plan.model.architecture, s.plan.scheme.name, s.plan.backward,
        s.plan.data.dataset, f"{s.epoch}/{s.plan.epochs}", eta,
        form.percent(s.best_validation_accuracy), form.percent(s.test_accuracy),
        form.memory(s.kept_for_backward_bytes),
    ]  # fmt: skip


def _comparison_cells(row: ComparedRun, differing: Sequence[str], *, probed: bool) -> list[str]:
    s = row.summary
    gain = "" if row.test_accuracy_gain is None else form.points(row.test_accuracy_gain)
    return [
        s.name, s.standing, *(str(row.settings.get(key, "–")) for key in differing),
        form.percent(s.test_accuracy), gain, f"{s.seconds:.1f}", form.ratio(row.seconds_ratio),
        form.memory(s.kept_for_backward_bytes), form.ratio(row.kept_ratio),
        *([form.small(s.gradient_error)] if probed else []),
        form.learnt(s.parameters, s.support_vectors), str(s.plan.seed),
    ]  # fmt: skip


def _print_laid(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    prose: Sequence[str],
    yields: Sequence[str],
    stays: Sequence[str],
) -> None:
    from revconsole.cli import table  # rich: only on a terminal

    width = table.width_of(sys.stdout)
    laid = table.laid(columns, rows, width, prose=prose, yields=yields, stays=stays)
    if laid.above:
        print(laid.above)
    print("\n".join([*map(table.bold, laid.head), *laid.body]), flush=True)
    if rows and laid.left_out:
        say(
            f"no room for: {', '.join(laid.left_out)}; a wider terminal, a pipe and --json have all"
        )
