"""Notes: the sentences below the table, on its columns, its arms and its runs."""

from collections.abc import Callable, Iterator, Sequence

from revconsole.lab.report import other_programs, wording
from revconsole.lab.report.alike import Alike
from revconsole.lab.report.numbers import ArmRow
from revconsole.lab.report.results import Results
from revconsole.lab.report.statistics import FEWEST, LEVEL, POWER, MeanDifference
from revconsole.records.printable import plural
from revconsole.records.runs.run import Run

QUICK = "quick form: fewer images and epochs than the full study, so no result of the full one"
BUSY = "not comparable with those of a quiet machine"
"""End of the note of a run on a machine whose load average exceeded its number of cores; see `training.checks.advice`."""
LAST_TESTED = "those of the last step are tested instead"
"""End of the warning of a run whose best weights were not there; see `training.checkpoints.policy`."""
MOST_ALARMS = 5


def notes(results: Results, rows: Sequence[ArmRow]) -> tuple[str, ...]:
    """All notes, one or two sentences each."""
    of_search = results.search.sentences if results.search else ()
    return (
        *of_search, *_measured(results, rows), *_about_arms(results, rows), *_about_runs(results),
    )  # fmt: skip


def _measured(results: Results, rows: Sequence[ArmRow]) -> Iterator[str]:
    """Yield notes on what the columns mean."""
    if results.quick:
        yield f"{QUICK[:1].upper()}{QUICK[1:]}."
    elif short := [row.name for row in rows if row.quick]:
        yield f"{wording.listed(short)}: {QUICK}."
    yield _accuracy_note(rows)
    yield from _power(rows)
    if any(row.group for row in rows):
        yield "Differences are to the baseline of each group."
    if results.ladder:
        yield "Each arm keeps the settings of those above it and changes one thing."
    if any(row.multiply_adds_per_image is not None for row in rows):
        yield "Operations: of the forward pass of one image; a FLOP is a multiplication or an addition, a multiply-add both."
    yield (
        "Kept for backward: bytes that the forward pass of one micro-batch keeps, parameters not counted. "
        f"{_peak_note(results)}Seconds per epoch: training steps alone, mean over epochs and seeds. {_spent(rows)}"
    )
    if any(row.support_vectors is not None for row in rows):
        yield (
            "A support vector machine has support vectors, training images that it keeps, in place of parameters; its "
            "one epoch is the whole fit, it has no loss, and nothing of it depends on the seed."
        )


def _about_arms(results: Results, rows: Sequence[ArmRow]) -> Iterator[str]:
    """Yield notes on peculiarities of the arms."""
    if results.baseline_missing:
        why = (
            "learns without labels"
            if results.baseline in results.unlabelled
            else "has no finished run"
        )
        yield f"The baseline {results.baseline} {why}; differences are to {results.reference.name}."
    for name, objective in results.unlabelled.items():
        yield (
            f"{name}: learns by {objective}, without labels, and so has no test accuracy; train a run with "
            "model.pretrained=run:NAME for one, or see `revconsole compare`."
        )
    if alike := [row.name for row in rows if row.alike]:
        yield f"Several seeds gave identical weights and count as one result: {wording.row(alike)}."
    for arm in results.arms:
        if arm.names:
            yield f"{arm.name}: runs called {wording.listed(arm.names)} are one arm; nothing but their names differs."
        if arm.replaced:
            yield f"{arm.name}: of runs of the same settings and seed the newest counts; left out: {', '.join(arm.replaced)}."
    if results.missing:
        yield f"No finished run, and so not in the table: {wording.row(results.missing)}."
    if results.unfinished:
        yield f"Not finished, and so not counted: {'; '.join(results.unfinished)}."


def _about_runs(results: Results) -> Iterator[str]:
    """Yield notes on peculiarities of the runs in the table."""
    runs = Alike.of(results)
    if len(runs.each(lambda run: run.summary.fingerprint)) > 1:
        yield "The arms did not train on the same images and split: see the fingerprints."
    if others := other_programs.note(runs):
        yield others
    networks = runs.only(lambda run: not run.plan.fitted and run.summary.epochs is not None)
    if len(networks.each(lambda run: run.summary.epochs)) > 1:
        yield "The arms have different numbers of epochs."
    if early := runs.only(_ended_early):
        yield f"Ended before the last planned epoch (train.patience): {early.told(_reached)}."
    if longer := runs.only(lambda run: bool(run.plan.lengthened)):
        yield f"Lengthened by resume, up to the old end as it was planned: {longer.told(_lengthened)}."
    if resumed := runs.only(lambda run: run.summary.attempt > 1):
        yield f"Interrupted and resumed: {resumed.whose}."
    if last := runs.only(_says(LAST_TESTED)):
        yield f"Tested with the weights of the last step, because those of the best epoch were not there: {last.whose}."
    if busy := on_a_busy_machine(results):
        yield busy.strip()
    yield from _alarms(runs, results)


def _alarms(runs: Alike, results: Results) -> Iterator[str]:
    """Yield the first alarms of the runs, and how many more there are."""
    alarms = [(run, line.text) for run in runs.runs for line in run.log if line.level == "alarm"]
    for run, text in alarms[:MOST_ALARMS]:
        yield f"Alarm of {Alike((run,), results.arms).whose}: {text}"
    if len(alarms) > MOST_ALARMS:
        yield f"{plural(len(alarms) - MOST_ALARMS, 'more alarm')}: see `revconsole show`."


def on_a_busy_machine(results: Results) -> str:
    """A sentence, after a space, on the runs whose times are of a busy machine; empty without such runs."""
    busy = Alike.of(results).only(_says(BUSY))
    if not busy:
        return ""
    return f" The machine was busy with other work, so seconds are not comparable: {busy.whose}."


def _ended_early(run: Run) -> bool:
    return run.plan.train.patience is not None and 0 < run.summary.epoch < run.plan.epochs


def _lengthened(run: Run) -> str:
    unit = "steps" if run.plan.train.steps else "epochs"
    now = run.plan.train.steps or run.plan.epochs
    return f"from {', '.join(map(str, run.plan.lengthened or ()))} to {now} {unit}"


def _reached(run: Run) -> str:
    return f"after {run.summary.epoch} of {run.plan.epochs}"


def _says(words: str) -> Callable[[Run], bool]:
    return lambda run: any(words in line.text for line in run.log)


def _accuracy_note(rows: Sequence[ArmRow]) -> str:
    """A note on the accuracy columns; it mentions deviations, differences and tests only if there are any."""
    spread_ = any(row.accuracy is not None and row.accuracy.deviation is not None for row in rows)
    mean = "mean ± sample standard deviation over seeds, " if spread_ else ""
    parts = [f"Test accuracy: {mean}of the epoch with the best validation accuracy."]
    if any(row.clean is not None for row in rows):
        parts.append(
            "Training accuracy: of the same weights on training images that are evaluated as the test images are, without "
            "augmentation, dropout or random signs."
        )
    gains = [gain for row in rows for gain in (row.gain, row.step) if gain is not None]
    if any(gain.p is not None for gain in gains):
        parts.append(
            f"Differences in percentage points, with a two-sided paired t-test over seeds; p > {LEVEL:g} is not "
            f"distinguishable from chance.{_correction(gains)}"
        )
    elif gains:
        parts.append("Differences in percentage points; none was tested.")
    if any(gain.p is None for gain in gains):
        parts.append(
            f"A difference is tested from {FEWEST} seeds on, where both arms have the same seeds; an untested difference "
            "supports no claim."
        )
    return " ".join(parts)


def _spent(rows: Sequence[ArmRow]) -> str:
    """What all runs together took of devices, and of energy if that was measured."""
    hours = sum(row.device_hours for row in rows)
    known = [row.watt_hours for row in rows if row.watt_hours is not None]
    energy = (
        f" Energy: {sum(known):.3g} Wh drawn by their cards, by samples of the driver."
        if known
        else ""
    )
    return f"Device hours: training time of all runs, times the devices of each; {hours:.3g} h in all.{energy}"


def _correction(gains: Sequence[MeanDifference]) -> str:
    """How p is corrected for the number of tests; empty for one test."""
    most = max(gain.together for gain in gains)
    if most == 1:
        return ""
    return f" p is corrected for the {most} tests of its column (Holm 1979); intervals are of one test each."


def _power(rows: Sequence[ArmRow]) -> Iterator[str]:
    """What the number of seeds allows to be said, if something was tested."""
    gains = [gain for row in rows for gain in (row.gain, row.step) if gain is not None]
    sizes = [gain.detectable for gain in gains if gain.detectable is not None]
    if not sizes:
        return
    pairs = sorted({gain.pairs for gain in gains if gain.detectable is not None})
    low, high = (f"{100 * size:.2g}" for size in (min(sizes), max(sizes)))
    seeds = " to ".join(str(n) for n in dict.fromkeys((pairs[0], pairs[-1])))
    yield (
        f"With {seeds} seeds and the deviations seen, one such test finds a true difference of about "
        f"{low if low == high else f'{low} to {high}'} points with a probability of {POWER:g}; smaller ones are mostly missed. "
        "Effect size: mean difference by the deviation of the paired differences, corrected for few pairs (Hedges 1981)."
    )


def _peak_note(results: Results) -> str:
    measured = Alike.of(results).only(lambda run: bool(run.summary.peak_memory_of))
    if not measured:
        return ""
    of = measured.told(lambda run: run.summary.peak_memory_of)
    return f"Peak memory: the largest over seeds, {of}. "
