"""Output of the command line: tables on a terminal, tab-separated lines in a pipe, JSON on request.

Results go to stdout, messages to stderr. Text from outside is printed as text, never as markup.
"""

from __future__ import annotations  # types are not imported: `--help` waits for this module

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from revconsole.cli.encoding import as_printed, takes
from revconsole.lab import format as form
from revconsole.records.printable import (
    json_escaped,
    json_line,
    json_text,
    one_line,
    plural,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from revconsole.lab.compare import Comparison
    from revconsole.lab.judging import Verdicts
    from revconsole.records.logs.events import Advised
    from revconsole.records.runs.run import Confusion, LogLine, Run, Series, Summary
    from revconsole.records.runs.standing import GivenAdvice
    from revconsole.records.settings.plan import Plan

RUNS_YIELD = (
    "dataset", "architecture", "backward", "kept for backward", "eta", "scheme", "best validation",
)  # fmt: skip
"""Columns of the runs table that a narrow terminal does without, the first one first."""
COMPARISON_YIELDS = (
    "memory ratio", "time ratio", "gradient error", "parameters", "equal step", "seconds", "equal time", "kept for backward", "state",
)  # fmt: skip
NO_RUNS = "no runs yet; start with `revconsole demo` or `revconsole train PROFILE`"
LOST = {errno.EIO, errno.EPIPE}
"""Error numbers of a write to a terminal or pipe that is gone."""
LEFT_OUT, WHY = "left out", "left out because"
"""The state of a run that cannot be trained, and the heading of the column of reasons."""
CLASSES_ACROSS = 10
"""Most columns of counts in a confusion matrix on a terminal."""


def ring(_: str = "") -> None:
    """Ring the bell of the terminal that messages go to; the sentence that it rings for is printed already."""
    if sys.stderr.isatty():
        sys.stderr.write("\a")
        sys.stderr.flush()


def say(text: str) -> None:
    """Print a message on stderr; on a terminal it is wrapped between words.

    A message that stderr cannot take (full disk) is dropped. Raises OSError where the terminal or pipe is gone.
    """
    shown = _in_words(printable(text.replace("\n", " ")), sys.stderr)
    try:
        print(shown, file=sys.stderr, flush=True)
    except OSError as error:
        if error.errno in LOST:
            raise
        silence(sys.stderr)


def print_sentence(text: str) -> None:
    """Print a sentence that is a result on stdout, wrapped between words on a terminal."""
    print(_in_words(text, sys.stdout))


def _in_words(text: str, stream: TextIO) -> str:
    text = as_printed(text, stream)
    if not stream.isatty():
        return text
    from revconsole.cli import table  # rich: only on a terminal

    return table.sentence(text, table.width_of(stream))


def silence(*streams: TextIO) -> None:
    """Redirect streams to /dev/null, so that later writes cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_json(body: Any) -> None:
    """Print one JSON document on stdout; where that has no Unicode, with escapes."""
    text = json_text(body)
    print(text if takes(text, sys.stdout) else json_escaped(text))


def print_json_lines(bodies: Iterable[Any]) -> None:
    """Print JSON objects, one a line, so that a reader in a pipe gets them at once."""
    for body in bodies:
        print(json_line(body))
    sys.stdout.flush()


def print_entries(
    entries: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    json: bool,
    prose: Sequence[str] = (),
) -> None:
    """Print mappings: as JSON with every key, or as a table. columns: its keys, with headings. prose: as in `print_table`."""
    if json:
        print_json([dict(entry) for entry in entries])
    else:
        cells = [[str(entry[key]) for key in columns] for entry in entries]
        print_table(list(columns.values()), cells, prose=prose)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that this program has drawn, with their escape sequences."""
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
    """Print a table on a terminal, tab-separated lines in a pipe, or aligned text in a pipe if `plain`.

    On a terminal, `prose` columns may take several lines; `yields` are the columns that may be left out, the first one first;
    a value that all rows share is printed once above the table, except in the columns `stays`. A pipe gets every column.
    """
    columns = [as_printed(one_line(column), sys.stdout) for column in columns]
    cells = [[as_printed(one_line(cell), sys.stdout) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_laid(columns, cells, prose=prose, yields=yields, stays=stays)
    elif plain:
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in (columns, *cells):
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    else:
        for row in (columns, *cells):
            print("\t".join(row))


def print_runs(runs: Sequence[Summary], hint: str = "") -> None:
    """Print the table of runs. hint: a sentence for a store without runs."""
    columns = [
        "id", "name", "state", "architecture", "scheme", "backward", "dataset", "epoch", "eta",
        "best validation", "test", "kept for backward",
    ]  # fmt: skip
    if hint:
        say(hint)
    cells = [_run_cells(s) for s in runs]
    if any(s.program for s in runs):
        columns.insert(3, "recorded by")
        cells = [
            [*cell[:3], s.program or form.UNKNOWN, *cell[3:]]
            for cell, s in zip(cells, runs, strict=True)
        ]
    print_table(columns, cells, yields=RUNS_YIELD, stays=["state"])


def print_run(run: Run) -> None:
    """Print one run: settings, facts, measurements and the end of its log."""
    from revconsole.lab import foretold, reconstruction, utilisation  # the records: only here
    from revconsole.lab.curves import parts
    from revconsole.records.logs.times import FORECAST
    from revconsole.records.settings.typing_again import flat_settings

    s = run.summary
    state = f"{s.standing}: {s.reason}" if s.reason else s.standing
    if s.program:
        from revconsole.lab import given_facts  # as above

        known = [("run", f"{s.id} {s.name}"), ("state", state), *given_facts.pairs(run)]
        print_table(["what", "value"], known, prose=["value"])
        _say_log(run)
        return
    if not s.plan_known:
        unread = [("run", f"{s.id} {s.name}"), ("state", state), ("settings", form.UNKNOWN)]
        print_table(["what", "value"], [*unread, ("results", form.UNKNOWN)], prose=["value"])
        return
    pairs = [
        ("run", f"{s.id} {s.name}"),
        ("state", state),
        *([("alarm", s.alarm_text)] if s.alarm else []),
        *([("damaged lines", f"{s.damaged_lines:,}, left out")] if s.damaged_lines else []),
        *(("advice", _advised(given)) for given in s.advice if given.level != "alarm"),
        ("epoch", f"{s.epoch} of {s.plan.epochs}, step {s.step}"),
        ("training time", form.duration(s.seconds)),
        (f"best {s.plan.objective.best.words}", f"{_best(s)} at epoch {form.count(s.best_epoch)}"),
        *_tested(s),
        ("kept for backward", form.memory(s.kept_for_backward_bytes)),
        ("parameters", form.learnt(s.parameters, s.support_vectors)),
        ("operations per image", form.multiply_adds(s.multiply_adds_per_image)),
        ("peak memory", f"{form.memory(s.peak_memory_bytes)} {s.peak_memory_of}".strip()),
        *foretold.pairs(s),
        *reconstruction.known(run),
        *parts.pairs(run),
        *utilisation.pairs(run),
        *(
            (key.replace("_", " "), form.fact(value))
            for key, value in run.facts.items()
            if key
            not in FORECAST
            | foretold.FACTS
            | utilisation.FACTS
            | {"error_growth", "rebuilt_blocks", "parameters", "multiply_adds_per_image"}
        ),
        *((key, form.toml(v)) for key, v in flat_settings(s.plan).items() if v is not None),
    ]
    print_table(["what", "value"], pairs, prose=["value"])
    _say_log(run)


def _say_log(run: Run) -> None:
    """Say the end of a run's log."""
    for line in run.log[-10:]:
        say(log_text(line))


def print_confusion(confusion: Confusion) -> None:
    """Print each class: accuracy, most frequent wrong prediction, counts; counts of over `CLASSES_ACROSS` only in a pipe."""
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


def say_forecasts(plans: Sequence[Plan]) -> None:
    """Print the expected reconstruction error of each plan."""
    from revconsole.lab import reconstruction  # as above

    for line in reconstruction.forecasts(plans):
        say(line)


def print_series(series: Series) -> None:
    """Print step and value of one metric, tab-separated; values have all digits."""
    for step, value in zip(series.steps, series.values, strict=True):
        print(f"{step}\t{value!r}")


def print_plans(plans: Sequence[Plan]) -> None:
    """Print every plan as TOML under a comment with its name."""
    import tomli_w  # only here

    for plan in plans:
        content = plan.model_dump(exclude_none=True)
        text = tomli_w.dumps(content)
        print(f"# {one_line(plan.name)}\n{printable(text, len(text))}")


def print_dry_run(verdicts: Verdicts) -> None:
    """Print the runs that would start, and those that cannot, with the reason."""
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
    count = plural(len(verdicts.fit), "run")
    left_out = f", {len(verdicts.unfit)} left out" if verdicts.unfit else ""
    say(f"{count}{left_out}; nothing was started")


def print_judged(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    reasons: Sequence[object | None],
    *,
    yields: Sequence[str] = (),
    stays: Sequence[str] = (),
) -> None:
    """Print a table of runs; if one is left out, a last column has the reasons."""
    if any(reason is not None for reason in reasons):
        rows = [
            [*row, "" if why is None else str(why)] for row, why in zip(rows, reasons, strict=True)
        ]
        columns = [*columns, WHY]
    print_table(columns, rows, prose=[WHY], yields=yields, stays=[*stays, WHY])


def print_comparison(compared: Comparison, *, plain: bool = False) -> None:
    """Print the comparison, the settings that differ first; means and warnings go to stderr."""
    from revconsole.lab.comparison_table import comparison_table  # as above

    shown = comparison_table(compared)
    settings = [key for key in reversed(compared.differing) if key not in {"scheme", "backward"}]
    yields = [*COMPARISON_YIELDS, *settings, "backward"]
    print_table(shown.headings, shown.rows, plain=plain, yields=yields)
    for sentence in (*compared.means, *compared.trade_offs):
        say(sentence)
    for warning in compared.warnings:
        say(f"note: {warning}")


def say_notes(notes: Iterable[Advised]) -> None:
    """Print what is odd of runs that are to be launched."""
    for advised in notes:
        say(f"note: {advised.text}")


def _advised(given: GivenAdvice) -> str:
    """A piece of advice that is no alarm, with its command."""
    command = f": `{given.command}`" if given.command else ""
    return f"{given.level} at step {given.step}: {given.text}{command}"


def _best(s: Summary) -> str:
    """The value by which the best epoch was chosen: validation loss, accuracy or k-NN accuracy."""
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


def log_text(line: LogLine) -> str:
    """A line of a run's log, a warning or an alarm with its level."""
    return line.text if line.level in {"log", "note"} else f"{line.level}: {line.text}"


def _run_cells(s: Summary) -> list[str]:
    from revconsole.lab.listing import texts  # the records: only here
    from revconsole.lab.listing.fields import named

    if not s.readable:
        return [s.id, s.name, s.standing, *[form.UNKNOWN] * 9]
    eta = form.duration(s.eta_seconds) if s.eta_seconds is not None else ""
    told = ("architecture", "scheme", "backward", "dataset")
    return [
        s.id, s.name, s.standing, *(texts.text(named(name), s) for name in told), texts.epochs(s), eta,
        form.percent(s.best_validation_accuracy), form.percent(s.test_accuracy),
        form.memory(s.kept_for_backward_bytes),
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
            f"columns left out: {', '.join(laid.left_out)}; a wider terminal, a pipe or --json has all"
        )
