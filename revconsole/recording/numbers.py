"""Numbers: what a training loop measures as Python's floats, whatever its library makes of them."""

from collections.abc import Callable
from typing import Any

Number = float | Callable[[], float]
"""A float, or what gives it, where to have it now would wait for a device."""


def taken(value: Any) -> Number:
    """The number of a value now.

    A tensor on a device is copied there, without a wait, because it may be changed in place; its number is asked for later, in
    another thread. Raises TypeError or ValueError for what is no single number.
    """
    if type(value) is float:
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str | bytes):
        raise TypeError("a text is no number")
    if _is_elsewhere(value):
        if value.numel() != 1:
            raise ValueError(f"has {value.numel()} elements, not one")
        copy = value.detach().clone()
        return lambda: float(copy)
    item = getattr(value, "item", None)  # of a tensor, a quarter of the time that `float` takes
    return float(value if item is None else item())


def _is_elsewhere(value: Any) -> bool:
    """Whether it is a tensor of a device of its own."""
    kind = getattr(getattr(value, "device", None), "type", "cpu")
    return kind != "cpu" and hasattr(value, "detach")
