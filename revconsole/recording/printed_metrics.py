"""Printed metrics: the numbers in the lines that a training prints, by rules that a page can state.

    a pair     NAME=NUMBER or NAME: NUMBER, with quotes or without; a number with % is a fraction of 100
    a counter  `step`, `iter`, `iteration` and `global_step` say the step, `epoch` the epoch; also as `step 3/100`, `[epoch 2]`
    a line     counts if one of its names is a loss, an accuracy or another of ours, or if it has a counter and a pair

A line without a step is of the step before it; where no line says a step, each that counts is the next one. Whatever else a
line says is left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from revconsole.errors import RevconsoleError
from revconsole.records.metric_names import PARTS, our_metric

NUMBER = r"[-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|NaN|inf)"
PAIR = re.compile(
    rf"(?<![\w/.@-])['\"]?(?P<name>[A-Za-z][\w/.@-]*)['\"]?\s*[:=]\s*['\"]?(?P<number>{NUMBER})(?P<percent>\s?%)?(?![\w.:/-])"
)
STEPS, EPOCHS = ("step", "steps", "iter", "iteration", "global_step", "it"), ("epoch", "epochs")
COUNTER = re.compile(
    rf"(?<![\w/.-])['\"]?(?P<name>{'|'.join((*STEPS, *EPOCHS))})['\"]?\s*[:=\s#]\s*['\"]?(?P<number>\d+)(?P<part>\.\d+)?(?![\w])",
    re.IGNORECASE,
)
LONGEST_LINE = 4000
MOST_PAIRS = 100


class WrongPattern(RevconsoleError):  # noqa: N818  the name says what happened
    """A pattern of the user is no NAME=REGEX with a group for the number."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class PrintedValues:
    """What a line says. step: None if it says none; epoch likewise."""

    step: int | None
    epoch: int | None
    values: Mapping[str, float]


class PrintedMetrics:
    """Reads lines. patterns: of the user, `NAME=REGEX` with one group, which are looked for in every line besides the rules.

    Raises WrongPattern.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = {name: _compiled(name, text) for name, text in patterns.items()}

    def of(self, line: str) -> PrintedValues | None:
        """The values of a line; None for one that says nothing of the training."""
        line = line[:LONGEST_LINE]
        own = {
            name: number
            for name, pattern in self._patterns.items()
            if (found := pattern.search(line)) and (number := _number(found.group(1))) is not None
        }
        counters = {m["name"].lower(): int(m["number"]) for m in COUNTER.finditer(line)}
        pairs = dict(list(_pairs(line).items())[:MOST_PAIRS])
        known = any(our_metric(name).name != name for name in pairs) or "loss" in pairs
        if not (known or (counters and pairs)):
            pairs = {}
        if not (pairs or own):
            return None
        step = next((counters[name] for name in STEPS if name in counters), None)
        epoch = next((counters[name] for name in EPOCHS if name in counters), None)
        return PrintedValues(step=step, epoch=epoch, values=pairs | own)


def _pairs(line: str) -> dict[str, float]:
    """The pairs of a line, without counters and names of parts of the data."""
    found = {}
    for match in PAIR.finditer(line):
        name, number = match["name"], _number(match["number"])
        low = name.lower()
        if number is not None and low not in {*STEPS, *EPOCHS, *PARTS}:
            found[name] = number / 100 if match["percent"] else number
    return found


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except (ValueError, AttributeError):
        return None


def _compiled(name: str, text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise WrongPattern(f"--metric {name}={text}: is no regular expression: {error}") from None
    if pattern.groups != 1:
        raise WrongPattern(
            f"--metric {name}={text}: needs one group for the number, as in 'top5=top-5 ([0-9.]+)'"
        )
    return pattern
