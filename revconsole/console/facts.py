"""Facts: the text of a run screen: the status line, and pairs of name and value."""

import time

from rich.text import Text

from revconsole.console import states
from revconsole.console.colours import themed
from revconsole.lab import foretold, given_facts, reconstruction, utilisation
from revconsole.lab import format as shown
from revconsole.lab.listing.texts import epochs
from revconsole.records.logs.times import FORECAST
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings.naming import title
from revconsole.records.settings.plan import Plan

HIDDEN = frozenset({
    "steps", "steps_per_epoch", "parameters", "device", "fingerprint", "error_growth", "rebuilt_blocks",
    "device_name", "multiply_adds_per_image", "multiply_adds_note", "device_bytes",
    *FORECAST, *foretold.FACTS, *utilisation.FACTS,
})  # fmt: skip
"""Facts that are shown in a line of their own."""
MOST_RANKS, SILENT_SECONDS = 8, 5.0
"""Ranks that are told of one by one; seconds without a sign from which one is called silent."""


def status(run: Run, variables: dict[str, str]) -> Text:
    """State, progress, speed and accuracy on one line; a second line gives the reason of an early end, or the alarm."""
    s = run.summary
    text = states.shown(s.state, variables, alarm=s.alarm)
    steps = f"{s.step:,}/{s.steps:,}" if s.steps else f"{s.step:,}"
    parts = [
        _epochs(s),
        f"step {steps}" if not s.ended else "",
        f"{s.ranks} ranks on {one_line(s.device, 20)}" if s.ranks > 1 and not s.ended else "",
        f"ETA {shown.eta(shown.clock(s.eta_seconds), s.plan.train.patience)}"
        if s.eta_seconds is not None
        else "",
        _speed(run.series.get("images_per_second")) if not s.ended else "",
        _best(run),
        f"test {shown.percent(s.test_accuracy)}" if s.test_accuracy is not None else "",
    ]
    line = Text("", no_wrap=False)
    line.append_text(text)
    line.append("".join(f" · {part}" for part in parts if part))
    if s.reason:
        line.append(
            f"\n{one_line(s.reason, 400)}", style=themed(variables, states.COLOURS[s.state])
        )
    elif s.alarm:
        line.append(f"\n! {one_line(s.alarm_text, 400)}", style=themed(variables, "text-error"))
    return line


def pairs(run: Run) -> list[tuple[str, str]]:
    """The settings, the device and what was measured once, as pairs of name and value."""
    s, plan = run.summary, run.plan
    if s.program:
        return given_facts.pairs(run)
    if not s.plan_known:
        return [("settings", shown.UNKNOWN)]
    return [
        *_model(run),
        ("data", f"{plan.data.dataset}, {'×'.join(map(str, dict.fromkeys(plan.image_shape)))} px"),
        ("augmentation", _augmentation(run)),
        *_training(plan),
        ("seed", str(plan.seed)),
        ("parameters", shown.learnt(s.parameters, s.support_vectors)),
        ("device", _device(s)),
        *_ranks(run),
        ("fingerprint", (s.fingerprint or shown.UNKNOWN)[:12]),
        ("kept for backward", shown.memory(s.kept_for_backward_bytes)),
        ("peak memory", _peak(run)),
        *reconstruction.known(run),
        ("best epoch", shown.count(s.best_epoch)),
        *([("operations", words)] if (words := _operations(run)) else []),
        *utilisation.pairs(run),
        ("time", f"{shown.duration(s.seconds)}, attempt {s.attempt}"),
        ("begun", time.strftime("%Y-%m-%d %H:%M", time.localtime(s.created))),
        *([("damaged lines", str(s.damaged_lines))] if s.damaged_lines else []),
        *foretold.pairs(s),
        *((name.replace("_", " "), shown.fact(v)) for name, v in run.facts.items() if name not in HIDDEN and not _said(name, v, s)),
    ]  # fmt: skip


def _said(name: str, value: object, run: Summary) -> bool:
    """Whether a fact says the same as another one."""
    return name == "trainable_parameters" and value == run.parameters


def _device(run: Summary) -> str:
    """The device and what it calls itself, which says on how many ranks a run trains."""
    called = one_line(run.device_name, 80)
    return f"{run.device or run.plan.train.device}{f' ({called})' if called else ''}"


def _ranks(run: Run) -> list[tuple[str, str]]:
    """The process of each rank that takes part, and whether it is silent."""
    now, told = time.time(), []
    for each in run.ranks[:MOST_RANKS]:
        silent = now - each.moved
        still = f", silent for {shown.duration(silent)}" if silent > SILENT_SECONDS else ""
        told.append(
            f"{each.rank} process {each.process.pid} of {one_line(each.process.host, 40)}{still}"
        )
    more = len(run.ranks) - MOST_RANKS
    return [("ranks", "; ".join([*told, *([f"{more} more"] if more > 0 else [])]))] if told else []


def _epochs(run: Summary) -> str:
    """The epochs of the run; nothing if it has none."""
    told = epochs(run)
    return f"epoch {told}" if run.readable and not told.startswith("step") else ""


def _operations(run: Run) -> str:
    """Multiply-adds of one image, or why they are unknown; empty for runs older than this fact."""
    counted = run.summary.multiply_adds_per_image
    note = one_line(str(run.facts.get("multiply_adds_note") or ""), 200)
    if counted is None:
        return note
    return shown.multiply_adds(counted) + (f" ({note})" if note else "")


def _training(plan: Plan) -> list[tuple[str, str]]:
    """The settings of the training; for a support vector machine C and gamma."""
    model = plan.model
    if model.architecture == "svm":
        return [("C, gamma", f"{model.C:g}, {model.gamma}")]
    return [
        ("epochs, batch", f"{plan.epochs}, {plan.train.batch} images"),
        ("optimiser", f"{plan.optimizer.name}, rate {plan.optimizer.learning_rate:g}"),
        ("schedule", plan.schedule.name),
        ("objective", plan.objective.name),
        ("precision", plan.train.precision),
    ]


def _model(run: Run) -> list[tuple[str, str]]:
    plan = run.plan
    model = plan.model
    if model.architecture == "vit":
        shape = (
            f"vit, patch {model.patch}, dim {model.dim}, depth {model.depth}, {model.heads} heads"
        )
    else:
        shape = title(model)
    gamma = getattr(plan.scheme, "gamma", None)
    grid = getattr(plan.scheme, "grid_bits", None)
    scheme: str = plan.scheme.name
    scheme += f", gamma {gamma:g}" if gamma is not None else ""
    scheme += f", grid 2^-{grid}" if grid else ""
    return [("model", shape), ("scheme", scheme), ("backward", plan.backward)]


def _augmentation(run: Run) -> str:
    done = run.plan.data.augmentations
    return ", ".join(str(v) if n == "augment" else f"{n} {v}" for n, v in done.items()) or "none"


def _peak(run: Run) -> str:
    s = run.summary
    of = f" ({s.peak_memory_of})" if s.peak_memory_of else ""
    return shown.memory(s.peak_memory_bytes) + of


def _best(run: Run) -> str:
    s = run.summary
    if s.best_knn_accuracy is not None:
        return f"k-NN {shown.percent(s.best_knn_accuracy)}"
    if s.best_validation_accuracy is None:
        return ""
    return f"val {shown.percent(s.best_validation_accuracy)}"


def _speed(series: Series | None) -> str:
    return f"{series.last:,.0f} img/s" if series is not None and series.last else ""
