"""Where: the filter language of lists of runs, the same on the command line and in the console.

    bdia digits                     every word is in the name, id, state, scheme, tags, … of the run
    lr>1e-3 scheme:bdia             a setting, metric or fact, compared; `:` looks for a part, or for a pattern with * and ?
    state=running OR state=queued   NOT binds closest, then AND (which may be left out), then OR; ( ) group
    has:test   tag:paper   age<2d   kept>1GiB   best>=90%   name:"my run"

A fraction above 1 without a unit is in percent, as its columns are: best>=90 is best>=90% and best>=0.9.

A comparison with a value that a run does not have is not met; `!=` is, because it is the opposite of `=`.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from revconsole.errors import RevconsoleError, UnknownName
from revconsole.lab.format import KIB, MIB, toml
from revconsole.lab.listing.fields import RunField, named
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Summary

Test = Callable[[Summary], bool]
TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<paren>[()])|(?P<key>[A-Za-z_][\w./]*)\s*(?P<sign>!=|<=|>=|=|<|>|:)\s*(?P<value>"[^"]*"|'[^']*'|[^\s()"']*)"""
    r"""|(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s()"']+)"""
)
NUMBER = re.compile(r"([+-]?[\d_.]+(?:[eE][+-]?\d+)?|[+-]?inf|nan)\s*([A-Za-z%]*)", re.IGNORECASE)
CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d)")
"""Hours, minutes and seconds, as lists show a time."""
UNITS: dict[str, dict[str, float]] = {
    "seconds": {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800},
    "bytes": {
        "": MIB, "b": 1, "kib": KIB, "mib": MIB, "gib": KIB * MIB, "kb": 1e3, "mb": 1e6, "gb": 1e9,
    },
    "fraction": {"": 1, "%": 0.01},
    "number": {"": 1, "k": 1e3, "m": 1e6, "g": 1e9},
    "mixed": {"": 1},
}  # fmt: skip
"""Units by kind of field, and what they are in the unit of its values; memory without a unit is in MiB, as its columns are."""
OPERATORS = ("AND", "OR", "NOT")
MOST_LETTERS, MOST_NESTED = 2000, 50


class BadFilter(RevconsoleError):  # noqa: N818  the name says what happened
    """A filter that cannot be understood."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of runs. archived: whether it asks for archived runs, which are left out otherwise."""

    text: str
    test: Test
    archived: bool = False

    def chosen(self, runs: Iterable[Summary]) -> list[Summary]:
        """The runs that the filter keeps, in their order."""
        return [run for run in runs if (self.archived or not run.archived) and self.test(run)]


def filter_of(text: str, metrics: Iterable[str] = ()) -> Filter:
    """The filter that a text means; an empty text keeps every run. metrics: names of recorded metrics. Raises BadFilter."""
    if len(text) > MOST_LETTERS:
        raise BadFilter(f"a filter has at most {MOST_LETTERS} characters, not {len(text)}")
    parser = _Parser(text, tuple(metrics))
    return Filter(text, parser.whole(), archived=parser.archived)


class _Parser:
    """A recursive parser: alternatives of conjunctions of tests."""

    def __init__(self, text: str, metrics: tuple[str, ...]) -> None:
        self._tokens, self._metrics = list(_tokens(text)), metrics
        self._next, self._depth = 0, 0
        self.archived = False

    def whole(self) -> Test:
        """The test of the whole text."""
        if not self._tokens:
            return lambda _: True
        test = self._alternatives()
        if self._next < len(self._tokens):
            raise BadFilter("')' closes no '('")
        return test

    def _alternatives(self) -> Test:
        tests = [self._all()]
        while self._peek() == "OR":
            self._next += 1
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda run: any(test(run) for test in tests)

    def _all(self) -> Test:
        tests = [self._not()]
        while (word := self._peek()) not in {"", "OR", ")"}:
            self._next += word == "AND"
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda run: all(test(run) for test in tests)

    def _not(self) -> Test:
        word = self._peek()
        if word in {"", "OR", "AND", ")"}:
            raise BadFilter(self._missing())
        token = self._tokens[self._next]
        self._next += 1
        if word == "NOT":
            inner = self._not()
            return lambda run: not inner(run)
        if word == "(":
            return self._group()
        return self._one(token)

    def _group(self) -> Test:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise BadFilter(f"a filter has at most {MOST_NESTED} parentheses within one another")
        test = self._alternatives()
        if self._peek() != ")":
            raise BadFilter("'(' is never closed")
        self._next += 1
        self._depth -= 1
        return test

    def _one(self, token: re.Match[str]) -> Test:
        if token["key"] is None:
            if token["word"] and set(token["word"]) & set("<>=!:"):
                raise BadFilter(
                    f"{one_line(token['word'], 60)!r} compares nothing: write NAME>VALUE, or quote it to look for the text"
                )
            return _has_word(_unquoted(token["quoted"] or token["word"]))
        key, sign, value = token["key"], token["sign"], token["value"]
        whole = one_line(f"{key}{sign}{value}", 60)
        if not value:
            raise BadFilter(f"{whole!r} needs a value after {sign!r}")
        if value[0] in "<>=!":
            raise BadFilter(
                f"{whole!r}: there is no operator {sign + value[0]!r}; there are : = != < <= > >="
            )
        try:
            if key == "has" and sign in {":", "="}:
                return _known(named(_unquoted(value), self._metrics))
            field = named(key, self._metrics)
        except RevconsoleError as error:
            raise BadFilter(f"{whole!r}: {error}") from None
        self.archived = self.archived or field.key == "archived"
        return _comparison(field, sign, _unquoted(value), whole)

    def _peek(self) -> str:
        """The operator or parenthesis that comes next; empty at the end, "word" before a test."""
        if self._next >= len(self._tokens):
            return ""
        token = self._tokens[self._next]
        if token["paren"]:
            return token["paren"]
        return token["word"] if token["word"] in OPERATORS else "word"

    def _missing(self) -> str:
        before = self._tokens[self._next - 1][0] if self._next else ""
        if self._peek() and not before:
            return f"{self._peek()!r} needs something before it"
        return f"{before!r} needs something after it"


def _tokens(text: str) -> Iterable[re.Match[str]]:
    place = 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None:
            raise BadFilter(
                f"the quote {text[place]} is never closed: {one_line(text[place:], 60)}"
            )
        place = token.end()
        if token["value"] == "" and text[place : place + 1] in {'"', "'"}:
            raise BadFilter(
                f"the quote {text[place]} is never closed: {one_line(text[place:], 60)}"
            )
        if not token["blank"]:
            yield token


def _unquoted(text: str) -> str:
    return text[1:-1] if text[:1] in {'"', "'"} else text


def _has_word(word: str) -> Test:
    """Whether a word, or a pattern with * or ?, is in what names a run."""
    meets = _text_test(":", word)
    return lambda run: any(map(meets, _names(run)))


def _names(run: Summary) -> Iterable[str]:
    yield from (run.name, run.id, run.standing, run.note, *run.tags)
    if run.plan_known:
        plan = run.plan
        model = plan.model
        yield model.name if model.architecture == "timm" else model.architecture
        yield from (plan.scheme.name, plan.backward, plan.profile, plan.data.dataset)
    yield from (str(value) for value in run.given.values() if isinstance(value, str))
    if run.program:
        yield run.program


def _known(field: RunField) -> Test:
    return lambda run: field.value(run) not in (None, "", ())


def _comparison(field: RunField, sign: str, value: str, whole: str) -> Test:
    """The test of one comparison. whole: the comparison as it was written."""
    if sign == "!=":
        equal = _comparison(field, "=", value, whole)
        return lambda run: not equal(run)
    number = _number(value, field)
    if sign in {"<", "<=", ">", ">="}:
        if field.kind in {"text", "words"}:
            raise BadFilter(f"{whole!r}: {field.key} is no number; write {field.key}={value}")
        if number is None:
            raise BadFilter(f"{whole!r}: {value!r} is {_wanted(field)}")
        return _ordered(field, sign, number)
    if field.kind == "words":
        meets = _text_test("=", value)
        return lambda run: any(map(meets, field.value(run)))
    if number is None and field.kind not in {"text", "mixed"} and value.lower() != "none":
        raise BadFilter(f"{whole!r}: {value!r} is {_wanted(field)}")
    if field.words and number is None and not any(map(_text_test(sign, value), field.words)):
        raise BadFilter(f"{whole!r} is never met: {UnknownName(field.key, value, field.words)}")
    return _equal(field, sign, value, number)


def _equal(field: RunField, sign: str, value: str, number: float | None) -> Test:
    meets = _text_test(sign, value)

    def test(run: Summary) -> bool:
        own = field.value(run)
        if isinstance(own, int | float) and not isinstance(own, bool):
            return number is not None and _same(own, number)
        return meets(toml(own))

    return test


def _ordered(field: RunField, sign: str, number: float) -> Test:
    compare: Callable[[Any], bool] = {
        "<": lambda found: found < number,
        "<=": lambda found: found <= number or _same(found, number),
        ">": lambda found: found > number,
        ">=": lambda found: found >= number or _same(found, number),
    }[sign]
    strict = sign in {"<", ">"}

    def test(run: Summary) -> bool:
        own = field.value(run)
        if not isinstance(own, int | float) or isinstance(own, bool):
            return False
        return compare(own) and not (strict and _same(own, number))

    return test


def _same(one: float, other: float) -> bool:
    """Whether two numbers are equal but for the rounding of a unit; NaN equals NaN."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=1e-9)


def _number(text: str, field: RunField) -> float | None:
    """A number with its unit, in the unit of the field; None if it is no number of this kind."""
    if field.kind == "seconds" and (clock := CLOCK.fullmatch(text.strip())):
        return float(
            sum(
                int(part) * each
                for part, each in zip(clock.groups("0"), (3600, 60, 1), strict=True)
            )
        )
    match = NUMBER.fullmatch(text.strip())
    unit = UNITS.get(field.kind, {}).get(match[2].lower()) if match else None
    if match is None or unit is None:
        return None
    try:
        number = float(match[1])
    except ValueError:
        return None
    percent = field.kind == "fraction" and not match[2] and 1 < abs(number) < math.inf
    return number * (UNITS["fraction"]["%"] if percent else unit)


def _wanted(field: RunField) -> str:
    kind = {"seconds": "duration", "bytes": "size", "fraction": "fraction"}.get(
        field.kind, "number"
    )
    example = {"seconds": "90, 5m, 1:30, 2h or 3d", "bytes": "12, 300KiB or 2GiB (12 is in MiB)"}
    example |= {"fraction": "0.9, 90 or 90%", "number": "3, 0.5 or 1e-3"}
    return f"no {kind}, such as {example[field.kind]}"


def _text_test(sign: str, value: str) -> Callable[[str], bool]:
    """The test of a text, in any case: a pattern if there is a * or ?, a part of it for `:`, else the whole."""
    wanted = value.lower()
    if "*" in wanted or "?" in wanted:
        pattern = re.compile(translate(wanted.replace("[", "[[]")))
        return lambda text: pattern.match(text.lower()) is not None
    if sign == ":":
        return lambda text: wanted in text.lower()
    return lambda text: wanted == text.lower()
