"""Saved profile: planned runs as a profile of the user's own."""

import re
from pathlib import Path
from typing import TextIO

from revconsole.errors import ProfileError, RevconsoleError, StoreError
from revconsole.lab.planning import Planned
from revconsole.records.files.toml_file import parsed
from revconsole.records.settings.profile import Profile

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,79}")


def text(planned: Planned) -> str:
    """The runs as a profile in TOML, which plans the same runs.

    Raises ProfileError for runs that no profile can make.
    """
    import tomli_w  # only when asked for

    if planned.study.tables:
        raise ProfileError("save", "name", "the arms of a study are no profile")
    title = planned.study.profile.title
    written = tomli_w.dumps({"title": title} | dict(planned.given(planned.plans[0])))
    if not _makes(written, planned):
        raise ProfileError("save", "name", "no profile makes exactly these runs")
    return written


def save(planned: Planned, name: str) -> Path:
    """Write `text` as `profiles/NAME.toml` in the working folder. Raises as `text` and `new_file`."""
    return new_file(name, text(planned))


def new_file(name: str, written: str, below: str = "") -> Path:
    """Write a new file NAME.toml into `profiles` of the working folder, or into a folder below.

    Raises ProfileError for a name that cannot be used, StoreError if the file cannot be written.
    """
    if not NAME.fullmatch(name):
        raise ProfileError("save", "name", f"{name!r} is no name: use letters, digits, - and _")
    path = Path.cwd() / "profiles" / below / f"{name.removesuffix('.toml')}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            _write_all(file, written)
    except FileExistsError:
        raise ProfileError("save", "name", f"{path.name} exists in {path.parent}") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _write_all(file: TextIO, written: str) -> None:
    """Write a new file; on a full disk nothing half-written stays. Raises OSError."""
    try:
        file.write(written)
        file.flush()
    except OSError:
        Path(file.name).unlink(missing_ok=True)
        raise


def _makes(written: str, planned: Planned) -> bool:
    """Whether a profile with this text makes all the runs."""
    table = parsed(written)
    try:
        profile = Profile(name=planned.study.name, where=planned.study.where, table=table)
        made = {plan.digest() for plan in profile.plans()}
    except RevconsoleError:
        return False
    return made >= {plan.digest() for plan in planned.plans}
