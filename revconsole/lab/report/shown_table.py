"""Shown table: cells of text with headings, caption and notes, before it has a format."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Headings, a list of cells for each arm, caption and notes. All of it is text that a format must escape."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
