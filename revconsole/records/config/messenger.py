"""Messenger: the process that sends one notice, read from stdin, to everything that the configuration names."""

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import suppress

from revconsole.records.config.config import read_config

LIMIT_SECONDS = 15


def main() -> None:
    """Send the notice; what fails or takes longer than the limit is given up."""
    body = sys.stdin.buffer.read()
    text = str(json.loads(body)["text"])
    config = read_config()
    if command := config["notify.command"]:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(  # noqa: S603  the user's own command
                command, input=body, timeout=LIMIT_SECONDS, check=False,
                env={**os.environ, "REVCONSOLE_NOTICE": text},
            )  # fmt: skip
    if config["notify.webhook"]:
        _post(config["notify.webhook"], body, "application/json")
    if config["notify.ntfy"]:
        _post(config["notify.ntfy"], text.encode(), "text/plain; charset=utf-8")


def _post(address: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(address, body, {"Content-Type": kind})  # noqa: S310  http(s) only: see options
    with suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=LIMIT_SECONDS):  # noqa: S310  as above
        pass


if __name__ == "__main__":
    main()
