"""The trackers that a run can be logged to. All of them write below the run folder, and none needs a network.

Three are accelerate's; their packages are extras, imported when one is started. What the user's environment says of
where W&B and MLflow write (`WANDB_MODE`, `WANDB_PROJECT`, `MLFLOW_TRACKING_URI`, …) stands.
"""

from __future__ import annotations

import csv
import importlib.util
import logging
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...io.atomic import write_text
from ...text import unknown
from ...types import UserError
from ..record import Record

METRICS_CSV = "metrics.csv"
COLUMNS = ("step", "name", "value")
_STORE = ("mlflow", "sqlalchemy", "alembic")
"""What MLflow needs to write a database itself, where it has no server."""


class Tracker(Protocol):
    """What is asked of accelerate's trackers, and of the one of this module."""

    def store_init_configuration(self, values: dict[str, bool | int | float | str]) -> None:
        """Write the settings of the run."""

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        """Write what was measured after so many steps."""


@dataclass(frozen=True)
class Running:
    """A tracker that writes, the id by which it is gone on with, and what ends it: as failed, or as complete."""

    tracker: Tracker
    identity: str
    end: Callable[[bool], None]


@dataclass(frozen=True)
class Place:
    """Where a tracker writes, and as what: the run's record so far, and the id that it had when it began here."""

    folder: Path
    record: Record
    begun: str | None


def project_of(record: Record) -> str:
    """The name of the project or experiment that a run belongs to."""
    return re.sub(r"[^\w.-]", "-", f"segbench-{record.dataset.name}")


def check_trackers(names: Sequence[str]) -> None:
    """Raise UserError for a tracker that is not known, or whose package is not installed."""
    for name in names:
        if name not in _MAKERS:
            raise UserError(unknown("--log", name, list(_MAKERS)))
        require(name, server=mlflow_uri() is not None)


def require(name: str, *, server: bool) -> None:
    """Raise UserError, with what to install, where a package is missing; MLflow needs less where it has a `server`."""
    modules = {"csv": (), "mlflow": _STORE[:1] if server else _STORE}.get(name, (name,))
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UserError(f"{name}: needs the package {module}. Install it with: pip install 'segbench[{name}]'")


def start(name: str, folder: Path, record: Record, begun: str | None) -> Running:
    """A tracker that has begun to write into `folder`, or goes on with what it had `begun`.

    Raises UserError where it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _MAKERS[name](Place(folder, record, begun))
    except Exception as error:
        raise UserError(f"--log {name}: cannot begin to write ({short(error)})") from error


def where(name: str, folder: Path) -> str:
    """Where a tracker writes, and how to look at it, for people."""
    if name == "csv":
        return str(folder / METRICS_CSV)
    if name == "tensorboard":
        return f"tensorboard --logdir {folder / name}"
    if name == "wandb":
        offline = os.environ.get("WANDB_MODE", "offline") == "offline"
        return f"wandb sync {folder / 'wandb' / 'offline-run-*'}" if offline else "wandb"
    return f"mlflow ui --backend-store-uri {mlflow_uri() or database(folder)}"


def short(error: Exception) -> str:
    """The first line of an error."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def mlflow_uri() -> str | None:
    """Where the user's environment says that MLflow writes; None where it says nothing."""
    return os.environ.get("MLFLOW_TRACKING_URI") or None


def database(folder: Path) -> str:
    """The address of MLflow's database in a folder."""
    return f"sqlite:///{(folder / 'mlflow.db').absolute()}"


def imported_mlflow() -> Any:
    """MLflow, without a line for every table that it makes in a new database, and with nothing sent to its makers."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def tags_of(record: Record) -> dict[str, str]:
    """What marks an MLflow run as one of segbench's."""
    return {"segbench.run_id": record.run_id, "segbench.version": record.environment.segbench}


class CsvTracker:
    """Appends to a table of `step,name,value`; the settings stand in the run's config.yaml."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / METRICS_CSV
        if self._path.is_file():  # half a line that a kill has left is cut off
            os.truncate(self._path, self._path.read_bytes().rfind(b"\n") + 1)
        if not self._path.is_file() or not self._path.stat().st_size:
            write_text(self._path, ",".join(COLUMNS) + "\n")

    def store_init_configuration(self, values: dict[str, bool | int | float | str]) -> None:
        """Write nothing."""
        del values

    def log(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Append a row for each value."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows((step, name, value) for name, value in values.items())


def _csv(place: Place) -> Running:
    return Running(CsvTracker(place.folder), METRICS_CSV, lambda _: None)


def _tensorboard(place: Place) -> Running:
    from accelerate.tracking import TensorBoardTracker

    tracker = TensorBoardTracker("tensorboard", place.folder)
    tracker.start()
    return Running(tracker, "tensorboard", lambda _: tracker.finish())


def _wandb(place: Place) -> Running:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb
    from accelerate import PartialState
    from accelerate.tracking import WandBTracker

    PartialState()  # this tracker, unlike the others, does not see to what accelerate's own logging rests on
    identity = place.begun or uuid.uuid4().hex
    tracker = WandBTracker(
        os.environ.get("WANDB_PROJECT", project_of(place.record)),
        id=identity,
        name=os.environ.get("WANDB_NAME", place.record.run_id),
        dir=os.environ.get("WANDB_DIR", str(place.folder)),
        mode=os.environ.get("WANDB_MODE", "offline"),
        resume="allow",
        # Nothing of the terminal, of the code, or of the repository is taken.
        settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
    )
    tracker.start()
    return Running(tracker, identity, lambda failed: tracker.tracker.finish(exit_code=int(failed)))


def _mlflow(place: Place) -> Running:
    mlflow = imported_mlflow()
    from accelerate.tracking import MLflowTracker

    before, active = mlflow_uri(), mlflow.active_run() is not None
    own = None if before else str(place.folder / "artifacts")
    tracker = MLflowTracker(project_of(place.record), own, place.begun, nested_run=active, run_name=place.record.run_id)

    def end(failed: bool) -> None:
        mlflow.end_run("FAILED" if failed else "FINISHED")
        mlflow.set_tracking_uri(before)

    mlflow.set_tracking_uri(before or database(place.folder))
    try:
        tracker.start()
        mlflow.set_tags(tags_of(place.record))
    except BaseException:  # Ctrl-C too
        mlflow.set_tracking_uri(before)
        raise
    return Running(tracker, str(tracker.tracker.info.run_id), end)


_MAKERS: dict[str, Callable[[Place], Running]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "csv": _csv,
}
