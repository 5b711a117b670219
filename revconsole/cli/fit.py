"""The verb that finds the largest batch of a run: fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tomli_w
import typer

from revconsole.cli import output
from revconsole.cli.arguments import Profile, Settings
from revconsole.cli.opening import opened
from revconsole.errors import DeviceUnavailable, ProfileError, StoreError
from revconsole.lab import fitting
from revconsole.lab import format as form
from revconsole.lab.outlook import EXIT_CODES
from revconsole.lab.room import FREE, free_on, in_bytes, kind_of
from revconsole.lab.writable import require_folder_of
from revconsole.records.runs.run import Summary
from revconsole.records.settings.own_profile import own_profile
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import COMMAND_LINE, parse_assignments
from revconsole.records.settings.study import UnfitChoice
from revconsole.records.settings.typing_again import command_line, flat_settings

MOST_IMAGES = 1_048_576


def fit(
    context: typer.Context,
    profile: Profile,
    settings: Settings = None,
    memory: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="Memory of the device, as 8GiB; `free` is what is free here."
        ),
    ] = FREE,
    reserve: Annotated[
        int, typer.Option(help="Share of the memory that stays free, in percent.", min=0, max=90)
    ] = 10,
    ceiling: Annotated[
        int, typer.Option(metavar="N", help="Largest micro-batch wanted.", min=1, max=MOST_IMAGES)
    ] = MOST_IMAGES,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the profile that fits, for instance to fits.toml."
        ),
    ] = None,
) -> None:
    """Find the largest micro-batch that fits: foreseen, then tried with real steps in a process of its own.

    The batch of the profile stays as it is and is made of the fewest micro-batches that fit (train.accumulate), so the
    learning rate stays right. Steps are taken on train.device with random images. The exit code is 3 if not even one
    image fits.
    """
    given = parse_assignments(settings)
    lab = opened(context)
    plan = _one(lab.models(profile, given), profile)
    if write is not None and write.exists():
        raise ProfileError(COMMAND_LINE, "--write", f"{write} is there already; give another name")
    if write is not None:
        require_folder_of(write)
    room = free_on(kind_of(plan)) if memory == FREE else in_bytes(memory, "--memory")
    if room is None:
        raise DeviceUnavailable("the memory of this device is not known; give it, as --memory 8GiB")
    wanted = fitting.FitWanted(memory=room, reserve=reserve / 100, ceiling=ceiling)
    largest = _largest(plan, wanted, lab.store.list())
    if not largest:
        output.print_sentence(
            f"{plan.name}: not even one image fits into {form.gibibytes(wanted.usable)}"
        )
        raise typer.Exit(EXIT_CODES["does not fit"])
    made = fitting.fitted_plan(plan, largest)
    again = command_line(profile, given | {"train.accumulate": made.train.accumulate})
    _conclude(made, largest, again, write)


def _one(choices: tuple[Plan | UnfitChoice, ...], profile: str) -> Plan:
    """The run that is fitted. Raises ProfileError for several."""
    plan = choices[0]
    if len(choices) > 1:
        raise ProfileError(
            COMMAND_LINE,
            profile,
            f"makes {len(choices)} runs, and fit takes one; choose one by what they differ in, as {_first(choices)}",
        )
    if isinstance(plan, UnfitChoice):
        raise plan.error
    return plan


def _first(choices: Sequence[Plan | UnfitChoice]) -> str:
    """The settings that choose the first of several runs, as they are typed."""
    plans = [each for each in choices if isinstance(each, Plan)]
    typed = [{"seeds": plan.seed} | flat_settings(plan) for plan in plans] or [{"seeds": 0}]
    differing = [
        key
        for key, value in typed[0].items()
        if all(key in each for each in typed) and any(each[key] != value for each in typed)
    ]
    return " ".join(f"{key}={typed[0][key]}" for key in differing or ["seeds"])


def _largest(plan: Plan, wanted: fitting.FitWanted, runs: Sequence[Summary]) -> int:
    """The largest micro-batch that was tried and fits; says what was foreseen and what each try took."""
    start = fitting.foreseen_batch(plan, wanted, runs)
    usable = form.gibibytes(wanted.usable)
    output.say(
        f"{plan.name}: {start:,} images are foreseen to fit into {usable} "
        f"({form.gibibytes(wanted.memory)} without a reserve of {wanted.reserve:.0%}), backward {plan.backward}"
    )
    largest = 0
    for tried in fitting.tries(plan, wanted, start):
        took = "ran out of memory" if tried.bytes is None else f"took {form.gibibytes(tried.bytes)}"
        verdict = "fits" if tried.fits else "does not fit"
        output.say(
            f"{plan.name}: three real steps of {_made_of(plan, tried.micro_batch)} images {took}: {verdict}"
        )
        if tried.fits:
            largest = max(largest, tried.micro_batch)
    return largest


def _made_of(plan: Plan, micro_batch: int) -> str:
    parts = fitting.parts_of(plan, micro_batch)
    return f"{micro_batch:,}" if parts == 1 else f"{parts} × {micro_batch:,}"


def _conclude(plan: Plan, largest: int, again: str, write: Path | None) -> None:
    """Say how the batch is made, and write the profile if wanted."""
    parts, batch = plan.train.accumulate, plan.train.batch
    output.print_sentence(
        f"{plan.name}: the largest micro-batch is {largest:,}; batch {batch:,} = {parts} × {batch // parts:,}"
    )
    if write is None:
        output.print_sentence(again)
        return
    try:
        with write.open("xb") as file:
            tomli_w.dump(own_profile(plan), file)
    except OSError as error:
        raise StoreError(f"{write} cannot be written: {error.strerror}") from error
    output.print_sentence(f"written: {write}; `revconsole train {write}`")
