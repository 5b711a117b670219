"""Benchmark: the request, the results and the arithmetic of `revconsole bench`. Times are in seconds, memory in bytes."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from revconsole.records.logs.events import Scalar
from revconsole.records.sections.model import Vit
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.words import spelled

RECOMPUTED = 4 / 3
"""Cost of a step that recomputes all activations, in plain steps; used only to forecast the duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A configuration to measure. stored_blocks: with backward `reversible`, the number of last blocks that store
    activations.
    """

    plan: Plan
    stored_blocks: int | None = None

    @property
    def scheme(self) -> str:
        """Name of the scheme with its non-default options, in the syntax of `--schemes`."""
        chosen = self.plan.scheme.model_dump(exclude_defaults=True, exclude={"name"})
        options = ",".join(f"{key}={spelled(value)}" for key, value in chosen.items())
        return f"{self.plan.scheme.name}:{options}" if options else self.plan.scheme.name

    @property
    def backward(self) -> str:
        """The source of the activations, in words."""
        if self.stored_blocks is None:
            return self.plan.backward
        return f"last {self.stored_blocks} stored"

    @property
    def depth(self) -> int | None:
        """Number of blocks; None if the plan does not determine it."""
        return self.plan.model.depth if isinstance(self.plan.model, Vit) else None

    @property
    def batch(self) -> int:
        """Images per forward pass."""
        return self.plan.train.micro_batch

    @property
    def cost(self) -> float:
        """Rough duration relative to other configurations of the same benchmark."""
        blocks = self.depth or 1
        stored = blocks if self.plan.backward == "stored" else self.stored_blocks or 0
        return stored + (blocks - stored) * RECOMPUTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A benchmark to run. left_out: impossible combinations, each with its reason."""

    configurations: tuple[Configuration, ...]
    rounds: int
    memory_bytes: int
    """Memory that the largest batch must fit into."""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingSpread:
    """Median and quartiles of some timings, in seconds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRow:
    """The measurements of one configuration so far; empty or None means not reached or not measurable here."""

    scheme: str
    backward: str
    depth: int | None
    batch: int
    stored_blocks: int | None = None
    parameters: int | None = None
    seconds: tuple[float, ...] = ()
    """Seconds of forward and backward of one batch, one number per round."""
    forward_seconds: tuple[float, ...] = ()
    """Seconds of the forward in the same steps."""
    operations: int | None = None
    """Floating-point operations of the forward and backward, counted."""
    kept_bytes: int | None = None
    """Bytes that the forward keeps for the backward."""
    fixed_bytes: int | None = None
    """Bytes of parameters, buffers and optimiser state, independent of the batch."""
    peaks: tuple[tuple[int, int], ...] = ()
    """(batch, most bytes in use during a step above the fixed ones), by batch."""
    foreseen_peak: int | None = None
    """The same for the benchmark's batch as `plan` foresees it, of what tensors and kernels take."""
    foreseen_batch: int | None = None
    """Largest batch that is foreseen to fit."""
    verified_batch: int | None = None
    """Largest batch that ran and fitted; None if none was tried."""
    failed: str = ""

    @property
    def step(self) -> TimingSpread | None:
        """Median and quartiles of the seconds of a step; None without timings."""
        return spread(self.seconds)

    @property
    def peak_bytes(self) -> int | None:
        """Peak bytes of a step with the benchmark's batch, above `fixed_bytes`."""
        return dict(self.peaks).get(self.batch)

    @property
    def limit(self) -> float | None:
        """1 + the forward's share of a step, the least that one recomputation can cost. Meaningful for stored rows."""
        if not self.seconds:
            return None
        return 1 + statistics.median(self.forward_seconds) / statistics.median(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """All measurements so far. facts: hardware and versions. how: one sentence per kind of number."""

    bench: Bench
    facts: Mapping[str, Scalar]
    how: Mapping[str, str]
    rows: tuple[BenchmarkRow, ...] = field(default_factory=tuple)
    complete: bool = False

    @property
    def depths(self) -> tuple[int | None, ...]:
        """Depths in the order measured."""
        return tuple(dict.fromkeys(row.depth for row in self.rows))

    def stored(self, scheme: str, depth: int | None) -> BenchmarkRow | None:
        """The row of a scheme that stores all activations; None if there is none."""
        candidates = (r for r in self.rows if (r.scheme, r.depth) == (scheme, depth))
        return next((r for r in candidates if r.backward == "stored"), None)

    def of_plain(self, row: BenchmarkRow) -> float | None:
        """Median step time relative to the plain residual network with all activations stored."""
        return _quotient(row, self.stored("residual", row.depth))

    def work(self, row: BenchmarkRow) -> float | None:
        """Operations relative to the plain residual network with all activations stored."""
        plain = self.stored("residual", row.depth)
        if plain is None or not plain.operations or row.operations is None:
            return None
        return row.operations / plain.operations

    def of_own(self, row: BenchmarkRow) -> float | None:
        """Median step time relative to the same scheme with all activations stored."""
        return _quotient(row, self.stored(row.scheme, row.depth))

    def limit(self, row: BenchmarkRow) -> float | None:
        """1 + the forward's share of a step of this scheme with all activations stored."""
        stored = self.stored(row.scheme, row.depth)
        return stored.limit if stored else None

    def largest_batch(self, row: BenchmarkRow) -> int | None:
        """Largest batch that fits `bench.memory_bytes`: tried if possible, else foreseen."""
        return row.foreseen_batch if row.verified_batch is None else row.verified_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Progress of a benchmark. share: finished fraction. seconds_left: forecast."""

    what: str
    share: float
    seconds_left: float
    benchmark: Benchmark


def spread(seconds: Sequence[float]) -> TimingSpread | None:
    """Median and quartiles, by linear interpolation between timings; None without timings."""
    if not seconds:
        return None
    if len(seconds) == 1:
        return TimingSpread(median=seconds[0], low=seconds[0], high=seconds[0])
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return TimingSpread(median=median, low=low, high=high)


def _quotient(row: BenchmarkRow, reference: BenchmarkRow | None) -> float | None:
    if reference is None or row.step is None or reference.step is None:
        return None
    return row.step.median / reference.step.median
