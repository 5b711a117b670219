"""Encoding: what the command line prints where the terminal, the pipe or the locale has no Unicode.

What a stream cannot encode is written by other characters, never refused and never as a bare question mark where there is
something better: `±` as `+/-`, `≥` as `>=`, `é` as `e`. The Linux console says that it takes UTF-8 but has no shapes for
most signs; there signs are translated and letters stay.
"""

import codecs
import io
import os
import unicodedata
from collections.abc import Mapping
from typing import TextIO

from revconsole.console import signs

ERRORS, CONSOLE_ERRORS = "revconsole-signs", "revconsole-console"
"""Names of the two ways to write what an encoding lacks."""
WORDS = {
    "±": "+/-", "≤": "<=", "≥": ">=", "…": "...", "→": "->", "←": "<-", "²": "^2", "³": "^3", "½": "1/2", "¼": "1/4", "¾": "3/4",
    "Δ": "delta ", "α": "alpha", "β": "beta", "γ": "gamma", "ε": "eps", "λ": "lambda", "μ": "u", "µ": "u", "σ": "sigma", "τ": "tau",
    "∞": "inf", "√": "sqrt", "‑": "-", "’": "'", "‘": "'", "“": '"', "”": '"',
}  # fmt: skip
"""Signs for which there is something better than one character."""


def plain(text: str) -> str:
    """The text in ASCII; what has no likeness there becomes a question mark."""
    return text if text.isascii() else "".join(map(_plain, text))


def _plain(character: str) -> str:
    shown = WORDS.get(character) or signs.plain(character)
    if shown.isascii():
        return shown
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return ""
    parts = unicodedata.normalize("NFKD", character)
    return "".join(map(_plain, parts)) if parts != character else "?"


def _signs(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: everything in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


def _signs_of_console(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler of the Linux console: signs in ASCII, letters in UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return b"".join(
        character.encode() if character.isalpha() and character not in WORDS else _plain(character).encode()
        for character in text
    ), error.end  # fmt: skip


def settle(stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
    """Let a stream write what its encoding lacks by other characters."""
    codecs.register_error(ERRORS, _signs)
    codecs.register_error(CONSOLE_ERRORS, _signs_of_console)
    if not isinstance(stream, io.TextIOWrapper):
        return
    if environment.get("TERM") == "linux" and stream.isatty():
        stream.reconfigure(encoding="ascii", errors=CONSOLE_ERRORS)
    else:
        stream.reconfigure(errors=ERRORS)


def as_printed(text: str, stream: TextIO) -> str:
    """The text as the stream will show it, so that its width is known before it is laid out."""
    if text.isascii():
        return text
    encoding, errors = getattr(stream, "encoding", None) or "utf-8", getattr(stream, "errors", None)
    if errors not in {ERRORS, CONSOLE_ERRORS}:
        return text
    shown = text.encode(encoding, errors)
    return shown.decode("utf-8" if encoding.lower() == "ascii" else encoding, "replace")


def takes(text: str, stream: TextIO) -> bool:
    """Whether the stream writes the text as it is."""
    return as_printed(text, stream) == text
