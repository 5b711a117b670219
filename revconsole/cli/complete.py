"""Shell completion of names. What knows the names is imported when one is asked for, as every `--help` waits for this file."""

import os
from pathlib import Path


def runs(incomplete: str) -> list[str]:
    """Ids and names of runs in the store."""
    from revconsole.records.runs.store import RunStore

    summaries = RunStore(Path(os.environ.get("REVCONSOLE_STORE", "runs"))).list()
    names = [word for summary in summaries for word in (summary.id, summary.name)]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def profiles(incomplete: str) -> list[str]:
    """Names of profiles."""
    from revconsole.records.settings import search_path

    return [entry.name for entry in search_path.profiles() if entry.name.startswith(incomplete)]


def studies(incomplete: str) -> list[str]:
    """Names of studies."""
    from revconsole.records.settings import search_path

    return [e.name for e in search_path.studies() if e.name.startswith(incomplete)]


def subjects(incomplete: str) -> list[str]:
    """Names of studies, ids and names of runs."""
    return [*studies(incomplete), *runs(incomplete)]


def settings(incomplete: str) -> list[str]:
    """Dotted keys of settings, each with an equals sign."""
    from revconsole.records.settings import glossary

    keys = dict.fromkeys(f"{entry['key']}=" for entry in glossary.entries())
    return [key for key in keys if key.startswith(incomplete)]


def slurm_places(incomplete: str) -> list[str]:
    """Names of the places of the configuration where Slurm jobs train."""
    from revconsole.lab.launchers.slurm.place import names
    from revconsole.records.config.config import read_config

    return [name for name in names(read_config()) if name.startswith(incomplete)]
