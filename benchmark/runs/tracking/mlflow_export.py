"""A finished run as a run of MLflow: settings as parameters; scores, cost and logged curves as metrics; its files."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...types import UserError
from ..folder import CONFIG, INSTANCES, LOG, PLOTS, RECORD, SIGNATURE, STATISTICS, TRACKING
from ..record import Record
from .trackers import METRICS_CSV, database, imported_mlflow, mlflow_uri, project_of, require, short, tags_of
from .values import results_of, settings_of

_FILES = (RECORD, SIGNATURE, STATISTICS, CONFIG, LOG, INSTANCES, PLOTS)
"""What becomes an artifact. Weights and predictions stay where they are: they may be gigabytes."""
_METRICS_AT_ONCE, _PARAMETERS_AT_ONCE, _LONGEST = 1000, 100, 6000
"""What MLflow takes in one call, and characters of a parameter's value."""
_DIGEST = "segbench.content_sha256"


@dataclass(frozen=True)
class MlflowRun:
    """Where a run went, and by which id. `new` says that it was not there before."""

    uri: str
    run_id: str
    new: bool


def export_to_mlflow(folder: Path, record: Record, out: Path | None) -> MlflowRun:
    """Write a finished run to MLflow, once: a run that is there as it is now is not written again.

    It goes to a database in `out`; without that to where `MLFLOW_TRACKING_URI` says, or to a database in this folder.

    Raises
    ------
    UserError
        Where MLflow is not installed, or cannot be written to.
    """
    if out is not None and out.exists() and not out.is_dir():
        raise UserError(f"--out '{out}' is a file; of MLflow it is a folder, for its database and its artifacts")
    require("mlflow", server=out is None and mlflow_uri() is not None)
    mlflow = imported_mlflow()
    place = out or Path()
    uri = (mlflow_uri() if out is None else None) or database(place)
    artifacts = None if uri == mlflow_uri() else (place / "mlartifacts").absolute().as_uri()
    place.mkdir(parents=True, exist_ok=True)
    try:
        client = mlflow.MlflowClient(uri)
        experiment = _experiment(client, project_of(record), artifacts)
        there = _there(client, experiment, record)
        found = there or _written(client, experiment, folder, record)
    except Exception as error:
        raise UserError(f"MLflow at {uri} cannot be written to ({short(error)})") from error
    return MlflowRun(uri, found, there is None)


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name, artifacts) if found is None else found.experiment_id)


def _there(client: Any, experiment: str, record: Record) -> str | None:
    """The id of the run that was written of this very record, where one was written whole."""
    said = _tags(record)
    wanted = " and ".join(f"tags.`{name}` = '{said[name]}'" for name in ("segbench.run_id", _DIGEST))
    found = client.search_runs([experiment], f"{wanted} and attributes.status = 'FINISHED'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _tags(record: Record) -> dict[str, str]:
    complete = str(record.complete).lower()
    return {
        **tags_of(record),
        "segbench.complete": complete,
        _DIGEST: str(record.content_sha256 or record.statistics_sha256),
    }


def _written(client: Any, experiment: str, folder: Path, record: Record) -> str:
    """The id of a new run with all that is known of it."""
    from mlflow.entities import Metric, Param

    begun = int(datetime.datetime.fromisoformat(record.created).timestamp() * 1000)
    ended = begun + int(1000 * (record.cost.own_train_s or 0))
    run: str = client.create_run(experiment, begun, _tags(record), record.run_id).info.run_id
    parameters = [Param(name, str(value)[:_LONGEST]) for name, value in settings_of(record).items()]
    for start in range(0, len(parameters), _PARAMETERS_AT_ONCE):
        client.log_batch(run, params=parameters[start : start + _PARAMETERS_AT_ONCE])
    curves = list(_curves(folder / TRACKING / METRICS_CSV))
    last = max((step for _, step, _ in curves), default=0)
    values = [*curves, *((name, last, value) for name, value in results_of(record).items())]
    metrics = [Metric(name, value, ended, step) for name, step, value in values]
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        client.log_batch(run, metrics=metrics[start : start + _METRICS_AT_ONCE])
    for name in _FILES:
        if (folder / name).is_dir():
            client.log_artifacts(run, str(folder / name), name)
        elif (folder / name).is_file():
            client.log_artifact(run, str(folder / name))
    client.set_terminated(run, "FINISHED", ended)
    return run


def _curves(path: Path) -> Iterator[tuple[str, int, float]]:
    """Name, step and value of what was logged of the training, where it was logged to a CSV file."""
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if not row["name"].startswith(("scores/", "cost/")):
                    yield row["name"], int(row["step"]), float(row["value"])
