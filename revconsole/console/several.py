"""Several: several choices of one setting as the text of its field, which makes a run of each. No widgets."""

from collections.abc import Collection, Sequence


def joined(values: Sequence[str]) -> str:
    """The text of a field for these choices; a single one is itself."""
    return values[0] if len(values) == 1 else f"[{', '.join(values)}]"


def apart(text: str) -> tuple[str, ...]:
    """The choices that a text stands for: those of a list, or the text itself."""
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        return (text,)
    return tuple(value for part in inner[1:-1].split(",") if (value := part.strip(" \t\"'")))


def among(text: str, values: Collection[str]) -> bool:
    """Whether each choice of a text is one of these."""
    return bool(apart(text)) and all(value in values for value in apart(text))
