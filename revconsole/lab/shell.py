"""Shell: the lines that do on the command line what was asked for elsewhere."""

import shlex
from collections.abc import Mapping
from typing import Any

from revconsole.records.settings.words import assignment


def command_line(
    name: str, settings: Mapping[str, Any], verb: str = "train", *, quick: bool = False
) -> str:
    """The shell line of a verb on a profile or study with settings, as from a form or the command line."""
    assignments = [assignment(key, value) for key, value in settings.items()]
    form = ["--quick"] if quick else []
    return shlex.join(["revconsole", *verb.split(), name, *assignments, *form])
