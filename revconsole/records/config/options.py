"""Options: every key of the configuration with its default, the accepted values and the meaning."""

from collections.abc import Callable, Collection

from revconsole.errors import nearest
from revconsole.records.config.accepting import Option, Refused, number, text, words
from revconsole.records.config.slurm_options import SLURM_OPTIONS

THEMES = ("revconsole-dark", "revconsole-light", "revconsole-contrast", "revconsole-mono")
"""The themes that are made for this console."""
OTHER_THEMES = (
    "ansi-dark", "ansi-light", "atom-one-dark", "atom-one-light", "catppuccin-frappe", "catppuccin-latte",
    "catppuccin-macchiato", "catppuccin-mocha", "dracula", "flexoki", "gruvbox", "monokai", "nord", "rose-pine",
    "rose-pine-dawn", "rose-pine-moon", "solarized-dark", "solarized-light", "textual-dark",
    "textual-light", "tokyo-night",
)  # fmt: skip
"""The themes that come with Textual; named here because the command line does not load Textual."""
DRAWINGS = ("auto", "braille", "block", "ascii")
OCCASIONS = ("ended", "failed", "diverged", "out of memory")
"""When somebody can be told: a run finished or was stopped; it failed; it finished with an alarm; memory ran out."""


SWITCHES = {
    "true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False,
    "0": False,
}  # fmt: skip
"""The words of a switch."""


def _switch(value: object) -> bool:
    word = str(value).strip().lower()
    if not isinstance(value, bool | int | str) or word not in SWITCHES:
        raise Refused("should be true or false")
    return SWITCHES[word]


def _one_of(names: Collection[str]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if text(value) not in names:
            raise Refused(f"is not known{nearest(text(value), names)}")
        return text(value)

    return read


def _columns(value: object) -> tuple[str, ...]:
    """A list of names; they may also stand between commas in one text."""
    names = [name.strip() for word in words(value) for name in word.split(",")]
    return tuple(name for name in names if name)


def _command(value: object) -> tuple[str, ...]:
    """A program and its arguments, each a text of its own."""
    listed = words(value)
    if isinstance(value, str) and len(value.split()) > 1:
        raise Refused('should be a list with a text for each argument, as ["program", "argument"]')
    return () if listed == ("",) else listed


def _some_of(names: Collection[str]) -> Callable[[object], tuple[str, ...]]:
    def read(value: object) -> tuple[str, ...]:
        return tuple(_one_of(names)(word) for word in words(value))

    return read


def _address(value: object) -> str:
    if text(value) and not text(value).startswith(("http://", "https://")):
        raise Refused("should begin with http:// or https://")
    if text(value) and not text(value).partition("//")[2].partition("/")[0].strip(":"):
        raise Refused("should name a host after //")
    return text(value)


_TABLE = (
    Option("theme", THEMES[0], _one_of((*THEMES, *OTHER_THEMES)), f"{', '.join(THEMES)}, or one of Textual's: {', '.join(OTHER_THEMES)}",
        "Colours of the console. A theme chosen in the palette is remembered for the store until this value changes."),
    Option("drawing", "auto", _one_of(DRAWINGS), ", ".join(DRAWINGS),
        "Characters of the charts. `auto` uses braille, and ASCII on a terminal without Unicode or with TERM=linux."),
    Option("refresh_seconds", 1.0, number(0.5, 5), "0.5 to 5",
        "Seconds between two looks at runs that train. Reading that takes long makes them rarer."),
    Option("smoothing", 0.6, number(0, 0.99), "0 to 0.99",
        "Weight of the past in the moving average with which charts of noisy metrics open; 0 does not smooth."),
    Option("columns", (), _columns, "a list of columns",
        "Columns of the runs table, in this order; an empty list lets the console choose."),
    Option("also", (), words, "a list of folders, or ssh://HOST/FOLDER",
        "Folders whose runs are listed with those of the store and only read: of other tools, or of other stores.", private=True),
    Option("readonly", False, _switch, "true, false",
        "Refuse to launch, stop, pause, resume, move, note, archive and delete runs. A wrong value counts as true.", if_wrong=True),
    Option("notify.on", ("failed", "diverged", "out of memory"), _some_of(OCCASIONS), f"a list of: {', '.join(OCCASIONS)}",
        "When to tell somebody. `ended` is a run that finished without an alarm or was stopped.", private=True),
    Option("notify.command", (), _command, "a program and its arguments",
        "Program to start. It gets the notice as JSON on its stdin, and its sentence as REVCONSOLE_NOTICE; no shell is involved.",
        private=True),
    Option("notify.webhook", "", _address, "an http or https address",
        "Address that the notice is sent to as JSON with POST.", private=True),
    Option("notify.ntfy", "", _address, "an http or https address",
        "Topic of an ntfy server, as https://ntfy.sh/my-topic; the notice is sent as text.", private=True),
    Option("notify.bell", False, _switch, "true, false",
        "Ring the terminal's bell in a console or a `watch` that sees the end.", private=True),
    *SLURM_OPTIONS,
)  # fmt: skip
OPTIONS: dict[str, Option] = {option.key: option for option in _TABLE}
