"""Units: how a metric is shown: fractions in percent, bytes in MiB, and in a figure of large ones in GiB."""

from revconsole.lab import format as shown
from revconsole.records.logs.events import MetricDeclared

MIB = 1024 * 1024
NATS = "nats"
PERCENT, MEBIBYTES, GIBIBYTES, RELATIVE = "%", "MiB", "GiB", "relative"
LARGE = 10_000 * MIB
"""Bytes from which sizes are in GiB: in MiB they have five digits, of which nobody reads the last."""
SHOWN = {"fraction": (PERCENT, 100.0), "B": (MEBIBYTES, 1 / MIB), "bytes": (MEBIBYTES, 1 / MIB)}
BY_NAME = {"_bytes": SHOWN["B"], "_accuracy": SHOWN["fraction"], "_error": (RELATIVE, 1.0)}


def unit_of(metric: MetricDeclared) -> tuple[str, float]:
    """The unit in which a metric is shown, and the factor from what was recorded; an undeclared metric goes by its name."""
    if not metric.unit:
        named = (shown for end, shown in BY_NAME.items() if metric.name.endswith(end))
        return next(named, ("", 1.0))
    return SHOWN.get(metric.unit, (metric.unit, 1.0))


def sized(largest: float) -> tuple[str, int]:
    """The unit of a figure whose largest size is of so many bytes, and the bytes in one."""
    return (GIBIBYTES, 1024 * MIB) if largest >= LARGE else (MEBIBYTES, MIB)


def worded(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A value in a unit of a figure as text, without the unit except for percent. signed: a difference of two values."""
    if value is None:
        return shown.UNKNOWN
    plus = "+" if signed and value > 0 else ""
    if unit == PERCENT:
        return shown.points(value / 100) if signed else shown.percent(value / 100)
    if unit == RELATIVE:
        return plus + shown.small(value) if value else "0, exact"
    if unit in {MEBIBYTES, GIBIBYTES}:
        small = 0 < abs(value) < 1  # two digits, as in a table of runs
        digits = ",.2f" if unit == GIBIBYTES else ".2g" if small else ",.1f"
        return format(value, ("+" if signed else "") + digits)
    if unit.endswith("/s") or abs(value) >= 10_000:
        return f"{value:+,.0f}" if signed else f"{value:,.0f}"
    return plus + shown.value(value)
