"""Processes: a fresh process for every measurement of resident memory, without importing torch for each.

Memory left in an allocator by other configurations would hide what the next one needs. This module, run with
`python -m`, imports torch once and forks for every line of JSON it receives (or, where forking is not possible, starts
itself again); the child answers with one line. Pools of the standard library would import the caller's main module.
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
"""(stream of questions, stream of answers)."""
ONCE = "--once"
"""Argument of a process that answers one question and ends."""


@contextmanager
def started() -> Iterator[Pipes]:
    """The forking process, for the duration of the context; a child that is still measuring ends with it."""
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
    """The result of `memory.needs` in a process of its own.

    Raises MemoryError if the process ran out of memory or was killed, and RunFailed for what cannot be measured.
    """
    questions, answers = pipes
    question = {
        "plan": configuration.plan.model_dump(mode="json"),
        "stored_blocks": configuration.stored_blocks,
        "batches": list(batches),
        "threads": torch.get_num_threads(),
    }
    answer: dict[str, Any] | None = {"error": "it has ended"}
    with suppress(BrokenPipeError):
        questions.write(json.dumps(question) + "\n")
        questions.flush()
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
    """Answer every line of stdin in a child; the answer is null if the child ran out of memory or was killed."""
    answers = _stdout()
    for line in sys.stdin:
        status = _forked(line, answers) if child.FORKS else anew(line, answers)
        if status != 0:
            answers.write("null\n")
            answers.flush()


def _stdout() -> IO[str]:
    """The original stdout for the answers; other output goes to stderr from now on."""
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
    """Measure in the child process, write the answer, and exit without the interpreter's finalisation."""
    answer: dict[str, Any] | None
    try:
        torch.set_num_threads(question["threads"])
        configuration = Configuration(
            plan=Plan.model_validate_json(json.dumps(question["plan"])),
            stored_blocks=question["stored_blocks"],
        )
        measured = memory.needs(configuration, torch.device("cpu"), question["batches"])
        answer = {"fixed_bytes": measured.fixed_bytes, "peaks": measured.peaks}
    except RevconsoleError as error:
        answer = {"refused": str(error)}
    except Exception as error:  # noqa: BLE001  the other process raises it
        answer = None if ran_out(error) else {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)


if __name__ == "__main__":
    if ONCE in sys.argv:
        _answer(json.load(sys.stdin), _stdout())
    serve()
