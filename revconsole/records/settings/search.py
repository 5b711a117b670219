"""Search: the table `[search]` of a study, which draws its runs one after the other, each from what the earlier ones gave.

[search]
method = "bayes"                 # or random
trials = 30
goal = "validation accuracy"     # else what decides the best epoch
stop_early = "halving"           # or hyperband, none
stop_from = 2                    # the first epoch after which a trial may be stopped
repeat_best = 3                  # seeds with which the best is trained again in the end
seed = 0                         # of the draws

[search.space]
optimizer.learning_rate = { from = 1e-4, to = 1e-1, log = true }
model.patch = [2, 4]
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, cast, get_args

from revconsole.errors import ProfileError, nearest
from revconsole.records.sections.trial import StopEarly
from revconsole.records.settings import complaints, layer
from revconsole.records.settings.words import shown

Scalar = bool | int | float | str
Method = Literal["bayes", "random"]
GOALS = {"validation_accuracy": True, "validation_loss": False, "knn_accuracy": True}
"""The metrics of an epoch that a search may be for, and whether more of it is better."""
MOST_TRIALS, MOST_REPEATS = 1000, 100
ETA = 3
"""Of the trials that come to an epoch at which trials are judged, one in so many goes on to the next, so many times later."""
LEAST_TRIALS: Mapping[StopEarly, int] = {"none": 1, "halving": ETA + 1, "hyperband": ETA**2}
"""Fewest trials with which a rule stops any of them early, other than by mere order."""
MOST_CORNERS = 512
"""Most combinations of extreme values that are tried before a search begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """A setting that a search draws: one of `choices`, or a number from `low` to `high`, both included."""

    key: str
    choices: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def extremes(self) -> tuple[Scalar, ...]:
        """All choices, or both ends of the range."""
        if self.choices:
            return self.choices
        steps = math.floor((self.high - self.low) / self.step) if self.step else 0
        top = self.low + steps * self.step if self.step else self.high
        return self._number(self.low), self._number(top)

    @property
    def count(self) -> float:
        """How many different values there are; infinite for a range of real numbers."""
        if self.choices:
            return len(self.choices)
        step = self.step or (1 if self.whole else 0)
        return math.floor((self.high - self.low) / step) + 1 if step else math.inf

    @property
    def words(self) -> str:
        """What is drawn, as text."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        steps = f" in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{steps}{', logarithmic' if self.log else ''}"

    def _number(self, value: float) -> Scalar:
        return int(value) if self.whole else float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTable:
    """The table `[search]`, checked by itself; what it asks of the settings is checked in `lab.search.checking`."""

    method: Method = "bayes"
    trials: int = 30
    goal: str = ""
    """The metric by its name; empty for what decides the best epoch."""
    stop_early: StopEarly = "halving"
    stop_from: int | None = None
    """First epoch after which a trial may be stopped; None is a ninth of the epochs."""
    repeat_best: int = 3
    seed: int = 0
    space: tuple[Dimension, ...]

    @property
    def combinations(self) -> float:
        """How many different trials the space has."""
        return math.prod(each.count for each in self.space)

    def corners(self) -> Iterator[dict[str, Scalar]]:
        """Combinations of the extremes of all dimensions, `MOST_CORNERS` at most, among which each extreme is.

        All in the order written; of too many those at a stride that shares no divisor with their number, so that every dimension
        takes all its values.
        """
        extremes = [each.extremes for each in self.space]
        total = math.prod(map(len, extremes))
        stride = max(1, total // MOST_CORNERS)
        while math.gcd(stride, total) > 1:
            stride += 1
        for number in range(min(total, MOST_CORNERS)):
            yield self._corner(number * stride % total, extremes)

    def _corner(self, number: int, extremes: list[tuple[Scalar, ...]]) -> dict[str, Scalar]:
        """The combination with a number, counted as written, the last dimension first."""
        chosen: dict[str, Scalar] = {}
        for each, values in zip(reversed(self.space), reversed(extremes), strict=True):
            number, place = divmod(number, len(values))
            chosen[each.key] = values[place]
        return {each.key: chosen[each.key] for each in self.space}

    def digest(self, shared: str) -> str:
        """What makes two searches one, as a hash: all but how many trials and repeats. shared: of the settings they share."""
        content = asdict(self) | {"trials": None, "repeat_best": None, "shared": shared}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def of_table(table: Any, where: str) -> SearchTable:
    """The search that a table describes. Raises ProfileError."""
    if not isinstance(table, Mapping):
        raise ProfileError(where, "search", f"should be a table, not {shown(table)}")
    known = {field.name for field in fields(SearchTable)}
    for key in table:
        if key not in known:
            raise ProfileError(where, f"search.{key}", f"unknown key{nearest(key, known)}")
    given = {key: _CHECKS[key](value, key, where) for key, value in table.items() if key != "space"}
    search = SearchTable(**given, space=_space(table.get("space"), where))
    _refuse_few(search, where)
    return search


def changed(search: SearchTable, given: Mapping[str, Any], where: str) -> SearchTable:
    """The search with other values of its keys. Raises ProfileError."""
    known = _CHECKS.keys()
    for key in given:
        if key.partition(".")[0] == "space":
            why = "what is drawn is written in the file; a setting given here has one value in all trials"
            raise ProfileError(where, f"search.{key}", why)
        if key not in known:
            raise ProfileError(where, f"search.{key}", f"unknown key{nearest(key, known)}")
    values = {key: _CHECKS[key](value, key, where) for key, value in given.items()}
    new = replace(search, **values)
    _refuse_few(new, where)
    return new


def _refuse_few(search: SearchTable, where: str) -> None:
    """Raises ProfileError for more trials than the space has, or fewer than the rule of stopping needs."""
    least = LEAST_TRIALS[search.stop_early]
    if search.trials < least:
        raise ProfileError(
            where,
            "search.trials",
            f"{search.trials} are too few for stop_early = {search.stop_early!r}, which compares {least} or more; "
            f'write trials = {least}, or stop_early = "none"',
        )
    if search.trials > search.combinations:
        raise ProfileError(
            where,
            "search.trials",
            f"the space has only {search.combinations:g} combinations, fewer than {search.trials} trials; write "
            f"trials = {search.combinations:g}, or train them all as a grid with [vary]",
        )


def _word_of(words: tuple[str, ...]) -> Any:
    def check(value: Any, key: str, where: str) -> str:
        if value not in words:
            said = nearest(value, words) if isinstance(value, str) else f"; {', '.join(words)}"
            raise ProfileError(where, f"search.{key}", f"there is no {key} {shown(value)}{said}")
        return str(value)

    return check


def _whole(least: int, most: int) -> Any:
    def check(value: Any, key: str, where: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ProfileError(
                where,
                f"search.{key}",
                f"should be a whole number from {least:,} to {most:,}, not {shown(value)}",
            )
        return value

    return check


def _goal(value: Any, key: str, where: str) -> str:
    """The metric that a text names. Raises ProfileError, with a reason for what only the test tells."""
    name = str(value).strip().lower().replace("-", "").replace(" ", "_")
    if name.startswith("test"):
        raise ProfileError(
            where,
            f"search.{key}",
            "the test images may choose nothing: a search over them makes the result of its best trial worthless; "
            "write goal = 'validation accuracy'",
        )
    if name not in GOALS:
        known = [goal.replace("_", " ") for goal in GOALS]
        raise ProfileError(
            where,
            f"search.{key}",
            f"{shown(value)} is not recorded once per epoch of validation images; there are: {', '.join(known)}",
        )
    return name


_CHECKS = {
    "method": _word_of(get_args(Method)),
    "trials": _whole(1, MOST_TRIALS),
    "goal": _goal,
    "stop_early": _word_of(get_args(StopEarly)),
    "stop_from": _whole(1, 100_000),
    "repeat_best": _whole(0, MOST_REPEATS),
    "seed": _whole(0, 2**32 - 1),
}


def _space(table: Any, where: str) -> tuple[Dimension, ...]:
    if not isinstance(table, Mapping) or not table:
        raise ProfileError(
            where,
            "search.space",
            "should be a table of settings to draw, e.g. "
            '"optimizer.learning_rate" = { from = 1e-4, to = 1e-1, log = true }',
        )
    dimensions: dict[str, Dimension] = {}
    for key, value in _flat(table):
        dimension = _dimension(key, value, where)
        if dimension.key in dimensions:
            raise ProfileError(where, f"search.space.{key}", "is given twice; leave one out")
        dimensions[dimension.key] = dimension
    return tuple(dimensions.values())


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Settings by dotted key; a table under a section holds several of its keys."""
    for key, value in table.items():
        if key in layer.SECTIONS and isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", each) for inner, each in value.items())
        else:
            yield key, value


def _dimension(key: str, value: Any, where: str) -> Dimension:
    place = f"search.space.{key}"
    if key in {"seed", "seeds", "title"}:
        raise ProfileError(where, place, "is nothing to search; repeat_best repeats the best trial")
    named = layer.typed({key: 0}, where)
    if named.problems:
        raise ProfileError(where, place, named.problems[0].reason)
    (full,) = named.fixed
    if isinstance(value, list):
        return Dimension(key=full, choices=_choices(value, full, where, place))
    if isinstance(value, Mapping):
        return _range(full, value, where, place)
    raise ProfileError(
        where,
        place,
        f"should be a list of choices or {{ from = …, to = … }}, not {shown(value)}; a setting with one value belongs above",
    )


def _choices(values: list[Any], full: str, where: str, place: str) -> tuple[Scalar, ...]:
    unfit = [each for each in values if not isinstance(each, bool | int | float | str)]
    if unfit or len(values) < 2:
        what = f"{shown(unfit[0])} is none" if unfit else f"there is {len(values)}"
        raise ProfileError(
            where, place, f"should be a list of two or more numbers, words or switches; {what}"
        )
    if listed := layer.typed({full: values}, where).problems:
        raise ProfileError(where, place, listed[0].reason)
    return tuple(values)


def _range(full: str, table: Mapping[str, Any], where: str, place: str) -> Dimension:
    known = ("from", "to", "log", "step")
    for key in table:
        if key not in known:
            raise ProfileError(where, place, f"unknown key {key!r}{nearest(key, known)}")
    low, high, log, step = (cast("Any", table.get(key)) for key in known)
    for value, word in ((low, "from"), (high, "to"), (step, "step")):
        needed = word != "step" or value is not None
        if needed and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ProfileError(where, place, f"needs a number as {word}, not {shown(value)}")
    whole = complaints.number_of(full)
    if whole is None:
        raise ProfileError(where, place, "is no number and has no range; write a list of choices")
    if whole and any(type(value) is float for value in (low, high, step)):
        raise ProfileError(where, place, "is a whole number, and so are from, to and step")
    if not isinstance(log, bool | None):
        raise ProfileError(where, place, f"log should be true or false, not {shown(log)}")
    _refuse_empty(low, high, step, log=bool(log), where=where, place=place)
    return Dimension(
        key=full, low=low, high=high, log=bool(log), step=step, whole=whole
    )  # fmt: skip


def _refuse_empty(low: Any, high: Any, step: Any, *, log: bool, where: str, place: str) -> None:
    if low >= high:
        raise ProfileError(where, place, f"from ({low:g}) should be less than to ({high:g})")
    if log and low <= 0:
        raise ProfileError(where, place, f"log needs a from above 0, not {low:g}")
    if step is not None and (log or not 0 < step <= high - low):
        why = (
            "with log there is no step"
            if log
            else f"step should be above 0 and at most {high - low:g}"
        )
        raise ProfileError(where, place, why)
