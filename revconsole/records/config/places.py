"""Places: where the configuration and the state of the console are."""

import hashlib
import os
from pathlib import Path

PROJECT_FILE = "revconsole.toml"


def user_file() -> Path:
    """The user's configuration file; REVCONSOLE_CONFIG names another one."""
    named = os.environ.get("REVCONSOLE_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs  # only if nothing is named

    return platformdirs.user_config_path("revconsole") / "config.toml"


def project_file() -> Path:
    """The configuration file of the working folder."""
    return Path.cwd() / PROJECT_FILE


def state_folder() -> Path:
    """The folder of what the program remembers by itself; REVCONSOLE_STATE names another one."""
    named = os.environ.get("REVCONSOLE_STATE")
    if named:
        return Path(named).expanduser()
    import platformdirs  # only if nothing is named

    return platformdirs.user_state_path("revconsole")


def view_file(store: Path) -> Path:
    """The file with the remembered views of one store."""
    address = os.path.realpath(store)
    digest = hashlib.sha256(os.fsencode(address)).hexdigest()[:16]
    return state_folder() / "views" / f"{digest}.json"


def console_log() -> Path:
    """The file in which the console notes what went wrong in it."""
    return state_folder() / "console.log"
