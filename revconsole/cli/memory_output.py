"""The memory of planned runs as tables and bars of text; letters tell the parts apart, so no colour is needed."""

import sys
from collections.abc import Iterable, Sequence

from revconsole.cli import output, table
from revconsole.lab import format as form
from revconsole.lab.outlook import Outlook, Step
from revconsole.lab.sharing import SharedFit
from revconsole.records.foresight.foresight import in_words
from revconsole.records.printable import one_line

LETTERS = {
    "parameters": ("P", "parameters"),
    "gradients": ("G", "gradients"),
    "optimizer": ("O", "optimiser"),
    "exchange": ("E", "buffers of the exchange"),
    "kept": ("K", "kept for the backward"),
    "side_bits": ("S", "side bits"),
    "temporaries": ("T", "temporaries"),
    "batch": ("B", "images of the batch"),
}
LONGEST_BAR = 60
LABEL, SIZE = 13, 11
"""Columns of the name of a backward before a bar, and of the size after it."""


def print_memory(outlooks: Sequence[Outlook], fits: Sequence[SharedFit | None]) -> None:
    """Print for each run the memory with each backward: a table by part, bars, and whether it fits.

    fits: of each run how it fits on several GPUs here, if it does not on one.
    """
    known, alike = _distinct(outlooks)
    for each in known:
        where = "a CUDA device" if each.foresight and each.foresight.device == "cuda" else "the CPU"
        backwards = [step.backward for step in _shown(each)]
        output.print_lines(
            ["", f"{one_line(each.plan.name)}: memory of a step of {_made_of(each)} on {where}"]
        )
        output.print_table(["part", *backwards], _rows(each), stays=["part", *backwards])
        output.print_lines(["", *bars(each, table.width_of(sys.stdout))])
        for sentence in sentences(each):
            output.print_sentence(sentence)
        for name in alike.get(each.plan.name, ()):
            output.say(f"{name}: the same memory as {each.plan.name}")
    for each in outlooks:
        if each.foresight is None:
            output.say(f"{each.plan.name}: {each.why_not}")
    for fit in fits:
        if fit is not None:
            output.print_sentence(shared(fit))


def shared(fit: SharedFit) -> str:
    """How a run fits on several GPUs, as a sentence."""
    plan, own, memory = fit.found.plan, fit.found.own, fit.found.memory
    words = " ".join(f"{key}={str(value).lower()}" for key, value in fit.settings.items())
    taken = f": {_range(own)} of {form.gibibytes(memory)} on each" if own and memory else ""
    return f"{plan.name}: on {fit.ranks} of the GPUs here the verdict is {fit.found.verdict}, with {words}{taken}"


def bars(outlook: Outlook, width: int) -> list[str]:
    """A bar of letters for each backward, in `width` columns, and the meaning of the letters."""
    steps = _shown(outlook)
    most = max(step.peak_bytes for step in steps)
    long = max(10, min(LONGEST_BAR, width - LABEL - SIZE - 2))
    lines = [
        f"{step.backward:<{LABEL}} {_bar(step, long / most)} {form.gibibytes(step.peak_bytes)}"
        for step in steps
    ]
    there = [part for part in LETTERS if any(step.parts[part] >= 1 for step in steps)]
    return [*lines, *_legend(there, width), ""]


def _bar(step: Step, scale: float) -> str:
    """Letters in proportion to the parts; their ends are rounded, so that the whole bar is as long as its sum."""
    text, total = "", 0.0
    for part, (letter, _) in LETTERS.items():
        total += step.parts[part]
        text += letter * (round(total * scale) - len(text))
    return text


def _legend(parts: Iterable[str], width: int) -> list[str]:
    lines = [""]
    for part in parts:
        word = f"{LETTERS[part][0]} {LETTERS[part][1]}"
        joined = f"{lines[-1]}  {word}" if lines[-1] else word
        if len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines


def sentences(outlook: Outlook) -> list[str]:
    """What follows for the run: whether it fits, how its batch is made, and what is allowed for."""
    plan, own, memory = outlook.plan, outlook.own, outlook.memory
    told = [f"{plan.name}: {outlook.why_not}"] if outlook.why_not else []
    told += [outlook.unsure] if outlook.unsure else []
    told += [f"{plan.name}: backward auto: {outlook.choice}"] if outlook.choice else []
    if own is None or memory is None:
        return told
    words = form.gibibytes(memory)
    taken = f"{_made_of(outlook)} with backward {own.backward}"
    told.append(f"{plan.name}: {taken} take {_range(own)} of {words}: {outlook.verdict}")
    ways = [step.made for step in outlook.steps if step.made and step.backward != "auto"]
    told.append(f"{plan.name}: in {words}, batch {in_words(plan.train.batch, ways)}")
    told += [f"{plan.name}: not {word}: {why}" for word, why in _left_out(outlook)]
    told.append(f"allowed for: {outlook.allowed.words}")
    if outlook.correction != 1.0:
        ratio = form.ratio(outlook.correction)
        told.append(
            f"corrected by {ratio}, as measured in earlier runs here (`plan --calibration`)"
        )
    return told


def _left_out(outlook: Outlook) -> list[tuple[str, str]]:
    return [] if outlook.foresight is None else list(outlook.foresight.left_out.items())


def _rows(outlook: Outlook) -> list[list[str]]:
    """The parts, their sum, and what follows, with a column for each backward."""
    steps = _shown(outlook)
    rows = [
        [words, *(form.gibibytes(step.parts[part]) for step in steps)]
        for part, (_, words) in LETTERS.items()
        if any(step.parts[part] >= 1 for step in steps)
    ]
    rows.append(["peak of a step", *(form.gibibytes(step.peak_bytes) for step in steps)])
    rows.append(["whole training", *map(_range, steps)])
    if outlook.memory is not None:
        rows.append([f"largest in {form.gibibytes(outlook.memory)}", *map(_largest, steps)])
        rows.append([f"batch {outlook.plan.train.batch:,} as", *map(_made, steps)])
        rows.append(["verdict", *(step.verdict or form.UNKNOWN for step in steps)])
    return rows


def _shown(outlook: Outlook) -> list[Step]:
    """The backwards to show; `auto`, which equals one of the others, only if the run uses it."""
    return [
        step for step in outlook.steps if step.backward != "auto" or outlook.plan.backward == "auto"
    ]


def _made(step: Step) -> str:
    return f"{step.made.accumulate} × {step.made.micro_batch}" if step.made else form.UNKNOWN


def _made_of(outlook: Outlook) -> str:
    """The batch in its micro-batches, in words."""
    parts, each = outlook.plan.parts_of_batch, outlook.micro_batch
    return f"{each:,} images" if parts == 1 else f"{parts} × {each:,} images"


def _range(step: Step) -> str:
    low, high = form.gibibytes(step.bounds.low), form.gibibytes(step.bounds.high)
    one, other = low.split(), high.split()
    if one[1:] == other[1:]:
        return high if low == high else f"{one[0]} to {high}"
    return f"{low} to {high}"


def _largest(step: Step) -> str:
    """The largest micro-batch, as a range where what is allowed for matters."""
    if step.largest is None:
        return form.UNKNOWN
    safe, most = step.largest
    return f"{safe:,}" if safe == most else f"{safe:,} to {most:,}"


def _distinct(outlooks: Sequence[Outlook]) -> tuple[list[Outlook], dict[str, list[str]]]:
    """One run for each distinct memory, and by its name the names of the others."""
    first: dict[object, Outlook] = {}
    alike: dict[str, list[str]] = {}
    for each in outlooks:
        if each.foresight is None:
            continue
        same = (each.steps, each.micro_batch, each.plan.backward)
        key = repr(same)
        if key in first:
            alike.setdefault(first[key].plan.name, []).append(each.plan.name)
        else:
            first[key] = each
    return list(first.values()), alike
