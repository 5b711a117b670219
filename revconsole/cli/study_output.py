"""The runs of a study as a table, and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from revconsole.cli import output
from revconsole.lab import format as form

if TYPE_CHECKING:
    from revconsole.lab.judging import Verdicts
    from revconsole.lab.study import PlannedStudy, Standing

COLUMNS = ["arm", "seed", "state", "epoch", "test accuracy", "time", "device", "run"]


def print_standings(standing: "Sequence[Standing]", verdicts: "Verdicts | None" = None) -> None:
    """Print every run with its state; of runs that were judged, also why they are left out."""
    reasons = [
        verdicts.why_not(each.plan) if verdicts is not None and each.summary is None else None
        for each in standing
    ]
    rows = [_cells(each) for each in standing]
    for cells, why in zip(rows, reasons, strict=True):
        cells[COLUMNS.index("state")] = output.LEFT_OUT if why else cells[COLUMNS.index("state")]
    output.print_judged(
        COLUMNS, rows, reasons, yields=["device", "time", "epoch"], stays=["seed", "state"]
    )


def _cells(each: "Standing") -> list[str]:
    s, epochs = each.summary, each.plan.epochs
    state: str = each.progress if s is None or s.state == "finished" else s.state
    state += f", {s.alarm}" if s and s.alarm else ""
    return [
        each.plan.arm, str(each.plan.seed), state, f"{s.epoch if s else 0}/{epochs}",
        form.percent(s.test_accuracy if s else None),
        form.duration(s.seconds if s and s.attempt else None), s.device if s else "", s.id if s else "",
    ]  # fmt: skip


def body(planned: "PlannedStudy", standing: "Sequence[Standing]") -> dict[str, object]:
    """A study as `--json` prints it."""
    from revconsole.lab import rows  # as above

    runs = [
        {
            "arm": each.plan.arm,
            "seed": each.plan.seed,
            "progress": each.progress,
            "run": rows.row(each.summary) if each.summary else None,
        }
        for each in standing
    ]
    return {
        "study": planned.study.name,
        "title": planned.study.facts.title,
        "quick": planned.quick,
        "baseline": planned.study.baseline(planned.arms).name,
        "runs": runs,
    }
