"""Formats of a report, a file each with `SUFFIX` and `render(document) -> str`."""
