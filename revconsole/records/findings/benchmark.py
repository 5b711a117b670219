"""Benchmark: what `revconsole bench` is asked for, what it measured, and the arithmetic on that; torch-free.

Times are seconds, memory is in bytes. Raw timings are kept, one per round, so that every ratio can be made again.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from revconsole.records.logs.events import Scalar
from revconsole.records.sections.model import Vit
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.words import spelled

RECOMPUTED = 4 / 3
"""What a step costs, in plain steps, whose activations are computed twice; for forecasts of the duration only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One thing to measure. `stored_blocks`, beside backward `reversible`, is how many of the last blocks keep theirs."""

    plan: Plan
    stored_blocks: int | None = None

    @property
    def scheme(self) -> str:
        """Name of the scheme with those of its options that are not the default, as `--schemes` takes it."""
        chosen = self.plan.scheme.model_dump(exclude_defaults=True, exclude={"name"})
        options = ",".join(f"{key}={spelled(value)}" for key, value in chosen.items())
        return f"{self.plan.scheme.name}:{options}" if options else self.plan.scheme.name

    @property
    def backward(self) -> str:
        """Where the activations come from, in words."""
        if self.stored_blocks is None:
            return self.plan.backward
        return f"last {self.stored_blocks} stored"

    @property
    def depth(self) -> int | None:
        """Blocks of the model, where the plan says so."""
        return self.plan.model.depth if isinstance(self.plan.model, Vit) else None

    @property
    def batch(self) -> int:
        """Images that go through the model at once."""
        return self.plan.train.batch // self.plan.train.accumulate

    @property
    def cost(self) -> float:
        """Roughly, against others of the same benchmark."""
        blocks = self.depth or 1
        stored = blocks if self.plan.backward == "stored" else self.stored_blocks or 0
        return stored + (blocks - stored) * RECOMPUTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What to measure. `left_out`: combinations that cannot be, each with its reason."""

    configurations: tuple[Configuration, ...]
    rounds: int
    memory_bytes: int
    """The memory that the largest batch should fit into."""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingSpread:
    """Median and quartiles of some timings, in seconds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRow:
    """One configuration, measured so far; what is empty or None was not reached or cannot be measured here."""

    scheme: str
    backward: str
    depth: int | None
    batch: int
    stored_blocks: int | None = None
    parameters: int | None = None
    seconds: tuple[float, ...] = ()
    """Forward and backward of one batch, one number per round."""
    forward_seconds: tuple[float, ...] = ()
    """The forward part of the same steps."""
    operations: int | None = None
    """Floating-point operations of the same forward and backward, counted."""
    kept_bytes: int | None = None
    """What the forward keeps for the backward."""
    fixed_bytes: int | None = None
    """Parameters, buffers and the optimiser's state: there at any batch."""
    peaks: tuple[tuple[int, int], ...] = ()
    """(batch, most bytes in use during a step above the fixed ones), by batch."""
    verified_batch: int | None = None
    """The largest batch that was tried and fitted; None where none was tried."""
    failed: str = ""

    @property
    def step(self) -> TimingSpread | None:
        """Seconds of a step."""
        return spread(self.seconds)

    @property
    def peak_bytes(self) -> int | None:
        """Most bytes in use during a step of the benchmark's batch, above the fixed ones."""
        return dict(self.peaks).get(self.batch)

    @property
    def limit(self) -> float | None:
        """1 + the forward's share of a step: one recomputation cannot cost less. Meant for stored rows."""
        if not self.seconds:
            return None
        return 1 + statistics.median(self.forward_seconds) / statistics.median(self.seconds)

    def largest_batch(self, memory_bytes: int) -> int | None:
        """Largest batch predicted to fit, 0 if none does; None where peaks do not tell. See `predicted_batch`."""
        if self.fixed_bytes is None:
            return None
        return predicted_batch(self.peaks, memory_bytes - self.fixed_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Everything measured so far. `facts`: with what; `how`: one sentence per kind of number."""

    bench: Bench
    facts: Mapping[str, Scalar]
    how: Mapping[str, str]
    rows: tuple[BenchmarkRow, ...] = field(default_factory=tuple)
    complete: bool = False

    @property
    def depths(self) -> tuple[int | None, ...]:
        """In the order measured."""
        return tuple(dict.fromkeys(row.depth for row in self.rows))

    def stored(self, scheme: str, depth: int | None) -> BenchmarkRow | None:
        """The row of a scheme with all activations kept."""
        found = (r for r in self.rows if (r.scheme, r.depth) == (scheme, depth))
        return next((r for r in found if r.backward == "stored"), None)

    def of_plain(self, row: BenchmarkRow) -> float | None:
        """Median step over that of the plain residual network, all activations kept."""
        return _quotient(row, self.stored("residual", row.depth))

    def work(self, row: BenchmarkRow) -> float | None:
        """Operations over those of the plain residual network, all activations kept."""
        plain = self.stored("residual", row.depth)
        if plain is None or not plain.operations or row.operations is None:
            return None
        return row.operations / plain.operations

    def of_own(self, row: BenchmarkRow) -> float | None:
        """Median step over that of the same scheme with all activations kept."""
        return _quotient(row, self.stored(row.scheme, row.depth))

    def limit(self, row: BenchmarkRow) -> float | None:
        """1 + the share of the forward in a step of this scheme with all activations kept."""
        stored = self.stored(row.scheme, row.depth)
        return stored.limit if stored else None

    def largest_batch(self, row: BenchmarkRow) -> int | None:
        """The largest batch that fits `bench.memory_bytes`: tried where possible, else predicted."""
        if row.verified_batch is not None:
            return row.verified_batch
        return row.largest_batch(self.bench.memory_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """How far a benchmark is. `share` is done, in [0, 1]; `seconds_left` a forecast."""

    what: str
    share: float
    seconds_left: float
    benchmark: Benchmark


def spread(seconds: Sequence[float]) -> TimingSpread | None:
    """Median and quartiles, by linear interpolation between timings; None without any."""
    if not seconds:
        return None
    if len(seconds) == 1:
        return TimingSpread(median=seconds[0], low=seconds[0], high=seconds[0])
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return TimingSpread(median=median, low=low, high=high)


def predicted_batch(peaks: Sequence[tuple[int, int]], memory_bytes: int) -> int | None:
    """Largest batch whose peak fits, on the straight line through the smallest and the largest measured batch.

    None where there are not two, or where the peak does not grow with the batch.
    """
    if len(peaks) < 2:
        return None
    (small, low), (large, high) = min(peaks), max(peaks)
    if large == small or high <= low:
        return None
    per_image = (high - low) / (large - small)
    return max(0, math.floor(small + (memory_bytes - low) / per_image))


def _quotient(row: BenchmarkRow, reference: BenchmarkRow | None) -> float | None:
    if reference is None or row.step is None or reference.step is None:
        return None
    return row.step.median / reference.step.median
