"""Estimate: time and memory of planned runs, measured in a process of its own.

In this process it would disturb a run that trains in a thread: how many threads torch has decides the order of its
sums, and memory that is counted here is that of both.
"""

import json
import subprocess
import threading
from dataclasses import dataclass

from revconsole.errors import DataUnavailable, RevconsoleError, StoreError
from revconsole.records import child
from revconsole.records.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """seconds: of the whole run. step_bytes: what a training step needs, with weights and images; None is unknown."""

    seconds: float
    step_bytes: int | None


class Measurer:
    """The process. It begins with the first question and ends with `end`, from any thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._ended = False
        self._asking = threading.Lock()

    def ask(self, plan: Plan) -> Estimate:
        """Measure a few steps of a plan. Raises DataUnavailable, or RevconsoleError where it cannot be measured."""
        with self._asking:
            line = self._answer(plan.model_dump_json())
        if not line:
            raise RevconsoleError("the process that measures has ended; memory may have run out")
        answer = json.loads(line)
        if "error" in answer:
            kind = DataUnavailable if answer["unavailable"] else RevconsoleError
            raise kind(answer["error"])
        return Estimate(seconds=answer["seconds"], step_bytes=answer["step_bytes"])

    def end(self) -> None:
        """End the process, also in the middle of an answer."""
        self._ended = True
        if self._process is not None:
            self._process.kill()  # so that whoever reads its answer goes on
        with self._asking:
            if self._process is not None:
                self._process.kill()
                self._process.communicate()

    def _answer(self, question: str) -> str:
        """One line; empty if the process has ended."""
        if self._ended:
            return ""
        if self._process is None:
            self._process = _begun()
        process = self._process
        if process.stdin is None or process.stdout is None:  # they are pipes
            return ""
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except (OSError, ValueError):
            return ""


def _begun() -> "subprocess.Popen[str]":
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            child.command("revconsole.training.estimate"),
            env=child.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise StoreError(f"cannot start a process to measure in: {error.strerror}") from None
