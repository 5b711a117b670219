"""Notice: what is told of the end of a run, whom the configuration names, and the short-lived process that sends it.

Nobody waits for it. The run's record holds nothing of it but that it was sent, so neither addresses nor tokens are in a store.
"""

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass

from revconsole.records.config.config import Config

CHANNELS = ("notify.command", "notify.webhook", "notify.ntfy")
ALWAYS, NEVER = "notify", "quiet"
"""Tags of a run of which every end is told, whatever `notify.on` says, and of one of which none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told of a run. state: as in `ls`. alarm: what is wrong with a finished run. reason: why it ended early."""

    id: str
    name: str
    state: str
    alarm: str = ""
    reason: str = ""
    tags: tuple[str, ...] = ()

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

    def wanted(self, config: Config) -> bool:
        """Whether it is to be told, by the tags of the run or else by the configuration."""
        if not self.occasion or NEVER in self.tags:
            return False
        return ALWAYS in self.tags or self.occasion in config["notify.on"]

    def body(self) -> str:
        """The notice as JSON."""
        return json.dumps({**asdict(self), "occasion": self.occasion, "text": self.sentence})


_sent: list[subprocess.Popen[bytes]] = []
"""The processes that may still be sending; they are looked at so that none is left as a zombie."""


def addressed(config: Config) -> bool:
    """Whether the configuration names anybody to be told."""
    return any(config[key] for key in CHANNELS)


def send(notice: Notice) -> None:
    """Start sending a notice. Never raises and never waits."""
    _sent[:] = [process for process in _sent if process.poll() is None]
    with suppress(OSError):
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "revconsole.records.notices.messenger"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        _sent.append(process)
        if process.stdin is not None:
            process.stdin.write(notice.body().encode())  # less than a pipe holds: see `ends`
            process.stdin.close()
