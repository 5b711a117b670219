"""Damage: what bytes that are not what was written raise on their way into our objects."""

UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,  # a number too large for an integer column, or infinite where a whole one is due
    RecursionError,  # brackets without end
)
