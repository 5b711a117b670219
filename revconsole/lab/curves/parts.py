"""Parts: where the memory of a step goes, as bars: measured, foreseen, and what the other backwards would take.

No account here is that of the whole process: a bar is what torch's allocator holds at the highest moment of a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from revconsole.lab import format as form
from revconsole.records.runs.run import Run, StepBytes

WORDS: Mapping[str, str] = {
    "parameters": "weights",
    "gradients": "gradients",
    "optimizer": "optimiser",
    "exchange": "exchange",
    "kept": "kept for backward",
    "side_bits": "side bits",
    "temporaries": "temporary",
    "batch": "batch",
    "allocated": "allocated",
}
"""The parts in the order in which they are drawn, with their words; `allocated` is a whole that nobody took apart."""
SHORT = {"kept for backward": "kept"}
DEVICE_PEAK = "device_peak_allocated_bytes"
MEASURED, FORESEEN = "measured", "foreseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBar:
    """The memory of a step. own: whether it is of a run, not of what it might have been. parts: bytes, in order."""

    name: str
    parts: tuple[tuple[str, float], ...]
    own: bool = False

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(size for _, size in self.parts)


def bars(runs: Sequence[Run]) -> tuple[MemoryBar, ...]:
    """The bars of a run; of several runs one each. Empty where nothing was foreseen or measured."""
    if len(runs) == 1:
        return _of_run(runs[0])
    every = ((run, _own(run)) for run in runs)
    return tuple(_bar(run.summary.name, own, own=True) for run, own in every if own is not None)


def pairs(run: Run) -> list[tuple[str, str]]:
    """The bars in one line, under a name; empty where there are none."""
    own = next((bar for bar in _of_run(run) if bar.own), None)
    if own is None:
        return []
    inner = ", ".join(f"{WORDS[part]} {form.memory(size)}" for part, size in own.parts)
    others = [f"; {bar.name} {form.memory(bar.total)}" for bar in _of_run(run) if not bar.own]
    return [("memory of a step", f"{form.memory(own.total)} {own.name}: {inner}{''.join(others)}")]


def _of_run(run: Run) -> tuple[MemoryBar, ...]:
    """What was measured, what was foreseen of it, then the other backwards, the most sparing first."""
    own = run.plan.backward
    foreseen = sorted(
        (each for each in run.memory if each.of == FORESEEN), key=lambda each: each.total
    )
    found = [_bar(MEASURED, each, own=True) for each in (_measured(run),) if each is not None]
    found += [_bar(FORESEEN, each, own=True) for each in foreseen if each.backward == own]
    found += [_bar(each.backward, each) for each in foreseen if each.backward != own]
    return tuple(found)


def _own(run: Run) -> StepBytes | None:
    foreseen = (
        each for each in run.memory if (each.of, each.backward) == (FORESEEN, run.plan.backward)
    )
    return _measured(run) or next(foreseen, None)


def _measured(run: Run) -> StepBytes | None:
    """What was measured of a step; on a GPU the most that was allocated, which nobody took apart."""
    found = next((each for each in run.memory if each.of == MEASURED), None)
    series = run.series.get(DEVICE_PEAK)
    if found is None and series is not None and series.length:
        peak = max(series.values)
        return StepBytes(of="measured", backward=run.plan.backward, parts={"allocated": peak})
    return found


def _bar(name: str, step: StepBytes, *, own: bool = False) -> MemoryBar:
    parts = tuple((part, step.parts[part]) for part in WORDS if step.parts.get(part, 0.0) > 0)
    return MemoryBar(name=name, parts=parts, own=own)
