"""Panel: what the runs of a form would cost, as text: the model drawn, its memory as bars, its time. No widgets."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from revconsole.console.model_drawing import drawing
from revconsole.console.prospect import READING, Prospect
from revconsole.lab import format as figures
from revconsole.lab.outlook import Outlook, Step
from revconsole.records.foresight.allowance import Word
from revconsole.records.printable import one_line
from revconsole.records.settings.plan import Plan

PARTS = (
    ("█", "weights, optimiser", ("parameters", "gradients", "optimizer", "exchange")),
    ("▓", "kept for the backward", ("kept", "side_bits")),
    ("░", "temporary", ("temporaries", "batch")),
)
"""What a bar is made of: its letter, its meaning, and the parts of the foresight."""
NAMES, SIZES, LARGEST = 14, 11, 15
SHARE = 0.05
"""Least share of the device's memory that a bar shows as such; smaller ones are shown beside one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelStyles:
    """Rich styles of the theme."""

    accent: str = ""
    bad: str = ""
    doubtful: str = ""


def panel(
    prospect: Prospect, plan: Plan, width: int, styles: PanelStyles, height: int | None = None
) -> Text:
    """Everything that is known, in lines of at most `width` cells. plan: the first run, which is drawn.

    height: lines that there are; where they are few, first the blank ones are left out, then the drawing.
    """
    drawn = list(drawing(plan))
    if prospect.runs > 1:
        drawn[0].append(f", the first of {prospect.runs} runs", style="dim")
    blocks = [
        list(_size(prospect)),
        list(_memory(prospect, width, styles)),
        list(_time(prospect, width)),
    ]
    rest = sum(map(len, blocks))
    room = rest + len(drawn) + len(blocks) if height is None else height
    if room >= rest + len(drawn):
        blocks = [drawn, *blocks]
    spread = room >= sum(map(len, blocks)) + len(blocks) - 1
    lines = [line for block in blocks if block for line in (*block, *([Text()] if spread else []))]
    text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
    text.rstrip()
    return text


def in_short(prospect: Prospect) -> str:
    """The memory and the time in one line; empty while nothing is known."""
    worst = prospect.worst
    if worst is None or worst.own is None:
        return READING if prospect.unforeseen or prospect.uncounted else ""
    own, least = worst.own, min(worst.steps, key=lambda step: step.peak_bytes)
    sizes = f"{own.backward} {figures.gibibytes(own.peak_bytes)}"
    if least.peak_bytes < own.peak_bytes:
        sizes += f", {least.backward} {figures.gibibytes(least.peak_bytes)}"
    parts = [sizes]
    if worst.memory is not None:
        parts = [f"{worst.verdict}: {sizes} of {figures.gibibytes(worst.memory)}"]
    if own.largest:
        parts.append(f"batch up to {_batch(own)}")
    return " · ".join(parts)


def _heading(words: str, more: str = "") -> Text:
    return Text.assemble((words, "bold"), (f"  {more}" if more else "", "dim"))


def _size(prospect: Prospect) -> Iterator[Text]:
    """Parameters and multiply-adds."""
    unknown = "parameters unknown" if prospect.problem else prospect.uncounted_words
    yield Text(prospect.counted or unknown, style="bold")
    worst = prospect.worst
    each = worst.counts.get("multiply_adds_per_image") if worst else None
    if worst is not None and isinstance(each, int):
        epoch = worst.multiply_adds_per_epoch
        yield Text(f"{figures.multiply_adds(each)} an image")
        if epoch:
            yield Text(f"{figures.multiply_adds(epoch)} an epoch", style="dim")


def _memory(prospect: Prospect, width: int, styles: PanelStyles) -> Iterator[Text]:
    """A bar for each backward, its bytes, the largest batch and whether it fits."""
    worst = prospect.worst
    if worst is None or not worst.steps:
        why = textwrap.wrap(_why(prospect), max(width - len("memory  "), 20))
        yield _heading("memory", why[0])
        yield from (Text(f"{'':8}{line}", style="dim") for line in why[1:])
        return
    steps = [step for step in worst.steps if step.backward != "auto"]
    which = f"largest of {prospect.runs} runs" if prospect.runs > 1 else ""
    free = "" if worst.memory is None else f" in {figures.gibibytes(worst.memory)} free"
    yield _heading(f"memory of a step of {worst.micro_batch:,}{free}", which)
    room = max(width - NAMES - SIZES - LARGEST - 13, 8)
    most = max(step.peak_bytes for step in steps)
    whole = most if worst.memory is None or most < SHARE * worst.memory else max(most, worst.memory)
    head = f"{'':<{NAMES + 1 + room}}{'peak':>{SIZES}}{'largest batch':>{LARGEST}}"
    yield Text(head, style="dim")
    for step in steps:
        yield _bar(step, worst, room, whole, styles)
    yield Text("  ".join(f"{letter} {words}" for letter, words, _ in PARTS), style="dim")
    if whole != most and worst.memory is not None:
        yield Text(f"a whole bar is {figures.gibibytes(whole)}", style="dim")
    if note := worst.why_not:
        yield Text(one_line(note, 200), style="dim")


def _why(prospect: Prospect) -> str:
    if prospect.unforeseen or prospect.uncounted:
        return READING
    worst = prospect.worst
    return one_line((worst.why_not if worst else prospect.problem) or "unknown", 200)


def _bar(step: Step, worst: Outlook, room: int, whole: int, styles: PanelStyles) -> Text:
    own = worst.own is not None and step.backward == worst.plan.backward
    drawn, total = "", 0.0
    for letter, _, parts in PARTS:
        total += sum(step.parts.get(part, 0.0) for part in parts)
        drawn += letter * (round(total / whole * room) - len(drawn))
    style = "bold" if own else ""
    text = Text(f"{'▸ ' if own else '  '}{step.backward:<{NAMES - 2}} ", style=style)
    text.append(f"{drawn:<{room}}", style=styles.accent if own else "dim")
    text.append(f"{figures.gibibytes(step.peak_bytes):>{SIZES}}")
    text.append(f"{_batch(step) if step.largest else figures.UNKNOWN:>{LARGEST}}")
    if step.verdict:
        text.append(f"  {step.verdict}", style=_verdict(step.verdict, styles))
    return text


def _batch(step: Step) -> str:
    return figures.UNKNOWN if step.largest is None else f"{step.largest[0]:,}"


def _verdict(word: Word, styles: PanelStyles) -> str:
    if word == "fits":
        return ""
    return styles.bad if word == "does not fit" else styles.doubtful


def _time(prospect: Prospect, width: int) -> Iterator[Text]:
    """How long a run takes, and all of them."""
    timing, runs = prospect.timing, prospect.runs
    if timing is None:
        return
    known = timing.seconds is not None and timing.epoch_seconds is not None
    if known:
        epoch, one = figures.duration(timing.epoch_seconds), figures.duration(timing.seconds)
        total = one if runs == 1 else figures.duration(prospect.seconds)
        each = "" if runs == 1 else f", {one} the longest"
        yield _heading(
            f"time {'at most ' if prospect.at_most else ''}about {total}", f"{epoch} an epoch{each}"
        )
    else:
        yield _heading("time", "unknown")
    for words in filter(None, (prospect.measuring, one_line(timing.known_from, 300))):
        for line in textwrap.wrap(words, max(width, 20)):
            yield Text(line, style="dim")
