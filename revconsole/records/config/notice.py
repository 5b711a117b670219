"""Notice: tells somebody that a run has ended, as the configuration says, in a short-lived process of its own.

The training never waits for it. The run's record holds nothing of it, so neither addresses nor tokens are in a store.
"""

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

from revconsole.records.config.config import Config, read_config

CHANNELS = ("notify.command", "notify.webhook", "notify.ntfy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told of a run. state: as in `ls`. alarm: what is wrong with a finished run. reason: why it ended early."""

    id: str
    name: str
    state: str
    alarm: str = ""
    reason: str = ""

    @property
    def occasion(self) -> str:
        """The word of `notify.on` that it falls under; empty for a run that goes on."""
        if self.state == "out of memory":
            return self.state
        if self.state in {"failed", "killed", "lost", "damaged"}:
            return "failed"
        if self.state in {"finished", "pruned", "stopped"}:
            return "diverged" if self.alarm else "ended"
        return ""

    @property
    def sentence(self) -> str:
        """The notice in one line."""
        why = self.alarm or self.reason
        return f"{self.name} ({self.id}): {self.state}{f', {why}' if why else ''}"

    def body(self) -> str:
        """The notice as JSON."""
        return json.dumps({**asdict(self), "occasion": self.occasion, "text": self.sentence})


_sent: list[subprocess.Popen[bytes]] = []
"""The processes that may still be sending; they are looked at so that none is left as a zombie."""


def tell(notice: Notice, config: Config | None = None) -> bool:
    """Start telling, if the configuration asks for it; returns whether it does. Never raises and never waits."""
    config = read_config() if config is None else config
    if notice.occasion not in config["notify.on"] or not any(config[key] for key in CHANNELS):
        return False
    _sent[:] = [process for process in _sent if process.poll() is None]
    with suppress(OSError):
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "revconsole.records.config.messenger"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        _sent.append(process)
        if process.stdin is not None:
            process.stdin.write(notice.body().encode()[:60_000])  # less than a pipe holds
            process.stdin.close()
    return True
