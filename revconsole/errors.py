"""Every exception revconsole raises on purpose. Anything else is a bug and keeps its traceback.

RevconsoleError            base: one sentence that says what, where and what to do next
├── ProfileError           a profile or an override is wrong: file and key
├── UnknownName            a name that nothing has: kind, name, known names
├── StoreError             the run store cannot be read or written
│   ├── NoSuchRun          no run, or more than one, answers to that address
│   └── AlreadyClaimed     another process writes this run
├── DataUnavailable        a dataset or a weights file is missing, damaged or out of reach
├── DeviceUnavailable      a device that a plan names is not on this machine
├── NotSubmitted           a job cannot be given to Slurm, or Slurm cannot be asked
├── WrongState             a run is in no state for what was asked
├── OnlyRead               a run lies beside the store, and nothing changes it from here
├── NotExported            a network cannot be written for others, or would compute something else there
├── NotInvertible          a scheme was asked for an inverse it does not have
├── NotLoaded              torch, or a library of a model, cannot be imported here
└── RunFailed              a training ended for a reason its user can act on
"""

import atexit
import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class RevconsoleError(Exception):
    """One clear sentence for the user. `exit_code` is what the command line returns for it."""

    exit_code = 1


class ProfileError(RevconsoleError):
    """A setting is wrong. `where` is the file or the command line, `key` the dotted key."""

    exit_code = 2

    def __init__(self, where: str, key: str, message: str) -> None:
        self.where, self.key, self.reason = where, key, message
        place = f"{where}: {key}" if key else where
        super().__init__(f"{place}: {message}")

    @classmethod
    def of_plan(cls, key: str, message: str) -> "ProfileError":
        """The error for a setting of a plan that is realised."""
        return cls("the plan", key, message)


class UnknownName(RevconsoleError):  # noqa: N818  the name says what happened
    """A name of some kind (`scheme`, `dataset`, `profile`, …) that does not exist."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"there is no {kind} {name!r}{nearest(name, self.known)}")


class StoreError(RevconsoleError):
    """The run store, or one run in it, cannot be read or written."""

    exit_code = 4


class NoSuchRun(StoreError):  # noqa: N818  the name says what happened
    """No run answers to the address, or several do."""

    exit_code = 3


class AlreadyClaimed(StoreError):  # noqa: N818  the name says what happened
    """Another process is writing this run."""


class DataUnavailable(RevconsoleError):  # noqa: N818  the name says what happened
    """A dataset or a weights file is missing, damaged or out of reach."""

    exit_code = 4


class DeviceUnavailable(RevconsoleError):  # noqa: N818  the name says what happened
    """A device that a plan names is not on this machine."""

    exit_code = 4
    key = "train.device"


class NotSubmitted(RevconsoleError):  # noqa: N818  the name says what happened
    """Slurm is not here, or refuses a job."""

    exit_code = 4


class WrongState(RevconsoleError):  # noqa: N818  the name says what happened
    """What was asked does not go with the state of a run: it has ended, still trains, or has not finished."""

    exit_code = 2


class OnlyRead(RevconsoleError):  # noqa: N818  the name says what is so
    """A change was asked of a run that lies beside the store, and is only read."""

    exit_code = 2


class NotExported(RevconsoleError):  # noqa: N818  the name says what happened
    """A network cannot be written for others, or would compute something else there."""

    exit_code = 2


class NotInvertible(RevconsoleError):  # noqa: N818  the name says what happened
    """A scheme was asked to reconstruct its streams and has no inverse."""

    exit_code = 2


class NotLoaded(RevconsoleError):  # noqa: N818  the name says what happened
    """Torch, or a library that a model needs, is installed and cannot be imported, or is not installed."""

    exit_code = 4


_why_not_loaded: list[str] = []
"""The first reason: what was imported by halves fails a second time for another, misleading one."""


@contextmanager
def loading() -> Iterator[None]:
    """Around the import of what loads torch. Raises NotLoaded, with the same reason each time.

    Nothing is collected meanwhile: to look at the objects that it makes again and again takes a sixth of its time. Nor is
    what it has made looked at later: a collection took 0.2 s, in which a console answered no key.
    """
    if _why_not_loaded:
        raise NotLoaded(_why_not_loaded[0])
    collected, loaded = gc.isenabled(), "torch" in sys.modules
    gc.disable()
    try:
        yield
    except Exception as error:  # a library that loads may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _why_not_loaded.append(
            f"torch, or a library it needs, cannot be imported here ({reason}); mend the installation, or the "
            "memory that the process may take"
        )
        raise NotLoaded(_why_not_loaded[0]) from error
    finally:
        if "torch" in sys.modules and not loaded:
            gc.freeze()
            atexit.register(
                gc.unfreeze
            )  # or libraries that count what they leave would find all of it
        if collected:
            gc.enable()


class RunFailed(RevconsoleError):  # noqa: N818  the name says what happened
    """A training ended early for a reason its user can act on."""


MOST_SAID = 600
"""Letters of an error that are kept."""


def said(error: Exception) -> str:
    """An error in one line: ours as its sentence, any other with its kind."""
    text = " ".join(str(error).split())
    if (
        len(text) > MOST_SAID
    ):  # what happened is at its end, and what it happened to at its beginning
        text = f"{text[: MOST_SAID // 2]} … {text[-MOST_SAID // 2 :]}"
    return text if isinstance(error, RevconsoleError) else f"{type(error).__name__}: {text}"


MOST_LISTED = 20
"""Names that a sentence can take."""
LEAST_BEGINNING = 5
"""Letters that a name and the nearest one share at least, if they are said to begin alike."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of a sentence about an unknown name: the nearest known one, or all of them if they are few."""
    names, low = sorted(known), name.lower()
    begin = [each for each in names if each.startswith(low[: max(len(low) - 1, LEAST_BEGINNING)])]
    close = get_close_matches(low, begin or names, n=1, cutoff=0.0 if begin else 0.55)
    if close:
        return f"; did you mean {close[0]!r}?"
    if len(names) > MOST_LISTED:
        some = get_close_matches(name.lower(), names, n=3, cutoff=0.0)
        return f"; the nearest of {len(names)} are: {', '.join(some)}"
    return f"; there are: {', '.join(names)}" if names else ""
