"""Outlook: what a run would cost: counts of its model, and the memory of its step with each backward.

What was counted and foreseen before is read from the user's cache without torch; what is missing is made and kept there.
Bytes are those of a whole training: of the step, plus an allowance (see `records.foresight.allowance`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from revconsole.errors import RevconsoleError, said
from revconsole.lab import format as form
from revconsole.lab import room
from revconsole.lab.calibration import correction
from revconsole.lab.torch_api import training
from revconsole.records.foresight import cache, chosen, counts
from revconsole.records.foresight.allowance import Allowance, MemoryRange, Word, allowance
from revconsole.records.foresight.foreseen import FITTED, Foreseen
from revconsole.records.foresight.foresight import Foresight, Kind, MadeBatch
from revconsole.records.logs.events import Scalar
from revconsole.records.runs.pace import passes
from revconsole.records.runs.run import Summary
from revconsole.records.sections import Backward
from revconsole.records.settings.plan import Plan

EXIT_CODES: Mapping[Word, int] = {"fits": 0, "tight": 0, "does not fit": 3, "uncertain": 4}
"""The exit code of the command line for each verdict."""
WORST: tuple[Word, ...] = ("fits", "tight", "uncertain", "does not fit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The memory of a run's step with one backward.

    bounds: of the whole training. largest: the micro-batch up to which it surely fits, and beyond which it surely does
    not; None without a memory to fit into.
    """

    backward: Backward
    peak_bytes: int
    parts: Mapping[str, float]
    operator: str
    bounds: MemoryRange
    verdict: Word | None = None
    largest: tuple[int, int] | None = None
    made: MadeBatch | None = None
    """How the batch of the plan is made in the memory; None if it cannot be."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a run would cost. memory: bytes to fit into, of a rank; None if unknown."""

    plan: Plan
    counts: Mapping[str, Scalar]
    foresight: Foresight | None
    why_not: str
    """Why there is no foresight, or what is to be known about it."""
    allowed: Allowance
    memory: int | None
    correction: float = 1.0
    """Measured by foreseen bytes of earlier runs on such a device; the range and the largest batch are corrected by it."""
    choice: str = ""
    """What the blocks keep with backward `auto`, in words; empty if it is not known."""
    unsure: str = ""
    """Why every verdict is uncertain, as a sentence; empty if none need be."""

    @property
    def micro_batch(self) -> int:
        """Images of a forward pass, at most."""
        return self.plan.images_at_once

    @property
    def images(self) -> int | None:
        """Training images of an epoch; None for a folder whose images were not counted."""
        return self.plan.trained_images or None

    @property
    def multiply_adds_per_epoch(self) -> int | None:
        """Multiply-adds of forward and backward over the training images of an epoch; None if unknown."""
        each, images = self.counts.get("multiply_adds_per_image"), self.images
        return each * images * passes(self.plan) if isinstance(each, int) and images else None

    @cached_property  # the form asks several times a key, and each takes milliseconds
    def steps(self) -> tuple[Step, ...]:
        """The memory with each backward that the model and its scheme allow."""
        if self.foresight is None:
            return ()
        return tuple(self._step(self.foresight, each) for each in self.foresight.backwards)

    @property
    def own(self) -> Step | None:
        """The memory with the plan's own backward."""
        return next((step for step in self.steps if step.backward == self.plan.backward), None)

    @property
    def verdict(self) -> Word | None:
        """Whether the run fits into the memory; uncertain if it could not be foreseen, None without a memory."""
        if self.memory is None:
            return None
        own = self.own
        return "uncertain" if own is None or own.verdict is None else own.verdict

    def _step(self, foresight: Foresight, backward: Backward) -> Step:
        parts, allowed, memory = self.plan.parts_of_batch, self.allowed, self.memory
        taken = self._taken(foresight, backward)
        peak = foresight.peak(taken, self.micro_batch, accumulate=parts)
        bounds = self._bounds(foresight, taken)
        given: dict[str, Any] = {}
        if memory is not None:
            usable = int(memory / self.correction)
            safe = foresight.largest(backward, usable, accumulate=parts, allowance=allowed)
            most = foresight.largest(backward, usable - allowed.low, accumulate=parts)
            made = foresight.made(backward, self.plan.train.batch, usable, allowance=allowed)
            word = "uncertain" if self.unsure else bounds.within(memory)
            given = {"verdict": word, "largest": (safe, most), "made": made}
        return Step(
            backward=backward,
            peak_bytes=peak.total,
            parts=asdict(peak.parts),
            operator=peak.operator,
            bounds=bounds,
            **given,
        )

    def _bounds(self, foresight: Foresight, backward: Backward) -> MemoryRange:
        parts, factor = self.plan.parts_of_batch, self.correction
        found = foresight.bounds(backward, self.micro_batch, self.allowed, accumulate=parts)
        return MemoryRange(low=math.ceil(found.low * factor), high=math.ceil(found.high * factor))

    def _taken(self, foresight: Foresight, backward: Backward) -> Backward:
        """The backward of whose memory `auto` is told: its own if its blocks are known, else stored if that keeps within the
        budget, else the one with the least memory. Any other backward is its own.
        """
        if backward != "auto" or foresight.auto is not None:
            return backward
        budget = _budget(self.plan, foresight, self.allowed, self.memory, self.correction)
        stored = foresight.steps["stored"].above(self.micro_batch)
        return "stored" if budget is not None and stored <= budget else foresight.sparing


def outlook(plan: Plan, *, memory: int | None, runs: Sequence[Summary] = ()) -> Outlook:
    """What a run would cost. memory: bytes to fit into. runs: earlier ones, which correct. Raises as `training.cost` does."""
    counted = counts.known(plan)
    if counted is None:
        counted = training.cost(plan)
        counts.keep(plan, counted)
    foreseen = Foreseen(counts=counted, why_not=FITTED)
    if not plan.fitted:
        foresight, why_not = _foreseen(plan, room.kind_of(plan))
        foreseen = Foreseen(counts=counted, foresight=foresight, why_not=why_not)
    found = foretold(plan, foreseen, memory=memory, runs=runs)
    return _with_choice(found, make=True)


def foretold(
    plan: Plan, foreseen: Foreseen, *, memory: int | None, runs: Sequence[Summary] = ()
) -> Outlook:
    """What a run would cost, from what was foreseen of it; without torch. memory and runs: as of `outlook`."""
    kind = room.kind_of(plan)
    found = Outlook(
        plan=plan,
        counts=foreseen.counts or {},
        foresight=foreseen.foresight,
        why_not="; ".join(
            filter(None, (foreseen.why_not, _fewer(plan, foreseen), _shared(plan, foreseen)))
        ),
        allowed=allowance(plan, kind, images=plan.folder_images or 0),
        memory=_of_a_rank(plan, kind, memory),
        correction=correction(runs, kind),
        unsure=room.without_rules(plan),
    )
    return _with_choice(found, make=False)


def _of_a_rank(plan: Plan, kind: Kind, memory: int | None) -> int | None:
    """The memory that each rank has: a GPU of its own, or its share of this machine's."""
    return memory if memory is None or kind == "cuda" else memory // plan.train.ranks


def _fewer(plan: Plan, foreseen: Foreseen) -> str:
    """That what is foreseen is a batch of fewer images than are asked for; empty if there are enough."""
    images, batch = plan.images_of_batch, plan.train.batch
    if foreseen.foresight is None or images == batch:
        return ""
    return f"there are {images:,} training images, fewer than the batch of {batch:,}; the memory is that of a step of them"


def _shared(plan: Plan, foreseen: Foreseen) -> str:
    """Of which rank the memory is, and what the first one needs besides; empty for a run on one device."""
    if foreseen.foresight is None or plan.train.ranks == 1:
        return ""
    ranks, kind = plan.train.ranks, foreseen.foresight.device
    text = f"the memory is that of each of {ranks} ranks, or of the one with most"
    text += f"; each may take 1/{ranks} of this machine's" if kind == "cpu" else ""
    collected = max(step.collected for step in foreseen.foresight.steps.values())
    if not collected:
        return text
    whose = "" if kind == "cpu" else " of its machine's memory, not its GPU's"
    return f"{text}; for a checkpoint the first collects {form.gibibytes(collected)}{whose}"


def _with_choice(found: Outlook, *, make: bool) -> Outlook:
    """The outlook with the blocks that `auto` chooses, if its budget is known. make: whether to choose now, with torch."""
    plan, foresight, kind = found.plan, found.foresight, room.kind_of(found.plan)
    if foresight is None or plan.backward != "auto" or "stored" not in foresight.steps:
        return found
    budget = _budget(plan, foresight, found.allowed, found.memory, found.correction)
    if budget is None:
        return found
    choice = chosen.known(plan, kind, found.micro_batch, budget)
    if choice is None and make:
        try:
            choice = training.chosen(plan, kind, found.micro_batch, budget)
        except RevconsoleError:
            return found  # the run measures, then
    return (
        found
        if choice is None
        else replace(found, foresight=replace(foresight, auto=choice.memory), choice=choice.text)
    )


def _budget(
    plan: Plan, foresight: Foresight, allowed: Allowance, memory: int | None, factor: float
) -> int | None:
    """The budget of `auto`; None if it depends on a memory that is not known."""
    if memory is None and not plan.train.budget_mib:
        return None
    return chosen.budget_in(plan, foresight, (memory or 0) / factor - allowed.low)


def worst(outlooks: Iterable[Outlook]) -> Word | None:
    """The worst verdict of several runs; None if there is none."""
    words = [each.verdict for each in outlooks if each.verdict is not None]
    return max(words, key=WORST.index, default=None)


def memory_entry(found: Outlook) -> dict[str, Any]:
    """The memory of a run for `plan --json`, with what it was predicted for."""
    foresight = found.foresight
    return {
        "device": None if foresight is None else foresight.device,
        "memory": {step.backward: _row(step) for step in found.steps},
        "memory_left_out": {} if foresight is None else dict(foresight.left_out),
        "memory_note": "; ".join(filter(None, (found.why_not, found.unsure))),
        "memory_bytes": found.memory,
        "corrected_by": found.correction,
        "allowed_for": found.allowed.words,
        "verdict": found.verdict,
    }


def _row(step: Step) -> dict[str, Any]:
    row: dict[str, Any] = {
        "peak_bytes": step.peak_bytes,
        "parts": {name: round(value) for name, value in step.parts.items()},
        "operator": step.operator,
        "least_bytes": step.bounds.low,
        "most_bytes": step.bounds.high,
    }
    if step.largest is not None:
        row["largest_batch"], row["largest_batch_at_most"] = step.largest
        row["batch_made_of"] = (
            {"accumulate": step.made.accumulate, "micro_batch": step.made.micro_batch}
            if step.made
            else None
        )
        row["verdict"] = step.verdict
    return row


def _foreseen(plan: Plan, kind: Kind) -> tuple[Foresight | None, str]:
    """The foresight, or why there is none."""
    try:
        foresight = cache.known(plan, kind) or training.foresee(plan, kind)
    except RevconsoleError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001  a model of somebody else's may raise anything without numbers
        return None, f"its memory could not be foreseen ({said(error)})"
    notes = [f"{word}: {step.note}" for word, step in foresight.steps.items() if step.note]
    return foresight, "; ".join(notes)
