"""How good predictions have been here, and a check of foreseen memory against real steps, as `plan --calibration` prints them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import typer

from revconsole.cli import output
from revconsole.errors import ProfileError
from revconsole.lab import format as form
from revconsole.lab.calibration import (
    LEAST_BYTES,
    LEAST_RUNS,
    MOST_CORRECTION,
    Calibration,
    calibrations,
    unrecorded,
)
from revconsole.lab.torch_api import training
from revconsole.records.foresight.checked import (
    CheckedPrediction,
    PredictionErrors,
    UncheckedPrediction,
    errors_of,
    held_out_errors,
    later_errors,
    verdicts,
)
from revconsole.records.runs.run import Summary
from revconsole.records.settings.words import COMMAND_LINE

COLUMNS = ["device", "predicted", "runs", "median", "worst", "error", "held out"]
CHECKED = ["settings", "backward", "batch", "foreseen", "allocated", "error", "resident", "error of it", "CPU seconds", "cached"]  # fmt: skip
YIELDS = ["cached", "CPU seconds", "error of it", "resident"]
CALIBRATING = 10
"""Checked predictions whose ratio calibrates all later ones."""


BESIDE = {
    "profile": "PROFILE", "settings": "KEY=VALUE", "memory": "--memory", "solve": "--solve", "time": "--time",
    "modules": "--modules", "layers": "--layers", "devices": "--devices", "card": "--card", "utilisation": "--utilisation",
}  # fmt: skip
"""What does not go with --calibration, by the name of its parameter; with --check a word may stand in place of PROFILE."""


def refuse_beside(given: Mapping[str, Any]) -> None:
    """Raises ProfileError for what `plan --calibration` takes no account of. given: the parameters of the verb."""
    if not given["calibration"]:
        raise ProfileError(
            COMMAND_LINE, "--check", "belongs to --calibration: plan --calibration --check"
        )
    for name, typed in BESIDE.items():
        value = given[name]
        if name in {"profile", "settings"}:
            value = (value or None) if name == "settings" or not given["check"] else None
        if value is not None and value is not False:
            raise ProfileError(
                COMMAND_LINE, typed, "does not go with --calibration, which is about the runs here"
            )


def print_calibration(runs: Iterable[Summary], *, json: bool) -> None:
    """Print measured by foreseen memory and time of the finished runs of the store, by device."""
    known = calibrations(runs)
    if json:
        output.print_json([asdict(each) for each in known])
        return
    output.print_table(COLUMNS, [_row(each) for each in known], yields=["error"], stays=COLUMNS[2:])
    if missing := unrecorded(known):
        output.print_sentence(f"no finished run here has recorded: {'; '.join(missing)}")
    output.say(
        "median and worst: what was measured by what was foreseen at the start, of finished runs; memory of "
        f"{form.memory(LEAST_BYTES)} or more, allocated on CUDA, of the whole process on the CPU. error: median size, as "
        "foreseen; held out: the same with each prediction corrected by the median of the other runs. From "
        f"{LEAST_RUNS} runs on, the median of a device corrects `plan`, by a quarter at most "
        f"(×{1 / MOST_CORRECTION:.2f} to ×{MOST_CORRECTION:.2f})"
    )


def print_check(containing: str, *, json: bool) -> None:
    """Predict many kinds of models and settings anew, train a step of each, and print both. Takes minutes.

    containing: a part of the settings of those wanted, such as `bdia` or `convnext`; empty for all. Ctrl-C ends the check
    and prints what was done. Raises RevconsoleError if no combination is wanted.
    """
    wanted = [each for each in training.foresight_combinations() if containing in " ".join(each)]
    if not wanted:
        raise ProfileError(
            COMMAND_LINE,
            "--check",
            f"no combination contains {containing!r}; without a word all are checked",
        )
    checks: list[CheckedPrediction] = []
    failed: list[UncheckedPrediction] = []
    complete = _collect(wanted, checks, failed)
    if json:
        output.print_json(_document(checks, failed))
    elif checks:
        output.print_table(
            CHECKED, [_cells(each) for each in checks], yields=YIELDS, stays=CHECKED[1:]
        )
        for line in _summary(checks):
            output.print_sentence(line)
    if not complete:
        raise typer.Exit(130)
    if failed:
        raise typer.Exit(1)


def _collect(
    wanted: Sequence[tuple[str, Any, str]],
    checks: list[CheckedPrediction],
    failed: list[UncheckedPrediction],
) -> bool:
    """Check what is wanted and say how it goes; returns whether it was not interrupted."""
    began = time.monotonic()
    try:
        for number, each in enumerate(training.check_foresight(wanted), 1):
            if isinstance(each, CheckedPrediction):
                checks.append(each)
                outcome = f"{each.error:+.2%}"
            else:
                failed.append(each)
                outcome = f"not checked: {each.why}"
            minutes = (time.monotonic() - began) / 60
            output.say(
                f"{number} of {len(wanted)}, {number / minutes:.1f} a minute: {each.settings}, backward {each.backward}: "
                f"{outcome}"
            )
    except KeyboardInterrupt:
        output.say(f"interrupted after {len(checks) + len(failed)} of {len(wanted)}; these are:")
        return False
    return True


def _document(
    checks: Sequence[CheckedPrediction], failed: Sequence[UncheckedPrediction]
) -> dict[str, Any]:
    """What was checked, for `--json`; a summary of too few predictions is null."""
    return {
        **{name: errors and asdict(errors) for name, errors in _errors(checks).items()},
        "verdicts": asdict(verdicts(checks)),
        "predictions": [
            asdict(each) | {"error": each.error, "resident_error": each.resident_error}
            for each in checks
        ],
        "not_checked": [asdict(each) for each in failed],
    }


def _errors(checks: Sequence[CheckedPrediction]) -> dict[str, PredictionErrors | None]:
    """Errors against the allocator, against the whole process, and there calibrated by other predictions."""
    several, later = len(checks) > LEAST_RUNS, len(checks) > CALIBRATING
    return {
        "allocated": errors_of([each.error for each in checks]) if checks else None,
        "resident": errors_of([each.resident_error for each in checks]) if checks else None,
        "resident_held_out": errors_of(held_out_errors(checks)) if several else None,
        "resident_later": errors_of(later_errors(checks, CALIBRATING)) if later else None,
    }


def _summary(checks: Sequence[CheckedPrediction]) -> list[str]:
    """The errors, the wrong verdicts and the time of the predictions, in sentences."""
    words = {
        "allocated": "against the allocator",
        "resident": "against the whole process",
        "resident_held_out": "against the whole process, each corrected by the median of all others",
        "resident_later": f"against the whole process, corrected by the median of the first {CALIBRATING}",
    }
    lines = [
        f"{errors.count} predictions {words[name]}: error median {errors.median:.2%}, mean {errors.mean:.2%}, "
        f"worst {errors.worst:.1%}"
        for name, errors in _errors(checks).items()
        if errors
    ]
    judged = verdicts(checks)
    lines.append(
        f"{judged.asked} verdicts on memories of 0.8 to 1.25 times what was taken: {judged.wrongly_fits} said to fit and did "
        f"not, {judged.wrongly_not} said not to fit and did, {judged.uncertain} uncertain"
    )
    cold = [each.cold_seconds for each in checks]
    cached = [each.cached_seconds for each in checks]
    lines.append(
        f"CPU seconds of a prediction: anew {min(cold):.2f} to {max(cold):.2f}, read again "
        f"{min(cached):.4f} to {max(cached):.4f}"
    )
    return lines


def _row(each: Calibration) -> list[str]:
    return [
        each.device,
        each.predicted,
        str(each.runs),
        form.ratio(each.median),
        form.ratio(each.worst),
        f"{each.error:.1%}",
        form.UNKNOWN if each.held_out is None else f"{each.held_out:.1%}",
    ]


def _cells(each: CheckedPrediction) -> list[str]:
    batch = (
        f"{each.micro_batch}" if each.accumulate == 1 else f"{each.accumulate} × {each.micro_batch}"
    )
    return [
        each.settings,
        each.backward,
        batch,
        form.memory(each.predicted),
        form.memory(each.tracked),
        f"{each.error:+.2%}",
        form.memory(each.resident),
        f"{each.resident_error:+.1%}",
        f"{each.cold_seconds:.2f}",
        f"{each.cached_seconds:.4f}",
    ]
