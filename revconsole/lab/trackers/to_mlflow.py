"""MLflow: a run of an experiment, on the server that MLFLOW_TRACKING_URI names."""

from collections.abc import Sequence
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from revconsole.lab.trackers.tracker import SentPoint, settings
from revconsole.records.runs.run import Run

EXPERIMENT = "revconsole"
OURS = "revconsole.run"
"""The tag by which a run is found again."""
MOST_METRICS, MOST_SETTINGS = 1000, 100
"""Most metrics and settings that MLflow takes at once."""
ENDS = {"finished": "FINISHED", "failed": "FAILED"}


def begin(run: Run, place: str) -> "MlflowRun":
    """The run in an experiment; place: its name, revconsole if empty."""
    client, name = MlflowClient(), place or EXPERIMENT
    known = client.get_experiment_by_name(name)
    experiment = known.experiment_id if known else client.create_experiment(name)
    found = client.search_runs([experiment], f"tags.`{OURS}` = '{run.id}'", max_results=1)
    if found:
        return MlflowRun(client, found[0].info.run_id, name)
    made = client.create_run(
        experiment,
        start_time=round(1000 * run.summary.created),
        tags={OURS: run.id, **dict.fromkeys(run.summary.tags, "")},
        run_name=run.summary.name,
    )
    given = [Param(key, value) for key, value in settings(run).items()]
    for start in range(0, len(given), MOST_SETTINGS):
        client.log_batch(made.info.run_id, params=given[start : start + MOST_SETTINGS])
    return MlflowRun(client, made.info.run_id, name)


class MlflowRun:
    """A run as MLflow keeps it."""

    def __init__(self, client: Any, run_id: str, experiment: str) -> None:
        self._client, self._id = client, run_id
        self.where = f"experiment {experiment}, run {run_id}"

    def send(self, points: Sequence[SentPoint]) -> None:
        """Log the values, as many at once as MLflow takes."""
        for start in range(0, len(points), MOST_METRICS):
            some = points[start : start + MOST_METRICS]
            metrics = [Metric(p.metric, p.value, round(1000 * p.wall), p.step) for p in some]
            self._client.log_batch(self._id, metrics=metrics)

    def close(self, run: Run) -> None:
        """Say how the run ended, if it has."""
        if run.summary.ended:
            self._client.set_terminated(self._id, ENDS.get(run.summary.state, "KILLED"))
