"""Section: the base class of all sections of a profile."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

UNSET = "none"
"""Word that unsets an optional setting; TOML has no null."""
WORDS = "words"
"""Key by which a field with a pattern says what matches it."""


class Section(BaseModel):
    """A frozen table of a profile: unknown keys are errors, and text is not converted to numbers."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        return {k: None if v == UNSET and cls._optional(k) else v for k, v in table.items()}

    @classmethod
    def _optional(cls, key: str) -> bool:
        field = cls.model_fields.get(key)
        return field is not None and type(None) in get_args(field.annotation)
