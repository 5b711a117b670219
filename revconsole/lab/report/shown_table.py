"""Shown table: cells of text with headings, caption and notes, before it has a format."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Headings, a list of cells for each arm, caption and notes. All of it is text that a format must escape."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    """The group of each row, whose first row is below a heading; empty for a table without groups."""

    @property
    def grouped(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every row with the heading above it, which is empty for most."""
        above = ""
        for row, group in zip(self.rows, self.groups or [""] * len(self.rows), strict=True):
            yield ("" if group == above else group), row
            above = group
