"""Accepting: what an option of the configuration is, and how values of the usual kinds are read."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

Value = str | bool | float | tuple[str, ...]


class Refused(Exception):  # noqa: N818  what happened to the value
    """A value is not accepted; the text says what it should be."""


@dataclass(frozen=True, slots=True)
class Option:
    """A key of the configuration."""

    key: str
    default: Value
    read: Callable[[object], Value]
    """Converts a value from TOML; raises Refused."""
    allowed: str
    meaning: str
    _: KW_ONLY
    if_wrong: Value | None = None
    """The value that holds where a source has a wrong one; None for that of the next source."""
    private: bool = False
    """Whether a project's file may not set it, because a folder from somebody else must not run commands or send messages."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"REVCONSOLE_{self.key.replace('.', '_').upper()}"


def text(value: object) -> str:
    """A text. Raises Refused."""
    if not isinstance(value, str) or "\0" in value:
        raise Refused("should be text in quotes")
    return value


def number(least: float, most: float, *, whole: bool = False) -> Callable[[object], float]:
    """A reader of numbers in a range; whole ones only, or any."""
    what = "a whole number" if whole else "a number"

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise Refused(f"should be {what} from {least:g} to {most:g}")
        if not least <= value <= most:
            raise Refused(f"should be from {least:g} to {most:g}")
        return value if whole else float(value)

    return read


def words(value: object) -> tuple[str, ...]:
    """A list of texts; a single text is a list of one."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
        raise Refused("should be a list of texts")
    return tuple(text(word) for word in listed)
