"""ViewState: what the console remembers of one store: theme, order, filter, columns, charts. One small JSON file."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from textual.app import App

from revconsole.records.config.config import DEFAULTS, Config
from revconsole.records.files import bounded

VERSION = 1
LARGEST_BYTES = 1 << 20

Values = dict[str, Any]


class ViewState:
    """Remembered values by screen. file: where they are kept; None forgets them at the end.

    A file that cannot be used is renamed, so that it is neither lost nor in the way; `notice` says so.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._screens: dict[str, Values] = {}
        self.notice = ""
        if file is not None:
            self._read(file)

    def get(self, screen: str, usual: Mapping[str, Any]) -> Values:
        """The remembered values of a screen; `usual` for those that are not remembered or have another type."""
        kept = self._screens.get(screen, {})
        return {
            key: kept[key] if type(kept.get(key)) is type(value) else value
            for key, value in usual.items()
        }

    def set(self, screen: str, values: Mapping[str, Any]) -> None:
        """Remember values of a screen, beside its other ones. They must be of the types of JSON; a list, not a tuple."""
        before = self._screens.get(screen, {})
        after = before | dict(values)
        if after != before:
            self._screens[screen] = after
            with suppress(OSError):  # a full disk costs only the memory of a view
                self._write()

    def _read(self, file: Path) -> None:
        try:
            self._screens = _screens(json.loads(bounded.read(file, LARGEST_BYTES)))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:
            self.notice = _set_aside(file, getattr(error, "strerror", None) or str(error))

    def _write(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        body = {"version": VERSION, "screens": self._screens}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(body, indent=1), encoding="utf-8")
        part.replace(self._file)


def views_of(app: App[Any]) -> ViewState:
    """The view state of the console; in another app one that forgets."""
    views = getattr(app, "views", None)
    return views if isinstance(views, ViewState) else ViewState()


def config_of(app: App[Any]) -> Config:
    """The configuration of the console; the defaults in another app."""
    config = getattr(app, "config", None)
    return config if isinstance(config, Config) else DEFAULTS


def _screens(body: object) -> dict[str, Values]:
    """The values by screen of a file. Raises ValueError."""
    if not isinstance(body, dict) or body.get("version") != VERSION:
        raise ValueError(f"it is not of version {VERSION}")
    screens = body.get("screens")
    if not isinstance(screens, dict) or not all(isinstance(v, dict) for v in screens.values()):
        raise ValueError("it has no table of screens")
    return screens


def _set_aside(file: Path, reason: str) -> str:
    """Rename a file that cannot be used; returns a sentence on it."""
    aside = file.with_name(f"{file.name}.bad-{int(time.time())}")
    try:
        file.rename(aside)
    except OSError:
        return f"the views of this store are not remembered: {file}: {reason}"
    return f"the views of this store are the usual ones again: {reason}; the old file is {aside}"
