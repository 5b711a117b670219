"""Events: what a run records about itself, one line of the log file each.

A line is one JSON object: `seq` (counts from 1 within an attempt), `time` (seconds since 1970), `elapsed` (seconds
since the attempt began, by a monotonic clock), `kind`, the event's own fields, and last `crc`, the CRC-32 of every
byte before `,"crc"`. Non-finite numbers are written as the strings "NaN", "Infinity" and "-Infinity", so the file is
valid JSON. Events are named tuples because the console's first frame waits until their classes are made: a frozen dataclass
takes six times as long.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Direction = Literal["up", "down", "none"]
Scalar = str | int | float | bool | None
NOTHING: Mapping[str, float] = {}


class Started(NamedTuple):
    """An attempt begins.

    facts: device, versions, parameters, fingerprint and more. resumed_from: last step of the checkpoint from which it
    continues; whatever older attempts wrote beyond that step is superseded.
    """

    facts: Mapping[str, Scalar]
    resumed_from: int | None = None


class MetricDeclared(NamedTuple):
    """The declaration of a metric, which keeps old runs readable.

    per: "step" or "epoch". direction: which way is better. meaning: one sentence.
    """

    name: str
    unit: str
    per: str
    direction: Direction
    meaning: str


class Measured(NamedTuple):
    """Values of metrics at one optimiser step (steps count from 1 over the whole run)."""

    step: int
    epoch: int
    values: Mapping[str, float]


class EpochFinished(NamedTuple):
    """An epoch ended at `step`, with the values measured once per epoch.

    unpredicted: numbers of the classes with five validation images or more that none was taken for, the first hundred.
    """

    epoch: int
    step: int
    values: Mapping[str, float]
    unpredicted: Sequence[int] = ()


class Confused(NamedTuple):
    """Confusion matrix of the test: `counts[i][j]` images of class i were predicted as class j."""

    step: int
    names: Sequence[str]
    counts: Sequence[Sequence[int]]


class Bounded(NamedTuple):
    """The model's predictions over the plane, for datasets of points; see `boundary`.

    points: given only in the first such event of an attempt.
    """

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


class Apportioned(NamedTuple):
    """The bytes of a training step at its peak, by part; see `records.foresight.parts.MemoryParts`.

    of: foreseen for a backward when the run began, or measured of a step of the run by torch's allocator.
    """

    of: Literal["foreseen", "measured"]
    backward: str
    parts: Mapping[str, float]


class Audited(NamedTuple):
    """What the audit before training found: each check by its name, level, figure and advice."""

    checks: Sequence[Mapping[str, str]]


class Checkpointed(NamedTuple):
    """The checkpoint of `step` is on disk as `file`, relative to the run folder."""

    step: int
    epoch: int
    file: str
    best: bool = False


class Advised(NamedTuple):
    """A note, a warning or an alarm for the user.

    rule: identifies the condition. An alarm stands until a note with the same rule follows. The part before a colon
    is the word that the run's state shows. command: the command line that does what the text advises, if one does.
    """

    level: Literal["note", "warning", "alarm"]
    text: str
    rule: str = ""
    command: str = ""

    @property
    def sentence(self) -> str:
        """Text and command."""
        return f"{self.text}: `{self.command}`" if self.command else self.text


class Logged(NamedTuple):
    """A line of text for the user."""

    text: str


class Answered(NamedTuple):
    """The trainer carried out a request (stop, pause or continue) from the control folder at `step`."""

    verb: str
    by: str
    step: int


class HandedOver(NamedTuple):
    """The attempt ends on purpose at `step`; another process continues from its checkpoint."""

    step: int
    to: str


class Failed(NamedTuple):
    """The run ended early.

    reason: a sentence; a traceback, if there is one, is in crash.txt. cause: "memory" if memory ran out.
    """

    reason: str
    cause: Literal["", "memory"] = ""


class Finished(NamedTuple):
    """The run ended well: "completed", "stopped" on request, or "pruned": stopped early by its search.

    by: who stopped it, or why it was stopped early. values: final metrics. weights_sha256: hash of the last step's weights and buffers in the order of the
    `state_dict`. eta: how long the rest took after 10, 25 and 50 % of the steps ("10", "25", "50"), by what the ETA had
    said then; only of a run that trained at one go.
    """

    outcome: Literal["completed", "stopped", "pruned"]
    step: int
    by: str = ""
    values: Mapping[str, float] = NOTHING
    weights_sha256: str = ""
    eta: Mapping[str, float] = NOTHING


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

KINDS: dict[str, type[Event]] = {
    "started": Started,
    "metric": MetricDeclared,
    "measured": Measured,
    "epoch": EpochFinished,
    "confusion": Confused,
    "boundary": Bounded,
    "memory": Apportioned,
    "audit": Audited,
    "checkpoint": Checkpointed,
    "advice": Advised,
    "log": Logged,
    "answer": Answered,
    "handed-over": HandedOver,
    "failed": Failed,
    "finished": Finished,
}
KIND_OF = {cls: kind for kind, cls in KINDS.items()}
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
        "kind": KIND_OF[type(event)],
    }
    body |= event._asdict()
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
