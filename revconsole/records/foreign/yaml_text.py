"""YAML of other tools: settings, read without making any object of theirs."""

from typing import Any

import yaml

LONGEST = 1 << 18
"""Bytes of a file of settings; a few KiB are usual."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def mapping(data: bytes) -> dict[str, Any]:
    """The mapping in a YAML text; empty if there is none. Raises ValueError for what is no YAML, or has objects of Python."""
    if len(data) > LONGEST:
        raise ValueError(f"more than {LONGEST:,} bytes of settings")
    try:
        found = yaml.load(data.decode(errors="replace"), Loader=_LOADER)  # noqa: S506  a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"no plain YAML: {type(error).__name__}") from None
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}
