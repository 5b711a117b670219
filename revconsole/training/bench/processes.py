"""Processes: a fresh one for every measurement of resident memory, without importing torch anew for each.

What other configurations left behind in an allocator would be used again, and hide what the next one needs. So
this module, run with `python -m`, imports torch once and then forks itself for every line of JSON that it is
given, or where no process may fork starts itself once more; the child answers with one line. (Pools of the standard library import the caller's main module in every
child, so that it would depend on how revconsole was started.)
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

import torch

from revconsole.errors import RevconsoleError, RunFailed
from revconsole.records import child
from revconsole.records.findings.benchmark import Configuration
from revconsole.records.settings.plan import Plan
from revconsole.training.bench import memory
from revconsole.training.bench.memory import Needs
from revconsole.training.machine.shortage import ran_out

Pipes = tuple[IO[str], IO[str]]
"""Where questions go, and where answers come from."""
ONCE = "--once"
"""The argument of a process that answers one question and ends."""


@contextmanager
def started() -> Iterator[Pipes]:
    """The process that forks, for as long as the context lasts; a child that still measures ends with it."""
    with subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
        child.command("revconsole.training.bench.processes"),
        env=child.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as forking:
        try:
            if forking.stdin is not None and forking.stdout is not None:  # they are pipes
                yield forking.stdin, forking.stdout
        finally:
            os.killpg(forking.pid, signal.SIGKILL)


def needs(pipes: Pipes, configuration: Configuration, batches: Sequence[int]) -> Needs:
    """`memory.needs` in a process of its own.

    Raises MemoryError if that had no room or was killed, and RunFailed for what cannot be measured.
    """
    asked, answers = pipes
    question = {
        "plan": configuration.plan.model_dump(mode="json"),
        "stored_blocks": configuration.stored_blocks,
        "batches": list(batches),
        "threads": torch.get_num_threads(),
    }
    answer: dict[str, Any] | None = {"error": "it has ended"}
    with suppress(BrokenPipeError):
        asked.write(json.dumps(question) + "\n")
        asked.flush()
        line = answers.readline()
        answer = json.loads(line) if line else answer
    if answer is None:
        raise MemoryError
    if "refused" in answer:
        raise RunFailed(answer["refused"])
    if "error" in answer:
        raise RuntimeError(f"in the process that measures memory: {answer['error']}")
    return Needs(
        fixed_bytes=answer["fixed_bytes"],
        peaks=tuple((batch, size) for batch, size in answer["peaks"]),
    )


def serve() -> None:
    """A child for every line of stdin, until there is none; null is the answer of one that had no room or was killed."""
    answers = _stdout()
    for line in sys.stdin:
        status = _forked(line, answers) if child.FORKS else anew(line, answers)
        if status != 0:
            answers.write("null\n")
            answers.flush()


def _stdout() -> IO[str]:
    """The old stdout, for answers alone: whatever else is printed goes to stderr from now on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _forked(line: str, answers: IO[str]) -> int:
    """Let a fork of this process answer; its status, 0 if it did."""
    forked = os.fork()
    if forked == 0:
        _answer(json.loads(line), answers)
    return os.waitpid(forked, 0)[1]


def anew(line: str, answers: IO[str]) -> int:
    """Let a new process answer; its status, 0 if it did. answers: an open file that it inherits."""
    command = child.command("revconsole.training.bench.processes", ONCE)
    return subprocess.run(command, input=line, stdout=answers, text=True, check=False).returncode  # noqa: S603  as above


def _answer(question: dict[str, Any], answers: IO[str]) -> None:
    """In the child: measure, say so, and end without what an interpreter does at its end."""
    answer: dict[str, Any] | None
    try:
        torch.set_num_threads(question["threads"])
        configuration = Configuration(
            plan=Plan.model_validate_json(json.dumps(question["plan"])),
            stored_blocks=question["stored_blocks"],
        )
        found = memory.needs(configuration, torch.device("cpu"), question["batches"])
        answer = {"fixed_bytes": found.fixed_bytes, "peaks": found.peaks}
    except RevconsoleError as error:
        answer = {"refused": str(error)}
    except Exception as error:  # noqa: BLE001  whatever it is, the other process raises it
        answer = None if ran_out(error) else {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    if ONCE in sys.argv:
        _answer(json.load(sys.stdin), _stdout())
    serve()
