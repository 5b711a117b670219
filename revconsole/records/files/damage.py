"""Damage: the exceptions that damaged or foreign content can raise while it is parsed."""

UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,  # a number too large for an integer column, or an infinite one
    RecursionError,  # deeply nested brackets
)
