"""Config: the values of all options: of a flag, else of the environment, the project's file, the user's file, the default.

What is wrong is left out and reported; the other values hold.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError, nearest
from revconsole.records.config import places
from revconsole.records.config.accepting import Option, Refused, Value
from revconsole.records.config.options import OPTIONS
from revconsole.records.config.slurm_options import unnamed

VERSION = 1
LARGEST_BYTES = 1 << 20
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The values of one flag, environment variable or file. problems: what is wrong in it, one sentence each."""

    name: str
    values: Mapping[str, Value] = field(default_factory=dict)
    keymap: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration. keymap: keys by the id of a binding. problems: sentences about what is left out."""

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    keymap: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


DEFAULTS = Config(
    values={key: option.default for key, option in OPTIONS.items()},
    origins=dict.fromkeys(OPTIONS, DEFAULT),
)
"""The configuration without any source."""


def read_config(flags: Sequence[str] = ()) -> Config:
    """The configuration of this process. flags: `key=value` words from the command line. Never raises."""
    files = [read_file(places.user_file()), read_file(places.project_file(), project=True)]
    sources = [*files, from_environment(os.environ), from_flags(flags)]
    values, origins = dict(DEFAULTS.values), dict(DEFAULTS.origins)
    keymap: dict[str, str] = {}
    for source in sources:
        values |= source.values
        origins |= {key: _origin(source, key) for key in source.values}
        keymap |= source.keymap
        origins |= {f"keymap.{key}": source.name for key in source.keymap}
    problems = tuple(problem for source in sources for problem in source.problems)
    return Config(values=values, origins=origins, keymap=keymap, problems=problems)


def read_file(path: Path, *, project: bool = False) -> Source:
    """The values in a file; a missing file has none. project: whether private options are refused."""
    name = str(path)
    try:
        if not path.exists():
            return Source(name=name)
        table = _table(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Source(name=name, problems=(f"{name}: cannot be read: {reason}",))
    if table.pop("version", VERSION) != VERSION:
        reason = f"version: should be {VERSION}; a newer revconsole wrote this file, so none of it is used"
        return Source(name=name, problems=(f"{name}: {reason}",))
    keymap = table.pop("keymap", {})
    values, problems = _checked(name, dict(_flat(table)), project=project)
    keys, wrong = _keys(name, keymap)
    return Source(name=name, values=values, keymap=keys, problems=(*problems, *wrong))


def from_environment(environment: Mapping[str, str]) -> Source:
    """The values in environment variables, each written as on the command line."""
    given = {
        o.key: environment[o.variable] for o in OPTIONS.values() if environment.get(o.variable)
    }
    return _typed("environment", given)


def from_flags(words: Sequence[str]) -> Source:
    """The values of `key=value` words."""
    pairs = [word.partition("=") for word in words]
    lacking = tuple(f"--set: {key!r} is not key=value" for key, sign, _ in pairs if not sign)
    source = _typed("flag", {key.strip(): text for key, sign, text in pairs if sign})
    return Source(name="flag", values=source.values, problems=(*lacking, *source.problems))


def _origin(source: Source, key: str) -> str:
    return f"environment, {OPTIONS[key].variable}" if source.name == "environment" else source.name


def _table(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises OSError and ValueError."""
    from revconsole.records.files import bounded  # only if there is a file
    from revconsole.records.files.toml_file import parsed

    target = Path(os.path.realpath(path))  # may be a link into a folder of dotfiles
    return parsed(bounded.read(target, LARGEST_BYTES).decode("utf-8-sig"))


def _typed(name: str, given: Mapping[str, str]) -> Source:
    """The values of typed texts: TOML where they are TOML, otherwise text."""
    if not given:
        return Source(name=name)
    from revconsole.records.settings.words import parse_assignments  # only if something is given

    table: dict[str, Any] = {}
    unread = []
    wrong: dict[str, Value] = {}
    for key, text in given.items():
        try:
            table |= parse_assignments([f"{key}={text}"])
        except RevconsoleError as error:
            unread.append(f"{name}: {key}: {error}")
            wrong |= _if_wrong(OPTIONS.get(key))
    values, problems = _checked(name, table)
    return Source(name=name, values={**values, **wrong}, problems=(*unread, *problems))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of nested tables with their values."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _checked(
    name: str, given: Mapping[str, Any], *, project: bool = False
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """The accepted values, and what is wrong with the others."""
    values: dict[str, Value] = {}
    problems = []
    for key, value in given.items():
        option = OPTIONS.get(unnamed(key))
        try:
            values[key] = _accepted(option, key, value, project=project)
        except Refused as refused:
            problems.append(f"{name}: {key}: {refused}")
            values |= _if_wrong(option)
    return values, tuple(problems)


def _if_wrong(option: Option | None) -> dict[str, Value]:
    """What holds in place of a wrong value, where that is not left to the next source."""
    return {} if option is None or option.if_wrong is None else {option.key: option.if_wrong}


def _accepted(option: Option | None, key: str, value: object, *, project: bool) -> Value:
    if option is None:
        raise Refused(f"unknown key{nearest(unnamed(key), OPTIONS)}")
    if project and option.private:
        raise Refused(
            f"belongs in your own file, {places.user_file()}; a project's file must neither run commands nor send messages"
        )
    try:
        return option.read(value)
    except Refused as refused:
        text = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:59]}…"
        raise Refused(
            f"{refused}, not {text}" if "should" in str(refused) else f"{text} {refused}"
        ) from None


def _keys(name: str, keymap: object) -> tuple[dict[str, str], tuple[str, ...]]:
    """The keys by id of a `[keymap]` table; which ids there are is known to the console alone."""
    if not isinstance(keymap, dict):
        return {}, (f"{name}: keymap: should be a table of ids and keys",)
    keys = {}
    problems = []
    for binding, key in _flat(keymap):
        if isinstance(key, str) and key.strip():
            keys[binding] = key.replace(" ", "")
        else:
            problems.append(
                f'{name}: keymap.{binding}: should be a key in quotes, as "n" or "ctrl+n"'
            )
    return keys, tuple(problems)
