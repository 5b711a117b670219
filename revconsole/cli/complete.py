"""Completion of names in the shell; torch-free, silent on any trouble."""

import os
from pathlib import Path

from revconsole.lab.lab import Lab
from revconsole.records.settings import glossary, search_path


def runs(incomplete: str) -> list[str]:
    """Ids and names of runs in the store."""
    found = Lab(Path(os.environ.get("REVCONSOLE_STORE", "runs"))).store.list()
    names = [word for summary in found for word in (summary.id, summary.name)]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def profiles(incomplete: str) -> list[str]:
    """Names of profiles."""
    return [entry.name for entry in search_path.profiles() if entry.name.startswith(incomplete)]


def studies(incomplete: str) -> list[str]:
    """Names of studies."""
    return [e.name for e in search_path.studies() if e.name.startswith(incomplete)]


def subjects(incomplete: str) -> list[str]:
    """Names of studies, and of runs."""
    return [*studies(incomplete), *runs(incomplete)]


def settings(incomplete: str) -> list[str]:
    """Dotted keys, each with its equals sign."""
    keys = dict.fromkeys(f"{entry['key']}=" for entry in glossary.entries())
    return [key for key in keys if key.startswith(incomplete)]
