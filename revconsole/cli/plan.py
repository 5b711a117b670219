"""The verb that says what runs would cost before they train: plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from revconsole.cli import (
    memory_output,
    output,
    plan_calibration,
    plan_card,
    plan_modules,
    plan_solved,
)
from revconsole.cli.arguments import Json, Profile, Settings
from revconsole.cli.opening import opened
from revconsole.cli.plan_card import CardName, Utilisation
from revconsole.cli.plan_modules import fitted, rewired
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.lab import format as form
from revconsole.lab import noted, rows
from revconsole.lab.estimate import Measurer
from revconsole.lab.lab import Lab
from revconsole.lab.layer_files import refuse_target, write_layers
from revconsole.lab.outlook import EXIT_CODES, Outlook, memory_entry, outlook, worst
from revconsole.lab.room import FREE, free_on, in_bytes, kind_of
from revconsole.lab.sharing import SharedFit, shared_fit
from revconsole.lab.solve import SOLVED
from revconsole.lab.timing import Timing, on_devices, timing
from revconsole.lab.torch_api import training
from revconsole.records.findings.modules import ModuleCost
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.printable import plural
from revconsole.records.runs.pace import pace_key
from revconsole.records.runs.run import Summary
from revconsole.records.settings import search_path
from revconsole.records.settings.drawn import search_of, with_settings
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, parse_assignments
from revconsole.records.settings.study import UnfitChoice

UNIT = (
    "operations of the forward pass of one image: matrix products, convolutions and attention. Papers call either number "
    "FLOPs: multiply-adds counted once or twice. Of an epoch: forward and backward of all training images, a backward counted "
    "as two forwards, and one more where it computes blocks again"
)
"""What the operations are, for all tables of this verb."""
LEFT_OUT = (
    "training without labels: parameters include decoder, projection head and teacher; operations are those of the encoder "
    "on one whole image and leave out masks, decoder, projection head, teacher and further crops"
)
OPERATIONS = "multiply-adds (FLOPs) per image"
EPOCH = "of an epoch"
COLUMNS = ["name", "architecture", "scheme", "parameters", "trained parameters", OPERATIONS, EPOCH]
YIELDS = ["architecture", "trained parameters", "scheme"]
"""Columns that a narrow terminal does without, the first one first."""


Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory of the device, as 8GiB; `free` for what is free here. The exit code then says whether it fits.",
    ),
]
Solve = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help=f"Only say the largest value that fits of one setting: {', '.join(SOLVED)}.",
    ),
]
Time = Annotated[
    bool,
    typer.Option(
        "--time",
        help="Measure how long it takes from a few real steps (needs the data), unless an earlier run like it tells; later plans say it without.",
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        metavar="NUMBER",
        help="Also say how long all runs take on so many devices at once, as `study run --devices` trains them; implies --time.",
    ),
]
Modules = Annotated[
    bool,
    typer.Option(
        "--modules", help="Also list parameters, output shape and multiply-adds of each module."
    ),
]
Layers = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write the modules as a table into a .tex, .md or .csv file."
    ),
]
Calibrated = Annotated[
    bool,
    typer.Option(
        "--calibration",
        help="Only say, without a profile, how good foreseen memory and time have been in the runs here.",
    ),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="With --calibration: foresee sixty models and settings anew and train a step of each (minutes); a word instead "
        "of a profile takes those whose settings contain it.",
    ),
]


def plan(
    context: typer.Context,
    profile: Profile = "",
    settings: Settings = None,
    modules: Modules = False,
    layers: Layers = None,
    memory: Memory = None,
    solve: Solve = None,
    time: Time = False,
    devices: Devices = None,
    card: CardName = None,
    utilisation: Utilisation = None,
    calibration: Calibrated = False,
    check: Check = False,
    json: Json = False,
) -> None:
    """Say what the runs of a profile would cost: parameters, multiply-adds, and memory with each backward.

    Nothing is trained without --time and no data file is read. With --memory the exit code answers: 0 fits or is tight,
    3 does not fit, 4 is uncertain; of several runs the worst counts. Without it, what is free here is used and the exit
    code is 0.
    """
    lab = opened(context)
    if calibration or check:
        plan_calibration.refuse_beside(context.params)
        _calibration(lab, profile, check=check, json=json)
        return
    refuse_target(layers)
    room = _room(memory, json=json and solve is None)
    on = plan_card.asked(card, utilisation)
    choices = lab.models(_named(profile), given := on.on_cuda(parse_assignments(settings)))
    runs = lab.store.list()
    if solve is not None:
        raise typer.Exit(plan_solved.print_solved(choices, solve, room, runs=runs, json=json))
    outlooks, entries, errors = _counted(choices, room, runs)
    plans = [each.plan for each in outlooks]
    if not plans:
        raise errors[0]
    times = (_times if time or devices else _times_known)(outlooks, runs)
    least = on.least(plans)
    counted = [entry for entry in entries if not entry["left_out"]]
    fits = [shared_fit(each, runs) for each in outlooks]
    tables = _modules(plans, counted, layers, shown=modules)
    if json:
        _complete(counted, plans, fits, tables, times)
        on.complete(counted, least)
        output.print_json(entries)
    else:
        for entry, table in zip(counted, tables, strict=bool(tables)):
            plan_modules.print_modules(entry, table)
        _print(entries)
        memory_output.print_memory(outlooks, fits)
        _say_times(outlooks, times, devices or 1)
        on.say(plans, least)
        _say_search(profile, given, times, devices or 1)
        _explain(plans, counted)
        output.say_notes(lab.noted(plans).lines)
    if code := _code(errors, outlooks if memory is not None else ()):
        raise typer.Exit(code)


def _named(profile: str) -> str:
    """The profile that is asked about. Raises ProfileError if none is."""
    if not profile:
        raise ProfileError(COMMAND_LINE, "PROFILE", "is missing; `revconsole profiles` lists them")
    return profile


def _code(errors: Sequence[RevconsoleError], judged: Sequence[Outlook]) -> int:
    """The exit code: of the first error, else of the worst verdict on the memory; 0 if there is neither."""
    if errors:
        return errors[0].exit_code
    word = worst(judged)
    return EXIT_CODES[word] if word else 0


def _modules(
    plans: Sequence[Plan], entries: Sequence[Mapping[str, Any]], path: Path | None, *, shown: bool
) -> list[Sequence[ModuleCost]]:
    """The modules of each model if they are shown; writes them into a file where one is given."""
    tables: list[Sequence[ModuleCost]] = []
    if shown or path:
        tables = [training.modules_of(each) for each in plans]
    if path:
        output.say(f"layers in {write_layers(path, [entry['name'] for entry in entries], tables)}")
    return tables if shown else []


def _calibration(lab: Lab, containing: str, *, check: bool, json: bool) -> None:
    if check:
        plan_calibration.print_check(containing, json=json)
    else:
        plan_calibration.print_calibration(lab.store.list(), json=json)


def _complete(
    entries: Sequence[dict[str, Any]],
    plans: Sequence[Plan],
    fits: Sequence[SharedFit | None],
    tables: Sequence[Sequence[ModuleCost]],
    times: Sequence[Timing],
) -> None:
    """Add to the rows that JSON has what fits and the notes, and the modules and times that were asked for."""
    for entry, plan, fit in zip(entries, plans, fits, strict=True):
        entry["fits_with"] = fit.settings if fit else None
        entry["notes"] = noted.entries(plan, ())
    for entry, table in zip(entries, tables, strict=bool(tables)):
        entry["modules"] = [asdict(module) for module in table]
        entry["modules_note"] = rewired(entry, table)
    for entry, known in zip(entries, times, strict=bool(times)):
        entry["time"] = known.entry()


def _say_times(outlooks: Sequence[Outlook], times: Sequence[Timing], devices: int) -> None:
    for each, known in zip(outlooks, times, strict=bool(times)):
        output.print_sentence(f"{each.plan.name}: {known.sentence}")
    if len(outlooks) > 1:
        output.print_sentence(summed(outlooks, times))
        if devices > 1:
            output.print_sentence(on_devices(times, devices))


def _say_search(
    profile: str, settings: Mapping[str, Any], times: Sequence[Timing], devices: int
) -> None:
    """Of a search, whose rows are the ends of its space, how many runs it makes, and what they take at most."""
    study = search_path.find(profile)
    if study.search is None:
        return
    search = search_of(with_settings(study, settings)[0])
    seconds = [each.seconds for each in times if each.seconds is not None]
    runs = search.trials + search.repeat_best
    how = "one after the other" if devices == 1 else f"on {devices} devices"
    longest = -(-runs // devices) * max(seconds, default=0.0)
    most = f", at most about {form.duration(longest)} {how}" if seconds else ""
    output.print_sentence(
        f"a search: {plural(search.trials, 'trial')} between these and {plural(search.repeat_best, 'repeat')} of the best"
        f"{most}; `revconsole study run {profile} --dry-run` checks it"
    )


def _times(outlooks: Sequence[Outlook], runs: Sequence[Summary]) -> list[Timing]:
    """The time of each run; runs that take equally long are measured once."""
    measurer = Measurer()
    known: dict[str, Timing] = {}
    try:
        for each in outlooks:
            key = pace_key(each.plan) + f" {each.plan.epochs}"
            if key not in known:
                known[key] = _timing(each, runs, lambda plan: measurer.ask(plan).pace)
    finally:
        measurer.end()
    return [known[pace_key(each.plan) + f" {each.plan.epochs}"] for each in outlooks]


def _times_known(outlooks: Sequence[Outlook], runs: Sequence[Summary]) -> list[Timing]:
    """The time of each run where all are known from runs like them or from steps that were timed before; else empty."""
    measurer = Measurer()

    def kept(plan: Plan) -> KeptPace:
        if (pace := measurer.known(plan)) is None:
            raise RevconsoleError("--time measures it")
        return pace

    times = [_timing(each, runs, kept) for each in outlooks]
    return times if all(each.source in {"run", "steps"} for each in times) else []


def _timing(each: Outlook, runs: Sequence[Summary], measure: Callable[[Plan], KeptPace]) -> Timing:
    return timing(each.plan, runs, measure, each.counts.get("multiply_adds_per_image"))


def summed(outlooks: Sequence[Outlook], times: Sequence[Timing]) -> str:
    """What several runs take together, one after the other, as a sentence."""
    operations = [each.multiply_adds_per_epoch for each in outlooks]
    counted = sum(n * each.plan.epochs for n, each in zip(operations, outlooks, strict=True) if n)
    parts = [f"{form.multiply_adds(counted)} of training"]
    if most := max(outlooks, key=lambda each: each.own.bounds.high if each.own else 0).own:
        parts.append(f"at most {form.gibibytes(most.bounds.high)} at once")
    seconds = [each.seconds for each in times if each.seconds is not None]
    if seconds:
        rest = (
            f" without {len(outlooks) - len(seconds)} of them"
            if len(seconds) < len(outlooks)
            else ""
        )
        parts.append(f"about {form.duration(sum(seconds))}{rest}")
    return f"all {len(outlooks)} runs, one after the other: {', '.join(parts)}"


def _room(text: str | None, *, json: bool) -> Callable[[Plan], int | None]:
    """The bytes to fit into: the given ones, else those free on the device; with --json only the given ones."""
    if text is None and json:
        return lambda _: None
    if text is None or text == FREE:
        return lambda plan: free_on(kind_of(plan))
    given = in_bytes(text, "--memory")
    return lambda _: given


def _counted(
    choices: Sequence[Plan | UnfitChoice],
    room: Callable[[Plan], int | None],
    runs: Sequence[Summary],
) -> tuple[list[Outlook], list[dict[str, Any]], list[RevconsoleError]]:
    """What could be counted, a row for every plan (of the others with the reason), and the errors."""
    outlooks: list[Outlook] = []
    entries: list[dict[str, Any]] = []
    errors: list[RevconsoleError] = []
    for choice in choices:
        try:
            if isinstance(choice, UnfitChoice):
                raise choice.error
            outlooks.append(outlook(choice, memory=room(choice), runs=runs))
            entries.append(_entry(outlooks[-1]))
        except RevconsoleError as error:
            errors.append(error)
            entries.append({"name": choice.name, "left_out": str(error)})
    return outlooks, entries, errors


def _print(entries: Sequence[Mapping[str, Any]]) -> None:
    """Print a row for each model; a count that is unknown is a dash, and a model that cannot be counted has the reason."""
    cells = [
        [
            entry["name"],
            entry.get("architecture", form.UNKNOWN),
            entry.get("scheme", form.UNKNOWN),
            form.count(entry.get("parameters")),
            form.count(entry.get("trainable_parameters")),
            form.both_counts(entry.get("multiply_adds_per_image")),
            form.both_counts(entry.get("multiply_adds_per_epoch")),
        ]
        for entry in entries
    ]
    reasons = [entry["left_out"] or None for entry in entries]
    output.print_judged(COLUMNS, cells, reasons, yields=YIELDS, stays=COLUMNS[3:])


def _explain(plans: Sequence[Plan], entries: Sequence[Mapping[str, Any]]) -> None:
    """Say what the operations are of, and what was not counted."""
    for each, entry in zip(plans, entries, strict=True):
        if each.fitted:
            output.say(fitted(each))
        elif entry.get("multiply_adds_note"):
            output.say(f"{each.name}: {entry['multiply_adds_note']}")
    output.say(UNIT)
    if any(each.objective.name != "classification" for each in plans):
        output.say(LEFT_OUT)


def _entry(found: Outlook) -> dict[str, Any]:
    """The row of a model that `--json` prints."""
    plan, cost = found.plan, found.counts
    counted = cost["multiply_adds_per_image"]
    return {
        "name": plan.name,
        "left_out": "",
        "architecture": plan.model.architecture,
        "scheme": plan.scheme.name,
        "objective": plan.objective.name,
        **cost,
        **rows.operations(counted if isinstance(counted, int) else None),
        "multiply_adds_per_epoch": found.multiply_adds_per_epoch,
        "training_images": found.images,
        "backward": plan.backward,
        "batch": plan.train.batch,
        "micro_batch": found.micro_batch,
        **memory_entry(found),
    }
