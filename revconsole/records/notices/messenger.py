"""Messenger: the process that sends one notice, read from stdin, to everything that the configuration names."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from revconsole.records.config.config import Config, read_config

LIMIT_SECONDS = 15


def main() -> None:
    """Send the notice; what fails or takes longer than the limit is given up."""
    body = sys.stdin.buffer.read()
    for _ in sent(body, read_config()):
        pass


def sent(body: bytes, config: Config) -> Iterator[tuple[str, str]]:
    """Send a notice to each channel in turn; yields the channel's key, and why it failed or an empty text."""
    text = str(json.loads(body)["text"])
    if command := config["notify.command"]:
        yield "notify.command", _run(command, body, text)
    if address := config["notify.webhook"]:
        yield "notify.webhook", _post(address, body, "application/json")
    if address := config["notify.ntfy"]:
        yield "notify.ntfy", _post(address, text.encode(), "text/plain; charset=utf-8")


def _run(command: tuple[str, ...], body: bytes, text: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  the user's own command
            command, input=body, timeout=LIMIT_SECONDS, check=False,
            env={**os.environ, "REVCONSOLE_NOTICE": text}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return f"{command[0]} ended with exit code {done.returncode}" if done.returncode else ""


def _post(address: str, body: bytes, kind: str) -> str:
    plain, headers = _apart(address)
    request = urllib.request.Request(plain, body, {"Content-Type": kind, **headers})  # noqa: S310  http(s) only: see options
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS):  # noqa: S310  as above
            return ""
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", "") or error)


def _apart(address: str) -> tuple[str, dict[str, Any]]:
    """An address without the user and password in it, and the header that says them."""
    parts = urlsplit(address)
    who, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, {}
    secret = base64.b64encode(unquote(who).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {secret}"}


if __name__ == "__main__":
    main()
