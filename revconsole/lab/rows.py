"""Rows: runs as JSON data, for `--json` and for scripts. Names and units are a promise to users.

Accuracies are fractions from 0 to 1, memory is in bytes, durations are in seconds; an unknown value is null.
"""

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from revconsole.lab.compare import Comparison, all_settings
from revconsole.lab.matched import MatchedGain
from revconsole.records.runs.run import Confusion, Run, Summary
from revconsole.records.settings.typing_again import flat_settings

OF_NO_PLAN = frozenset({"id", "name", "state", "reason", "advice", "tags", "note", "archived"})
"""What is known of a run whose plan cannot be read."""


def row(summary: Summary) -> dict[str, Any]:
    """A run as in `ls --json`."""
    plan = summary.plan
    told = {
        "id": summary.id,
        "name": summary.name,
        "state": summary.state,
        "reason": summary.reason,
        "alarm": summary.alarm or None,
        "alarm_text": summary.alarm_text or None,
        "advice": [given._asdict() for given in summary.advice],
        "profile": plan.profile,
        "study": plan.study,
        "arm": plan.arm,
        "quick": plan.quick,
        **_settings(summary),
        "program": summary.program or None,
        "seed": plan.seed,
        "epoch": summary.epoch,
        "epochs": summary.epochs,
        "step": summary.step,
        "steps": summary.steps,
        "parameters": summary.parameters,
        **operations(summary.multiply_adds_per_image),
        "support_vectors": summary.support_vectors,
        "loss": summary.loss,
        "best_validation_accuracy": summary.best_validation_accuracy,
        "best_validation_loss": summary.best_validation_loss,
        "best_knn_accuracy": summary.best_knn_accuracy,
        "best_epoch": summary.best_epoch,
        "test_accuracy": summary.test_accuracy,
        "test_knn_accuracy": summary.test_knn_accuracy,
        "test_loss": summary.test_loss,
        "kept_for_backward_bytes": summary.kept_for_backward_bytes,
        "gradient_error": summary.gradient_error,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "peak_memory_of": summary.peak_memory_of,
        **_foreseen(summary),
        "seconds": summary.seconds,
        "eta_seconds": summary.eta_seconds,
        "device": summary.device,
        "device_name": summary.device_name or None,
        "fingerprint": summary.fingerprint,
        "created": datetime.fromtimestamp(summary.created, UTC).isoformat(timespec="seconds"),
        "damaged_lines": summary.damaged_lines,
        "final_weights_sha256": summary.weights_sha256 or None,
        "host": summary.host,
        "tags": list(summary.tags),
        "note": summary.note or None,
        "archived": summary.archived,
        "beside": summary.beside or None,
    }  # fmt: skip
    return finite(told if summary.readable else _unplanned(told))


def _settings(summary: Summary) -> dict[str, Any]:
    """The settings of a row; of a run that another program trains, those that it gave under our names."""
    names = {
        "architecture": "model.architecture", "scheme": "scheme.name", "backward": "backward",
        "objective": "objective.name", "dataset": "data.dataset",
    }  # fmt: skip
    settings = all_settings(summary)
    return {name: settings.get(key) for name, key in names.items()}


def _unplanned(told: dict[str, Any]) -> dict[str, Any]:
    """The row of a run whose plan cannot be read: null for all that is not known without it."""
    return {key: value if key in OF_NO_PLAN else None for key, value in told.items()}


def _foreseen(summary: Summary) -> dict[str, Any]:
    """What was foreseen of a run, and what came of it."""
    return {
        "foreseen_peak_bytes": summary.foreseen_peak_bytes,
        "foreseen_epoch_seconds": summary.foreseen_epoch_seconds,
        "foreseen_seconds": summary.foreseen_seconds,
        "foreseen_time_from": summary.foreseen_time_from or None,
        "seconds_per_epoch": summary.seconds_per_epoch,
        "eta_ratio_10": summary.eta_ratio_10,
        "eta_ratio_25": summary.eta_ratio_25,
        "eta_ratio_50": summary.eta_ratio_50,
    }


def operations(multiply_adds: int | None) -> dict[str, int | None]:
    """Operations of the forward pass of one image, as multiply-adds and as FLOPs (a multiplication and an addition are two)."""
    both = None if multiply_adds is None else 2 * multiply_adds
    return {"multiply_adds_per_image": multiply_adds, "floating_point_operations_per_image": both}


def details(run: Run) -> dict[str, Any]:
    """A run as in `show --json`: the row, every setting, the facts, the memory of a step by part, the last value of each metric."""
    metrics = {
        name: {"last": series.last, "unit": series.metric.unit, "meaning": series.metric.meaning}
        for name, series in run.series.items()
    }
    settings = flat_settings(run.plan) if not run.summary.readable else all_settings(run.summary)
    return row(run.summary) | {
        "settings": settings if run.summary.readable else dict.fromkeys(settings),
        "facts": dict(run.facts),
        "metrics": {name: finite(entry) for name, entry in metrics.items()},
        "memory": [asdict(each) | {"bytes": each.total} for each in run.memory],
        "audit": [asdict(each) for each in run.audit],
        "confusion": _confusion(run.confusion),
        "log": [{"time": line.time, "level": line.level, "text": line.text} for line in run.log],
        "output": [line.text for line in run.output],
    }


def _confusion(confusion: Confusion | None) -> dict[str, Any] | None:
    """The confusion matrix: rows are true classes, columns predicted classes."""
    if confusion is None:
        return None
    return {
        "classes": list(confusion.names),
        "counts": [list(row) for row in confusion.counts],
        "accuracies": confusion.accuracies,
    }


def comparison(compared: Comparison) -> dict[str, Any]:
    """A comparison as in `compare --json`; gains and ratios are relative to the first run."""
    rows = [
        finite(
            row(r.summary)
            | {
                "settings": dict(r.settings),
                "test_accuracy_gain": r.test_accuracy_gain,
                "kept_ratio": r.kept_ratio,
                "seconds_ratio": r.seconds_ratio,
                "at_equal_step": _matched(r.at_equal_step, "step"),
                "in_equal_time": _matched(r.in_equal_time, "seconds"),
            }
        )
        for r in compared.rows
    ]
    return {
        "differing": list(compared.differing),
        "warnings": list(compared.warnings),
        "means": list(compared.means),
        "trade_offs": list(compared.trade_offs),
        "fronts": {each.cost: list(each.front) for each in compared.scatters},
        "runs": rows,
    }


def _matched(gain: MatchedGain | None, place: str) -> dict[str, Any] | None:
    """A difference at the same place. place: "step" or "seconds"."""
    if gain is None:
        return None
    return finite(
        {
            "metric": gain.metric,
            place: int(gain.at) if place == "step" else gain.at,
            "value": gain.value,
            "baseline": gain.baseline,
            "difference": gain.difference,
        }
    )


def finite(body: dict[str, Any]) -> dict[str, Any]:
    """The value with numbers that are not finite as text, because JSON has no NaN."""
    return {
        k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in body.items()
    }
