"""TensorBoard: an event file in a folder of the run; `tensorboard --logdir FOLDER` shows it."""

from collections.abc import Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from revconsole.lab.trackers.tracker import SentPoint, settings
from revconsole.recording.artifacts import file_name
from revconsole.records.runs.run import Run


def begin(run: Run, place: str) -> "EventFile":
    """The event file of a run. place: the folder that TensorBoard is given; ./tensorboard if empty."""
    called = file_name(f"{run.summary.name}-{run.id}")
    return EventFile(run, Path(place or "tensorboard").absolute() / called)


class EventFile:
    """One event file more in the folder of a run, which TensorBoard reads as one run."""

    def __init__(self, run: Run, path: Path) -> None:
        known = any(path.glob("*tfevents*"))
        self.where, self._writer = str(path), EventFileWriter(str(path))
        if not known:
            created = run.summary.created
            given = hparams_pb(settings(run), trial_id=run.id, start_time_secs=created)
            self._writer.add_event(Event(wall_time=created, summary=given))

    def send(self, points: Sequence[SentPoint]) -> None:
        """Write scalars under the names of the metrics."""
        for point in points:
            scalar = Summary(value=[Summary.Value(tag=point.metric, simple_value=point.value)])
            event = Event(wall_time=point.wall, step=point.step, summary=scalar)
            self._writer.add_event(event)
        self._writer.flush()

    def close(self, run: Run) -> None:  # noqa: ARG002  an event file has no states
        """Force the file to the disk."""
        self._writer.close()
