"""Another process that imports torch and answers line by line, so that its work delays neither keys nor a training here."""

import subprocess
import threading

from revconsole.errors import RevconsoleError, StoreError
from revconsole.records import child


class OtherProcess:
    """A module that answers each line with a line. The process starts with the first question and ends with `end`.

    does: what the process does, for the sentence about its end. Thread-safe; questions wait for one another.
    """

    def __init__(self, module: str, does: str) -> None:
        self._module, self._does = module, does
        self._process: subprocess.Popen[str] | None = None
        self._ended = False
        self._asking = threading.Lock()

    def ask(self, question: str) -> str:
        """The answer. Raises RevconsoleError if the process has ended, StoreError if it cannot be started."""
        with self._asking:
            line = self._answer(question)
        if not line:
            raise RevconsoleError(
                f"the process that {self._does} has ended; it may have run out of memory"
            )
        return line

    def end(self) -> None:
        """End the process, even while it computes an answer."""
        self._ended = True
        if self._process is not None:
            self._process.kill()  # so that whoever reads its answer goes on
        with self._asking:
            if self._process is not None:
                self._process.kill()
                self._process.communicate()

    def _over(self) -> bool:
        """Whether `end` was called, by any thread."""
        return self._ended

    def _answer(self, question: str) -> str:
        """The next line of output; empty if the process has ended."""
        if self._over():
            return ""
        if self._process is None:
            self._process = _begun(self._module, self._does)
            if self._over():  # meanwhile
                self._process.kill()
        process = self._process
        if process.stdin is None or process.stdout is None:  # they are pipes
            return ""
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except (OSError, ValueError):
            return ""


def _begun(module: str, does: str) -> "subprocess.Popen[str]":
    try:
        return subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            child.command(module),
            env=child.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise StoreError(f"cannot start the process that {does}: {error.strerror}") from None
