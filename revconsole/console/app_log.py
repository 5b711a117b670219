"""The console's own log: what went wrong in it, in a file of the state folder and never on the terminal.

Written are the errors that toasts show, tracebacks of its threads and of what ended it, and warnings of Python. A healthy
console writes nothing. Two older files of `LARGEST_BYTES` are kept.
"""

import logging
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

LARGEST_BYTES, KEPT = 256 * 1024, 2
_LOG = logging.getLogger("revconsole.console")
_WARNINGS = logging.getLogger("py.warnings")


class RotatedLog(RotatingFileHandler):
    """A file that is made, with its folder, by the first line. What cannot be written is dropped."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            file, maxBytes=LARGEST_BYTES, backupCount=KEPT, delay=True, encoding="utf-8"
        )
        form = "%(asctime)s %(process)d %(levelname)s %(message)s"
        self.setFormatter(logging.Formatter(form))

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name of the library
        """A full disk costs a line, and nothing on the terminal."""


def begin(file: Path) -> None:
    """Write what goes wrong into this file from now on."""
    end()
    kept = RotatedLog(file)
    for logger in (_LOG, _WARNINGS):
        logger.addHandler(kept)
        logger.propagate = False
    logging.captureWarnings(capture=True)
    threading.excepthook = _of_thread


def end() -> None:
    """Write nothing any more."""
    for logger in (_LOG, _WARNINGS):
        for kept in [each for each in logger.handlers if isinstance(each, RotatedLog)]:
            logger.removeHandler(kept)
            kept.close()
        logger.propagate = True
    logging.captureWarnings(capture=False)
    threading.excepthook = threading.__excepthook__


def note(text: str, error: BaseException | None = None) -> None:
    """Write a line, and the traceback of an error; nothing before `begin`."""
    if any(isinstance(each, RotatedLog) for each in _LOG.handlers):
        _LOG.error("%s", text.replace("\n", " "), exc_info=error)


def _of_thread(fault: threading.ExceptHookArgs) -> None:
    name = fault.thread.name if fault.thread else "a thread"
    note(f"{name}: {fault.exc_type.__name__}", fault.exc_value)
