"""Formats of a report, one file each with `SUFFIX` and `render(document) -> str`."""
