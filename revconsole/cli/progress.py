"""Progress: the lines that are printed while runs train."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from revconsole.cli.output import log_text, say
from revconsole.lab import format as form

if TYPE_CHECKING:
    from revconsole.records.runs.run import Run


class TrainProgress:
    """Progress lines of one run: one per finished epoch, one per advice, and what was read of a folder."""

    def __init__(self, known: "Run | None" = None, said: AbstractSet[str] = frozenset()) -> None:
        """Start after the state `known`, whose lines were printed before. said: advice that was printed at the launch."""
        self._said = said
        self._epoch, self._told, self._state, self._read = 0, 0.0, "", ""
        if known is not None:
            self._epoch = known.summary.epoch
            self._told = known.log[-1].time if known.log else 0.0

    def show(self, run: "Run") -> None:
        """Print what is new since the last call."""
        s = run.summary
        if s.state != self._state and s.state in {"starting", "paused", "stopping"}:
            say(f"{s.name}  {s.state}")
        self._state = s.state
        read = str(run.facts.get("what_was_read", "")) if s.plan.data.folder else ""
        if read and read != self._read:
            say(f"{s.name}  read {read}")
        self._read = read
        for line in run.log:
            if line.level != "log" and line.time > self._told and line.text not in self._said:
                say(f"{s.name}  {log_text(line)}")
        self._told = run.log[-1].time if run.log else 0.0
        if s.epoch > self._epoch:
            say(_epoch_line(run))
        self._epoch = s.epoch  # which is smaller where the run went back to a checkpoint

    def close(self, run: "Run") -> None:
        """Print the last line of a run: how it ended."""
        s = run.summary
        test = f"  test {form.percent(s.test_accuracy)}" if s.test_accuracy is not None else ""
        if s.test_knn_accuracy is not None:
            test = f"  test k-NN {form.percent(s.test_knn_accuracy)}"
        kept = f"  kept for backward {form.memory(s.kept_for_backward_bytes)}"
        why = f"  {s.reason}" if s.reason else ""
        say(f"{s.name}  {s.standing} after {form.duration(s.seconds)} of training{test}{kept}{why}")


def _epoch_line(run: "Run") -> str:
    from revconsole.lab.listing.texts import epochs  # the records: only here

    s = run.summary
    values = {name: series.last for name, series in run.series.items()}
    parts = [
        f"{s.name}  epoch {epochs(s)}",
        *([f"loss {loss:.4f}"] if (loss := values.get("train_loss", s.loss)) is not None else []),
        _validated(values),
    ]
    if (speed := values.get("images_per_second")) is not None:
        parts.append(f"{speed:,.0f} images/s")
    if s.eta_seconds is not None:
        parts.append(f"eta {form.eta(form.duration(s.eta_seconds), s.plan.train.patience)}")
    return "  ".join(parts)


def _validated(values: Mapping[str, float | None]) -> str:
    knn, loss = values.get("knn_accuracy"), values.get("validation_loss")
    if knn is None:
        return f"validation {form.percent(values.get('validation_accuracy'))}"
    return f"validation loss {loss or 0.0:.4f}  k-NN {form.percent(knn)}"
