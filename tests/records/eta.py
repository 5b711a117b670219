"""What the console said of the time left, beside what was then true: `python tests/records/eta.py STORE`.

Replayed from the logs of finished runs, by the times of their events: no clock is read and nothing trained. With an
older revconsole in PYTHONPATH it says what that one would have shown.
"""

import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from revconsole.records.logs.events import Finished, LoggedEvent, Measured, decode
from revconsole.records.runs.running import RunningSummary

SHARES = (0.10, 0.25, 0.50, 0.75, 0.90)
RIGHT = 0.20


def shown_over_true(records: Sequence[LoggedEvent], share: float) -> float | None:
    """The ETA at the last word before a share of the time has passed, over what was left then; None if none was shown.

    The time is that from the first measurement to the end.
    """
    first = next(r for r in records if isinstance(r.event, Measured))
    began, ended = first.elapsed, records[-1].elapsed
    running, now = RunningSummary(), began
    running.begin_attempt()
    for record in records:
        if record.elapsed > began + share * (ended - began):
            break
        running.add(record)
        now = record.elapsed
    eta = running.eta_seconds()
    return None if eta is None else eta / (ended - now)


def table(ratios: Iterable[Sequence[float | None]]) -> list[str]:
    """Lines of median, extremes, and how many are right within 20 %."""
    lines = ["progress  median  lowest  highest  within 20 %"]
    for share, column in zip(SHARES, zip(*ratios, strict=True), strict=True):
        known = [ratio for ratio in column if ratio is not None]
        right = sum(abs(ratio - 1) <= RIGHT for ratio in known)
        shown = (
            f"{statistics.median(known):6.2f}  {min(known):6.2f}  {max(known):7.2f}"
            if known
            else f"{'–':>6}  {'–':>6}  {'–':>7}"
        )
        lines.append(f"{share:8.0%}  {shown}  {right} of {len(column)}")
    return lines


def main(store: Path) -> None:
    """Every run of a store that one attempt has finished."""
    found = []
    for log in sorted(store.glob("*/attempts/0001/events.jsonl")):
        records = [decode(line) for line in log.read_bytes().splitlines()]
        if not isinstance(records[-1].event, Finished):
            continue
        found.append([shown_over_true(records, share) for share in SHARES])
        shown = "  ".join("     –" if r is None else f"{r:6.2f}" for r in found[-1])
        sys.stdout.write(
            f"{log.parents[2].name}  {len(records):6d} lines  {records[-1].elapsed:6.1f} s  {shown}\n"
        )
    sys.stdout.write("\n".join(table(found)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
