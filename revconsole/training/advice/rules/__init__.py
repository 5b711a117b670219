"""Rules: one file each, with a `RULE`; a file that is added is found.

The docstring of a file says when its rule speaks, why, and where that is from. Alarms are asked before warnings, and
those before notes.
"""

import pkgutil
from importlib import import_module
from typing import get_args

from revconsole.training.advice.rule import Level, WatchRule


def _ordered() -> tuple[WatchRule, ...]:
    """The rule of every file of this folder."""
    files = [
        import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    rules: list[WatchRule] = [file.RULE for file in files]
    levels = get_args(Level)
    return tuple(sorted(rules, key=lambda rule: levels.index(rule.level), reverse=True))


RULES = _ordered()
