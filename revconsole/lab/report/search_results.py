"""Search results: what a search found, as a report tells it: its trials, what mattered, and how the best was chosen."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from revconsole.lab.format import whole_percent
from revconsole.lab.report import wording
from revconsole.lab.report.shown_table import Table
from revconsole.records.criterion import Criterion
from revconsole.records.printable import plural
from revconsole.records.search.early import shown
from revconsole.records.settings.search import Scalar

METHODS = {"bayes": "by Optuna's tree-structured Parzen estimator", "random": "at random"}
FEW_FINISHED = 10
"""Fewer trials than these tell little of what matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial as the report lists it. reached: its best value of the goal; None before the first epoch."""

    number: int
    values: Mapping[str, Scalar]
    state: str
    epoch: int
    epochs: int
    reached: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much of the differences between trials each setting explains, as shares that add up to one.

    epoch: the one after which the trials are compared, the last that all of `trials` trials have reached.
    """

    shares: Mapping[str, float]
    epoch: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResults:
    """What a search found. repeats: seeds other than its own with which the best was trained to the end."""

    goal: Criterion
    method: str
    seed: int
    stop_early: str
    planned: int
    best: int
    rows: tuple[TrialRow, ...]
    importance: Importance | None
    repeats: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is to be said of the search, below its table."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        of = "" if len(self.rows) == self.planned else f" of {self.planned}"
        yield (
            f"Search: {len(self.rows)}{of} trials, drawn {METHODS[self.method]} with seed {self.seed}, compared by their best "
            f"{self.goal.words}."
        )
        if stopped := Counter(row.epoch for row in self.rows if row.state == "pruned"):
            when = [f"{n} after epoch {epoch}" for epoch, n in sorted(stopped.items())]
            yield f"Stopped early by {self.stop_early}: {plural(stopped.total(), 'trial')}, {wording.listed(when)}."
        if unended := Counter(r.state for r in self.rows if r.state not in {"finished", "pruned"}):
            states = [f"{n} {state}" for state, n in unended.items()]
            yield f"Not trained to an end, and so not compared: {wording.listed(states)}."
        yield self._what_mattered()
        yield self._selection()

    def _what_mattered(self) -> str:
        if self.importance is None:
            return "Importance of the settings: not known, as fewer than two trials differ after an epoch that all have reached."
        shares = sorted(self.importance.shares.items(), key=lambda each: -each[1])
        parts = [f"{wording.full_name(key)} {whole_percent(share)}" for key, share in shares]
        few = self.importance.trials < FEW_FINISHED
        doubt = "; so few trials tell little of it" if few else ""
        return (
            f"Importance of the settings (fANOVA, share of the variance of the {self.goal.words} after epoch "
            f"{self.importance.epoch} among {self.importance.trials} trials): {', '.join(parts)}{doubt}."
        )

    def _selection(self) -> str:
        row = next(row for row in self.rows if row.number == self.best)
        value = "" if row.reached is None else f" {shown(self.goal, row.reached)}"
        chosen = (
            f"Selection: trial {self.best} had the best of {len(self.rows)} values of the {self.goal.words},{value}, which is "
            "therefore too good for what to expect of other images; no test image chose anything."
        )
        if self.repeats:
            return f"{chosen} The test accuracy above is of {plural(self.repeats, 'other seed')}, which chose nothing either."
        return f"{chosen} The test accuracy above is of the very seed that was chosen: repeat the best (search.repeat_best)."

    def table(self) -> Table:
        """All trials in their order, a column for each setting that was drawn."""
        keys = list(dict.fromkeys(key for row in self.rows for key in row.values))
        headings = ("trial", *map(wording.full_name, keys), self.goal.words, "epochs", "ended")
        return Table(
            caption=f"Trials of the search (best: trial {self.best})",
            headings=headings,
            rows=tuple(
                (
                    str(row.number),
                    *(_cell(row.values.get(key)) for key in keys),
                    "" if row.reached is None else shown(self.goal, row.reached),
                    f"{row.epoch} of {row.epochs}",
                    row.state,
                )
                for row in self.rows
            ),
            notes=(),
        )


def _cell(value: Scalar | None) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
