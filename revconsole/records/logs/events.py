"""Events: what a run records about itself, one line of the log file each.

A line is one JSON object: `seq` (counts from 1 within an attempt), `time` (seconds since 1970), `elapsed` (seconds
since the attempt began, by a monotonic clock), `kind`, the event's own fields, and last `crc`, the CRC-32 of every
byte before `,"crc"`. Non-finite numbers are written as the strings "NaN", "Infinity" and "-Infinity", so the file is
valid JSON.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

Direction = Literal["up", "down", "none"]
Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An attempt begins.

    facts: device, versions, parameters, fingerprint and more. resumed_from: last step of the checkpoint from which it
    continues; whatever older attempts wrote beyond that step is superseded.
    """

    kind: ClassVar[str] = "started"
    facts: Mapping[str, Scalar]
    resumed_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDeclared:
    """The declaration of a metric, which keeps old runs readable.

    per: "step" or "epoch". direction: which way is better. meaning: one sentence.
    """

    kind: ClassVar[str] = "metric"
    name: str
    unit: str
    per: str
    direction: Direction
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Values of metrics at one optimiser step (steps count from 1 over the whole run)."""

    kind: ClassVar[str] = "measured"
    step: int
    epoch: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFinished:
    """An epoch ended at `step`, with the values measured once per epoch.

    unpredicted: numbers of the classes with five validation images or more that none was taken for, the first hundred.
    """

    kind: ClassVar[str] = "epoch"
    epoch: int
    step: int
    values: Mapping[str, float]
    unpredicted: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Confused:
    """Confusion matrix of the test: `counts[i][j]` images of class i were predicted as class j."""

    kind: ClassVar[str] = "confusion"
    step: int
    names: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """The model's predictions over the plane, for datasets of points; see `boundary`.

    points: given only in the first such event of an attempt.
    """

    kind: ClassVar[str] = "boundary"
    step: int
    epoch: int
    box: Sequence[float]
    columns: int
    rows: int
    cells: str
    of: Literal["probability", "margin"]
    names: Sequence[str]
    points: Sequence[Sequence[float]] = ()
    tested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Apportioned:
    """The bytes of a training step at its peak, by part; see `records.foresight.parts.MemoryParts`.

    of: foreseen for a backward when the run began, or measured of a step of the run by torch's allocator.
    """

    kind: ClassVar[str] = "memory"
    of: Literal["foreseen", "measured"]
    backward: str
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What the audit before training found: each check by its name, level, figure and advice."""

    kind: ClassVar[str] = "audit"
    checks: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed:
    """The checkpoint of `step` is on disk as `file`, relative to the run folder."""

    kind: ClassVar[str] = "checkpoint"
    step: int
    epoch: int
    file: str
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """A note, a warning or an alarm for the user.

    rule: identifies the condition. An alarm stands until a note with the same rule follows. The part before a colon
    is the word that the run's state shows. command: the command line that does what the text advises, if one does.
    """

    kind: ClassVar[str] = "advice"
    level: Literal["note", "warning", "alarm"]
    text: str
    rule: str = ""
    command: str = ""

    @property
    def sentence(self) -> str:
        """Text and command."""
        return f"{self.text}: `{self.command}`" if self.command else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A line of text for the user."""

    kind: ClassVar[str] = "log"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The trainer carried out a request (stop, pause or continue) from the control folder at `step`."""

    kind: ClassVar[str] = "answer"
    verb: str
    by: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The attempt ends on purpose at `step`; another process continues from its checkpoint."""

    kind: ClassVar[str] = "handed-over"
    step: int
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run ended early.

    reason: a sentence; a traceback, if there is one, is in crash.txt. cause: "memory" if memory ran out.
    """

    kind: ClassVar[str] = "failed"
    reason: str
    cause: Literal["", "memory"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run ended well: "completed", "stopped" on request, or "pruned": stopped early by its search.

    by: who stopped it, or why it was stopped early. values: final metrics. weights_sha256: hash of the last step's weights and buffers in the order of the
    `state_dict`. eta: how long the rest took after 10, 25 and 50 % of the steps ("10", "25", "50"), by what the ETA had
    said then; only of a run that trained at one go.
    """

    kind: ClassVar[str] = "finished"
    outcome: Literal["completed", "stopped", "pruned"]
    step: int
    by: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    weights_sha256: str = ""
    eta: Mapping[str, float] = field(default_factory=dict)


Event = (
    Started
    | MetricDeclared
    | Measured
    | EpochFinished
    | Confused
    | Bounded
    | Apportioned
    | Audited
    | Checkpointed
    | Advised
    | Logged
    | Answered
    | HandedOver
    | Failed
    | Finished
)

KINDS: dict[str, type[Event]] = {cls.kind: cls for cls in get_args(Event)}
FIELDS = {cls: tuple(field.name for field in fields(cls)) for cls in KINDS.values()}
WRITTEN = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""Made once: a training waits for each line, or shares its core with what writes it."""
READ = json.JSONDecoder().decode
"""Without the guess of `json.loads` at the encoding: a log is read line by line."""

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """An event with its position in the log of one attempt and its time.

    time: seconds since 1970, by the wall clock. elapsed: seconds since the attempt began, by a monotonic clock.
    """

    seq: int
    time: float
    event: Event
    elapsed: float


class DamagedLine(ValueError):  # noqa: N818  the name says what happened
    """A line of an event log differs from what was written."""


def encode(record: LoggedEvent) -> bytes:
    """The line of a record, with its newline."""
    event = record.event
    body: dict[str, Any] = {
        "seq": record.seq,
        "time": round(record.time, 6),
        "elapsed": round(record.elapsed, 6),
        "kind": event.kind,
    }
    for name in FIELDS[type(event)]:
        body[name] = getattr(event, name)
    try:
        written = WRITTEN(body)
    except (TypeError, ValueError):  # a number that is not finite, or a mapping that is no dict
        written = WRITTEN(_plain(body))
    text = written.encode()[:-1]
    return b'%s,"crc":"%08x"}\n' % (text, zlib.crc32(text))


def decode(line: bytes) -> LoggedEvent:
    """The record of one line. Raises DamagedLine if the checksum fails or the content is not an event."""
    text, mark, tail = line.rstrip(b"\n").rpartition(b',"crc":"')
    if not mark or tail != b'%08x"}' % zlib.crc32(text):
        raise DamagedLine("checksum does not match")
    try:
        body = READ((text + b"}").decode())
        cls = KINDS[body.pop("kind")]
        seq, time, elapsed = int(body.pop("seq")), body.pop("time"), body.pop("elapsed")
        if "values" in body:
            body["values"] = _restored(body["values"])
        event = cls(**body)
        return LoggedEvent(seq=seq, time=float(time), event=event, elapsed=float(elapsed))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedLine(f"not an event: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def _restored(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a `values` map with their non-finite strings converted back."""
    return {k: NON_FINITE[v] if isinstance(v, str) else float(v) for k, v in values.items()}
