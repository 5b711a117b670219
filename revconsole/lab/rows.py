"""Rows: a run as plain JSON data, for `--json` and for scripts. Names and units are a promise to users.

Accuracies are fractions from 0 to 1, memory is in bytes, durations in seconds; what is not known yet is null.
"""

import math
from datetime import UTC, datetime
from typing import Any

from revconsole.lab.compare import Comparison, flat_settings
from revconsole.records.runs.run import Confusion, Run, Summary


def row(summary: Summary) -> dict[str, Any]:
    """One run as `ls --json` lists it."""
    plan = summary.plan
    return _finite({
        "id": summary.id,
        "name": summary.name,
        "state": summary.state,
        "reason": summary.reason,
        "alarm": summary.alarm or None,
        "alarm_text": summary.alarm_text or None,
        "profile": plan.profile,
        "study": plan.study,
        "arm": plan.arm,
        "quick": plan.quick,
        "architecture": plan.model.architecture,
        "scheme": plan.scheme.name,
        "backward": plan.backward,
        "objective": plan.objective.name,
        "dataset": plan.data.dataset,
        "seed": plan.seed,
        "epoch": summary.epoch,
        "epochs": plan.epochs,
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
        "seconds": summary.seconds,
        "eta_seconds": summary.eta_seconds,
        "device": summary.device,
        "fingerprint": summary.fingerprint,
        "created": datetime.fromtimestamp(summary.created, UTC).isoformat(timespec="seconds"),
        "damaged_lines": summary.damaged_lines,
        "final_weights_sha256": summary.weights_sha256 or None,
    })  # fmt: skip


def operations(multiply_adds: int | None) -> dict[str, int | None]:
    """Operations of the forward pass of one image in both conventions: a multiplication with its addition as one, and as two."""
    both = None if multiply_adds is None else 2 * multiply_adds
    return {
        "multiply_adds_per_image": multiply_adds,
        "floating_point_operations_per_image": both,
    }


def details(run: Run) -> dict[str, Any]:
    """One run as `show --json` prints it: the row, every setting, the facts, the last value of each metric."""
    metrics = {
        name: {"last": series.last, "unit": series.metric.unit, "meaning": series.metric.meaning}
        for name, series in run.series.items()
    }
    return row(run.summary) | {
        "settings": flat_settings(run.summary.plan),
        "facts": dict(run.facts),
        "metrics": {name: _finite(entry) for name, entry in metrics.items()},
        "confusion": _confusion(run.confusion),
        "log": [{"time": line.time, "level": line.level, "text": line.text} for line in run.log],
    }


def _confusion(found: Confusion | None) -> dict[str, Any] | None:
    """The confusion matrix: rows are true classes, columns predicted classes."""
    if found is None:
        return None
    return {
        "classes": list(found.names),
        "counts": [list(row) for row in found.counts],
        "accuracies": found.accuracies,
    }


def comparison(compared: Comparison) -> dict[str, Any]:
    """A comparison as `compare --json` prints it; gains and ratios are to the first run."""
    rows = [
        _finite(
            row(r.summary)
            | {
                "settings": dict(r.settings),
                "test_accuracy_gain": r.test_accuracy_gain,
                "kept_ratio": r.kept_ratio,
                "seconds_ratio": r.seconds_ratio,
            }
        )
        for r in compared.rows
    ]
    return {
        "differing": list(compared.differing),
        "warnings": list(compared.warnings),
        "means": list(compared.means),
        "runs": rows,
    }


def _finite(body: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: what is not finite is given as text."""
    return {
        k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in body.items()
    }
