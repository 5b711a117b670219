"""The verbs that people know, `init`, `log` and `finish`, so that one line moves a script over to revconsole.

    import revconsole.recording.verbs as wandb

What a script asks of these names beyond that does nothing, and says so once: no account, no upload, no sweep.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from revconsole.recording.recorded_run import RecordedRun
from revconsole.recording.recording import record

NAME = "WANDB_NAME"
"""Environment variable by which scripts are given a name for their run."""


class GivenConfig(dict[str, Any]):
    """The settings of the run, by key or as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class VerbRun:
    """What `init` returns: `log`, `finish`, `config`, `summary`, `name`, `id`. recorded: the run itself, with all that it can."""

    def __init__(self, recorded: RecordedRun, name: str, config: GivenConfig) -> None:
        self.recorded, self.name, self.config = recorded, name, config
        self.summary: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.recorded.id

    def log(self, data: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Record a table of metrics; one called `epoch` says how many epochs are done, tables in it are flattened."""
        values = dict(_numbers("", data))
        epoch = values.pop("epoch", None)
        self.recorded.log(step, values, epoch=epoch)

    def finish(self, exit_code: int | None = None, **_: Any) -> None:
        """End the run; failed if the exit code is not 0. What `summary` holds is recorded last."""
        if self.summary:
            self.log(self.summary)
        self.recorded.finish(SystemExit(exit_code) if exit_code else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.recorded.finish(error)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing(name)


config = GivenConfig()
run: VerbRun | None = None


def init(
    project: str | None = None,
    *,
    name: str | None = None,
    config: Any = None,
    resume: object = None,
    **_: Any,
) -> VerbRun:
    """Begin a run. project: stands for the name if there is none. config: a table, or what `argparse` gives. resume: see `record`."""
    global run  # noqa: PLW0603  the module is the interface
    if run is not None:
        run.finish()
    called = name or os.environ.get(NAME) or project or Path(sys.argv[0]).stem or "run"
    globals()["config"] = settings = GivenConfig(
        config if isinstance(config, Mapping) else vars(config) if config is not None else {}
    )
    goes_on = resume not in {None, False, "never"}
    run = VerbRun(record(called, settings, resume=goes_on), called, settings)
    return run


def log(data: Mapping[str, Any], step: int | None = None, **options: Any) -> None:
    """Record a table of metrics; begins a run if there is none."""
    (run or init()).log(data, step, **options)


def finish(exit_code: int | None = None, **_: Any) -> None:
    """End the run."""
    global run  # noqa: PLW0603  as above
    if run is not None:
        run.finish(exit_code)
    run = None


def __getattr__(name: str) -> Any:
    """Whatever else a script asks for does nothing."""
    if name.startswith("__"):
        raise AttributeError(name)
    return _nothing(name)


_told: set[str] = set()


def _nothing(name: str) -> Any:
    if name not in _told:
        _told.add(name)
        sys.stderr.write(
            f"revconsole: {name} does nothing here: init, log and finish are recorded\n"
        )
    return lambda *_, **__: None


def _numbers(before: str, data: Mapping[str, Any]) -> Any:
    """The values of a table of any depth, by keys joined by `/`."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _numbers(f"{before}{key}/", value)
        else:
            yield f"{before}{key}", value
