"""Numbers for people: each with its unit, an en dash for an unknown number.

No rounding flatters: an accuracy below 100 % is never shown as 100 %. NaN is shown as NaN.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import accumulate

UNKNOWN = "–"
ELLIPSIS = "…"
MARKS = "'\"`()[]:;,."
"""Characters that may surround a path in a sentence."""
KIB = 1024
MIB = 1024 * KIB
PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")
MINUTE, HOUR, DAY = 60, 3600, 86400


def cells(text: str) -> int:
    """The width of a text in terminal cells; Chinese, Japanese and Korean letters and emoji take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # rich: only where letters are not one cell each

    return cell_len(text)


def _of_finite(shown: Callable[[float], str]) -> Callable[[float | None], str]:
    """The function, for any number: an en dash for None, words for numbers that are not finite."""

    @wraps(shown)
    def of_any(number: float | None) -> str:
        if number is None:
            return UNKNOWN
        if math.isfinite(number):
            return shown(number)
        return "NaN" if math.isnan(number) else "∞" if number > 0 else "-∞"

    return of_any


@_of_finite
def percent(fraction: float) -> str:
    """A fraction in percent with one decimal; with two, rounded down, if one decimal would give 100 %."""
    if fraction < 1 and round(fraction * 100, 1) >= 100:
        return f"{math.floor(fraction * 10_000) / 100:.2f} %"
    return f"{fraction * 100:.1f} %"


def whole_percent(fraction: float) -> str:
    """A fraction in whole percent."""
    return f"{fraction * 100:.0f} %"


def mean(fraction: float, deviation: float | None) -> str:
    """A mean fraction and its deviation in percent, two decimals; a mean below 100 % is never rounded up to it."""
    value = fraction * 100
    if value < 100 <= round(value, 2):
        value = math.floor(value * 100) / 100
    return f"{value:.2f} %" if deviation is None else f"{value:.2f} ± {deviation * 100:.2f} %"


@_of_finite
def points(gain: float) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    return f"{gain * 100:+.1f} pp"


@_of_finite
def memory(size: float) -> str:
    """Bytes in MiB, with three significant digits below 100 MiB; sizes below 0.1 MiB in KiB or bytes."""
    each, unit = memory_unit(size)
    value = size / each
    decimals = 0 if value >= 99.95 or each == 1 else 1 if value >= 9.995 else 2
    return f"{value:,.{decimals}f} {unit}"


@_of_finite
def gibibytes(size: float) -> str:
    """As `memory`, in GiB with two or more digits from one GiB on."""
    if size < KIB * MIB:
        return memory(size)
    value = size / (KIB * MIB)
    return f"{value:,.{0 if value >= 999.5 else 1 if value >= 9.995 else 2}f} GiB"


def memory_unit(largest: float) -> tuple[int, str]:
    """The unit for sizes up to this one: its number of bytes, and its name."""
    if abs(largest) >= MIB / 10:
        return MIB, "MiB"
    return (KIB, "KiB") if abs(largest) >= KIB else (1, "bytes")


@_of_finite
def small(error: float) -> str:
    """A relative error with one digit and a power of ten; exactly 0 is `0`."""
    return f"{error:.0e}" if error else "0"


@_of_finite
def ratio(value: float) -> str:
    """A quotient of two measurements, e.g. ×0.25."""
    return f"×{value:.2f}"


@_of_finite
def duration(seconds: float) -> str:
    """Seconds in the two largest units that matter."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def eta(shown: str, patience: int | None) -> str:
    """The text of the time left, marked as an upper limit for a run with `train.patience`."""
    return shown if patience is None else f"{shown} or less (patience {patience})"


@_of_finite
def clock(seconds: float) -> str:
    """Seconds as on a clock, for narrow columns: 0:42, 12:05, 3:04:05."""
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02d}"
    if whole < DAY:
        return f"{whole // HOUR}:{whole % HOUR // MINUTE:02d}:{whole % MINUTE:02d}"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def count(number: int | None) -> str:
    """A whole number with thousands separators."""
    return UNKNOWN if number is None else f"{number:,}"


def multiply_adds(number: int | None) -> str:
    """Multiply-adds of an image, and the count of multiplications and additions: `17.6 G multiply-adds (35.1 GFLOPs)`."""
    if number is None:
        return UNKNOWN
    return f"{_scaled(number, ' ')}multiply-adds ({_scaled(2 * number, '')}FLOPs)"


def both_counts(number: int | None) -> str:
    """Multiply-adds and FLOPs, for a column whose heading names both: `17.6 G (35.1 G)`."""
    if number is None:
        return UNKNOWN
    one, both = (_scaled(count, "").strip() for count in (number, 2 * number))
    return f"{one} ({both})"


def _scaled(number: int, between: str) -> str:
    """A number with three significant digits and an SI prefix, `17.6 G`; below a thousand with all digits."""
    rounded = float(f"{number:.3g}")
    power = min(int(math.log10(rounded or 1)), 3 * len(PREFIXES) - 1) // 3
    if not power:
        return f"{number} "
    value = rounded / 1000**power
    decimals = max(0, 2 - int(math.log10(value)))
    return f"{value:,.{decimals}f} {PREFIXES[power]}{between}"


def learnt(parameters: int | None, support_vectors: int | None) -> str:
    """The size of a model: its parameters, or the support vectors of a support vector machine."""
    if support_vectors is None:
        return count(parameters)
    return f"{support_vectors:,} support vectors"


@_of_finite
def value(number: float) -> str:
    """A loss or another plain number with four significant digits."""
    return f"{number:.4g}"


def shortened(text: str, width: int, *, head: int | None = None) -> str:
    """`text` in at most `width` cells; a longer text loses its middle.

    A cell is a column of the terminal: a Chinese, Japanese or Korean letter takes two, and so does an emoji.
    head: how many cells of the beginning stay; by default as many as of the end.
    """
    if cells(text) <= width:
        return text
    head = (width - 1) // 2 if head is None else head
    tail = max(width, 1) - 1 - head
    return _beginning(text, head) + ELLIPSIS + _beginning(text[::-1], tail)[::-1]


def _beginning(text: str, width: int) -> str:
    """The longest beginning of the text that fits into `width` cells."""
    if text.isascii():
        return text[: max(width, 0)]
    ends = accumulate(map(cells, text))
    return text[: sum(end <= width for end in ends)]


def told_apart(names: Sequence[str], width: int) -> list[str]:
    """Each name in at most `width` cells, shortened where most names stay distinct.

    The names of a grid's runs differ in several places: `demo-bdia-learning_rate0.01-s1`. Words that all long names
    share go first: `0: learning_rate 0.1, depth 2` and `1: learning_rate 0.3, depth 2` become `0: …0.1, …` and `1: …0.3, …`.
    """
    names = _without_shared(names, width)
    long = {name for name in names if cells(name) > width}
    heads = sorted(range(max(width, 1)), key=lambda head: abs(2 * head + 1 - width))

    def remain(head: int) -> int:
        return len({shortened(name, width, head=head) for name in long})

    best = next((head for head in heads if remain(head) == len(long)), None)
    best = max(heads, key=remain) if best is None else best
    return [shortened(name, width, head=best) for name in names]


def _without_shared(names: Sequence[str], width: int) -> Sequence[str]:
    """The names without the words that all of those wider than `width` have in the same places, if that leaves them distinct.

    An ellipsis stands for them, as long as the names fit with it.
    """
    long = {name: name.split() for name in names if cells(name) > width}
    places = list(zip(*long.values(), strict=False))
    same = [len(set(words)) == 1 for words in places]
    if len(long) < 2 or len({len(words) for words in long.values()}) > 1 or all(same):
        return names
    forms = [{name: form(words, same) for name, words in long.items()} for form in FORMS]
    short = next((f for f in forms if all(cells(text) <= width for text in f.values())), forms[-1])
    return (
        [short.get(name, name) for name in names] if len({*short.values()}) == len(long) else names
    )


def _elided(words: Sequence[str], same: Sequence[bool]) -> str:
    """The words, an ellipsis before each that follows shared ones."""
    kept = [
        f"{ELLIPSIS * (n > 0 and same[n - 1])}{word}" for n, word in enumerate(words) if not same[n]
    ]
    return " ".join([*kept, *([ELLIPSIS] if same[-1] else [])])


def _bare(words: Sequence[str], same: Sequence[bool]) -> str:
    return " ".join(word for word, shared in zip(words, same, strict=True) if not shared)


FORMS = (_elided, _bare, lambda words, same: _bare(words, same).replace(",", ""))
"""Ways to leave out shared words, the plainest first."""


def shortened_path(path: str, width: int) -> str:
    """`path` in at most `width` cells; whole folders are left out of its middle, never the last part.

    A last part that is too long by itself loses its own middle.
    """
    if cells(path) <= width:
        return path
    parts = path.rstrip("/").split("/")
    first, last = ("/".join(parts[:2]) if path.startswith("/") else parts[0]), parts[-1]
    tails = ["/".join(parts[n:]) for n in range(1, len(parts))]
    forms = [f"{start}{ELLIPSIS}/{tail}" for start in (f"{first}/", "") for tail in tails]
    return next((form for form in forms if cells(form) <= width), shortened(last, width))


def fitted(sentence: str, width: int) -> str:
    """The sentence with each path shortened to `width` cells, so that no path is broken across lines."""
    lines = sentence.split("\n")
    return "\n".join(" ".join(_fitted(word, width) for word in line.split(" ")) for line in lines)


def _fitted(word: str, width: int) -> str:
    """The word; a path that is too long is shortened between the marks around it."""
    if cells(word) <= width or "/" not in word:
        return word
    path = word.strip(MARKS)
    before, _, after = word.partition(path)
    return before + shortened_path(path, width - cells(before) - cells(after)) + after


def fact(value: object) -> str:
    """A recorded fact of a run: whole numbers with thousands separators, others with four significant digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return toml(value)


def toml(setting: object) -> str:
    """A setting as it is written on the command line and in a file."""
    if setting is None:
        return "none"
    if isinstance(setting, bool):
        return str(setting).lower()
    if isinstance(setting, list | tuple):
        return "[" + ",".join(toml(item) for item in setting) + "]"
    return str(setting)
