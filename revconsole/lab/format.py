"""Numbers as people read them: each with its unit, an en dash for what is not known yet.

Nothing is rounded into flattery: an accuracy below 100 % is never shown as 100 %. Not-a-number is shown as such.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

UNKNOWN = "–"
ELLIPSIS = "…"
MARKS = "'\"`()[]:;,."
"""What may stand around a path in a sentence."""
KIB = 1024
MIB = 1024 * KIB
PREFIXES = ("", "k", "M", "G", "T", "P")
MINUTE, HOUR, DAY = 60, 3600, 86400


def cells(text: str) -> int:
    """Cells of a terminal that a text takes: letters of Chinese and the like, and emoji, take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # rich: only where letters are not one cell each

    return cell_len(text)


def percent(fraction: float | None) -> str:
    """A fraction in percent with one decimal; with two, rounded down, where one would say 100 %."""
    odd = _odd(fraction)
    if fraction is None or odd:
        return odd or UNKNOWN
    if fraction < 1 and round(fraction * 100, 1) >= 100:
        return f"{math.floor(fraction * 10_000) / 100:.2f} %"
    return f"{fraction * 100:.1f} %"


def mean(fraction: float, deviation: float | None) -> str:
    """A mean of fractions and its deviation in percent, two decimals; below 100 % never rounded up to it."""
    value = fraction * 100
    if value < 100 <= round(value, 2):
        value = math.floor(value * 100) / 100
    return f"{value:.2f} %" if deviation is None else f"{value:.2f} ± {deviation * 100:.2f} %"


def points(gain: float | None) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    return _odd(gain) or (UNKNOWN if gain is None else f"{gain * 100:+.1f} pp")


def memory(size: float | None) -> str:
    """Bytes in MiB, three significant digits below 100 MiB, whole ones above; in KiB or bytes what is less than 0.1 of it."""
    odd = _odd(size)
    if size is None or odd:
        return odd or UNKNOWN
    each, unit = memory_unit(size)
    value = size / each
    decimals = 0 if value >= 99.95 or each == 1 else 1 if value >= 9.995 else 2
    return f"{value:,.{decimals}f} {unit}"


def memory_unit(largest: float) -> tuple[int, str]:
    """The unit that fits sizes up to this one, in bytes and in letters."""
    if abs(largest) >= MIB / 10:
        return MIB, "MiB"
    return (KIB, "KiB") if abs(largest) >= KIB else (1, "bytes")


def small(error: float | None) -> str:
    """A relative error, one digit and its power of ten; an exact nothing is 0."""
    odd = _odd(error)
    if error is None or odd:
        return odd or UNKNOWN
    return f"{error:.0e}" if error else "0"


def ratio(value: float | None) -> str:
    """A quotient of two measurements, e.g. ×0.25."""
    return _odd(value) or (UNKNOWN if value is None else f"×{value:.2f}")


def duration(seconds: float | None) -> str:
    """Seconds of wall clock in the two largest units that matter."""
    odd = _odd(seconds)
    if seconds is None or odd:
        return odd or UNKNOWN
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
    """The time left as it is shown, of a run that ends earlier if nothing gets better for so many epochs."""
    return shown if patience is None else f"{shown} or less (patience {patience})"


def clock(seconds: float | None) -> str:
    """Seconds as a clock shows them, for narrow columns: 0:42, 12:05, 3:04:05."""
    odd = _odd(seconds)
    if seconds is None or odd:
        return odd or UNKNOWN
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02d}"
    if whole < DAY:
        return f"{whole // HOUR}:{whole % HOUR // MINUTE:02d}:{whole % MINUTE:02d}"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def count(number: int | None) -> str:
    """A whole number with its thousands apart."""
    return UNKNOWN if number is None else f"{number:,}"


def multiply_adds(number: int | None) -> str:
    """Multiply-adds of an image, and what those who count both operations say: `17.6 G multiply-adds = 35.1 GFLOPs`."""
    if number is None:
        return UNKNOWN
    return f"{_scaled(number, ' ')}multiply-adds = {_scaled(2 * number, '')}FLOPs"


def both_counts(number: int | None) -> str:
    """Both counts for a column whose heading names both: `17.6 G = 35.1 G`."""
    if number is None:
        return UNKNOWN
    return " = ".join(_scaled(count, "").strip() for count in (number, 2 * number))


def _scaled(number: int, between: str) -> str:
    """Three significant digits and the prefix of a unit: `17.6 G`; every digit below a thousand."""
    rounded = float(f"{number:.3g}")
    power = min(int(math.log10(rounded or 1)), 3 * len(PREFIXES) - 1) // 3
    if not power:
        return f"{number} "
    value = rounded / 1000**power
    return f"{value:.{2 - int(math.log10(value))}f} {PREFIXES[power]}{between}"


def learnt(parameters: int | None, support_vectors: int | None) -> str:
    """What a model consists of: parameters, or what a support vector machine has in their place."""
    if support_vectors is None:
        return count(parameters)
    return f"{support_vectors:,} support vectors"


def value(number: float | None) -> str:
    """A loss or another plain number, four significant digits."""
    return _odd(number) or (UNKNOWN if number is None else f"{number:.4g}")


def shortened(text: str, width: int, *, head: int | None = None) -> str:
    """`text` in at most `width` cells: what does not fit is left out of its middle.

    A cell is a column of the terminal: a letter of Chinese, Japanese or Korean takes two, and so does an emoji.
    head: how many cells of the beginning stay; by default as many as of the end.
    """
    if cells(text) <= width:
        return text
    head = (width - 1) // 2 if head is None else head
    tail = max(width, 1) - 1 - head
    return _beginning(text, head) + ELLIPSIS + _beginning(text[::-1], tail)[::-1]


def _beginning(text: str, width: int) -> str:
    """The beginning of the text, as much of it as `width` cells hold."""
    if text.isascii():
        return text[: max(width, 0)]
    ends = accumulate(map(cells, text))
    return text[: sum(end <= width for end in ends)]


def told_apart(names: Sequence[str], width: int) -> list[str]:
    """Every name in at most `width` cells, left out of its middle where most of them remain different.

    The names of the runs of a grid differ at several places: `demo-bdia-learning_rate0.01-s1`.
    """
    long = {name for name in names if cells(name) > width}
    heads = sorted(range(max(width, 1)), key=lambda head: abs(2 * head + 1 - width))

    def remain(head: int) -> int:
        return len({shortened(name, width, head=head) for name in long})

    best = next((head for head in heads if remain(head) == len(long)), None)
    best = max(heads, key=remain) if best is None else best
    return [shortened(name, width, head=best) for name in names]


def shortened_path(path: str, width: int) -> str:
    """`path` in at most `width` cells: whole parts are left out of its middle, the last one never.

    Only a last part that is too long by itself is shortened in its own middle.
    """
    if cells(path) <= width:
        return path
    parts = path.rstrip("/").split("/")
    first, last = ("/".join(parts[:2]) if path.startswith("/") else parts[0]), parts[-1]
    tails = ["/".join(parts[n:]) for n in range(1, len(parts))]
    forms = [f"{start}{ELLIPSIS}/{tail}" for start in (f"{first}/", "") for tail in tails]
    return next((form for form in forms if cells(form) <= width), shortened(last, width))


def fitted(sentence: str, width: int) -> str:
    """A sentence whose paths all fit on a line of `width` cells, so that none is broken in two."""
    lines = sentence.split("\n")
    return "\n".join(" ".join(_fitted(word, width) for word in line.split(" ")) for line in lines)


def _fitted(word: str, width: int) -> str:
    """A word; one that is a path and too long is shortened between the marks around it."""
    if cells(word) <= width or "/" not in word:
        return word
    path = word.strip(MARKS)
    before, _, after = word.partition(path)
    return before + shortened_path(path, width - cells(before) - cells(after)) + after


def toml(setting: object) -> str:
    """A setting as one writes it on the command line, and as a file has it."""
    if setting is None:
        return "none"
    if isinstance(setting, bool):
        return str(setting).lower()
    if isinstance(setting, list | tuple):
        return "[" + ",".join(toml(item) for item in setting) + "]"
    return str(setting)


def _odd(number: float | None) -> str:
    """How a number that is not finite is written; empty for every other."""
    if number is None or math.isfinite(number):
        return ""
    return "NaN" if math.isnan(number) else "∞" if number > 0 else "-∞"
