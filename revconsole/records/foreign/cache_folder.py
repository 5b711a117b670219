"""Where copies of what other tools wrote are kept; REVCONSOLE_CACHE names another folder. All of it may be deleted."""

import os
from pathlib import Path

import platformdirs

ENVIRONMENT = "REVCONSOLE_CACHE"


def cache_folder() -> Path:
    """The user's cache folder of the program; it may not exist yet."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("revconsole")
