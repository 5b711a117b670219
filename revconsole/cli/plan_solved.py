"""The largest value of one setting that fits, as `plan --solve` prints it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from revconsole.cli import output
from revconsole.errors import DeviceUnavailable
from revconsole.lab import format as form
from revconsole.lab.outlook import EXIT_CODES
from revconsole.lab.solve import LargestSetting, solved
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.study import UnfitChoice


def print_solved(
    choices: Sequence[Plan | UnfitChoice],
    key: str,
    room: Callable[[Plan], int | None],
    *,
    runs: Sequence[Summary],
    json: bool,
) -> int:
    """Print the largest value for each run; returns 3 if a run fits with none, else 0. runs: earlier ones, which correct."""
    entries, code = [], 0
    for plan in choices:
        if isinstance(plan, UnfitChoice):
            raise plan.error
        memory = room(plan)
        if memory is None:
            raise DeviceUnavailable(
                "the memory of this device is not known; give it, as --memory 8GiB"
            )
        largest = solved(plan, key, memory, runs)
        entries.append(
            {"name": plan.name, "key": key, "memory_bytes": memory}
            | (asdict(largest) if largest else {"value": None})
        )
        if largest is None:
            code = EXIT_CODES["does not fit"]
        if not json:
            output.print_sentence(
                f"{plan.name}: {_sentence(largest, key, memory)}{_of_data(plan, largest)}"
            )
    if json:
        output.print_json(entries)
    return code


def _of_data(plan: Plan, largest: LargestSetting | None) -> str:
    """That a batch is larger than the data, if it is."""
    images = plan.trained_images
    if largest is None or largest.micro_batch is None or not images or largest.value <= images:
        return ""
    return f". The {images:,} training images are fewer, so they make one batch"


def _sentence(largest: LargestSetting | None, key: str, memory: int) -> str:
    words = form.gibibytes(memory)
    if largest is None:
        return f"it does not surely fit into {words} with any {key}"
    of_parts = ""
    if largest.accumulate is not None and largest.accumulate > 1:
        of_parts = f", made of {largest.accumulate} × {largest.micro_batch:,} images (train.accumulate={largest.accumulate})"
    sentence = (
        f"{key}={largest.value}{of_parts} is the largest that fits into {words}: "
        f"at most {form.gibibytes(largest.bytes)}"
    )
    if largest.beyond is None and largest.micro_batch is not None:
        return f"{sentence}; no larger batch is allowed"
    if largest.beyond is None:
        return f"{sentence}; no larger value was tried"
    value, taken = largest.beyond
    more = f"may take {form.gibibytes(taken)}" if taken else "cannot be built"
    if taken and form.gibibytes(taken) == words:
        more = f"may take {form.memory(taken - memory)} more than that"
    return f"{sentence}; {value} {more}"
