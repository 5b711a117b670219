"""Opened: the lab of a store as the configuration has it: what may be changed, and which runs beside it are listed too."""

from pathlib import Path

from revconsole.lab.lab import Lab
from revconsole.records.config.config import Config


def opened_lab(store: Path, config: Config, *, console: bool) -> Lab:
    """The lab of a store. console: see `beside.others_of`. Raises ProfileError for a folder beside it that is none."""
    others = None
    if config["also"]:
        from revconsole.lab.beside import (
            others_of,
        )  # the formats of other tools: only if there are some

        others = others_of(config["also"], console=console)
    return Lab(store, readonly=config["readonly"], others=others)
