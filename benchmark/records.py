"""The record of a run and the folder that holds it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .files import write_text
from .types import UserError

SCHEMA_VERSION = 1
RECORD, STATISTICS, LOG, CONFIG = "record.json", "statistics.parquet", "log.txt", "config.yaml"
PREDICTIONS, CHECKPOINT, PLOTS, LOCK = "predictions", "checkpoint", "plots", ".lock"
OWN = frozenset({RECORD, STATISTICS, LOG, CONFIG, PREDICTIONS, CHECKPOINT, PLOTS, LOCK})


# One frame of a film, a mapping without others inside: hundreds of them are read a line each.
_FRAME = re.compile(r'\{\s*"frame": [^{}]*\}')


class _Model(BaseModel):
    # A later version may add keys; what this one does not know is kept, not refused.
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class DatasetBlock(_Model):
    """Which samples were scored, and proof of their content.

    `data_sha256` stands for the truth of the scored samples, `inputs_sha256` for every image and label that was used.
    """

    name: str
    version: str
    split: str
    n: int
    ids_sha256: str
    data_sha256: str
    inputs_sha256: str | None = None
    origin: Literal["real", "synthetic"]
    options: dict[str, Any] = Field(default_factory=dict)
    folds: int | None = None


class MethodBlock(_Model):
    """What was run. `n_train` is the number of labelled samples that it was fitted on (the mean over folds).

    `oracle` marks an upper bound, which was told the truth: it is never ranked.
    """

    name: str
    family: Literal["classical", "learned", "external"]
    config: dict[str, Any] = Field(default_factory=dict)
    preset: str | None = None
    seed: int | None = None
    train_fraction: float | None = None
    n_train: float | None = None
    oracle: bool = False
    chosen: dict[str, Any] = Field(default_factory=dict)


class Score(_Model):
    """One score with its 95 % interval; null where undefined. `resampled` says what the bootstrap drew."""

    value: float | None
    low: float | None
    high: float | None
    unit: str
    higher_is_better: bool
    n: int
    resampled: Literal["groups", "samples"] | None = None


class Cost(_Model):
    """What it cost; null where it was not measured.

    `predict_ms_per_image` is of one image at a time, warm, without decoding; `best_batch` is the number of images
    together that is fastest, with its time per image. `macs_per_image` are multiply-accumulate operations.
    """

    train_s: float | None = None
    predict_ms_per_image: float | None = None
    best_batch: int | None = None
    best_batch_ms_per_image: float | None = None
    macs_per_image: int | None = None
    peak_memory_mb: float | None = None
    parameters: int | None = None
    device: str | None = None


class Environment(_Model):
    """What it ran on."""

    segbench: str
    commit: str | None
    dirty: bool | None
    python: str
    packages: dict[str, str]
    hardware: dict[str, Any]


class Record(_Model):
    """Everything that is known of a run, as `record.json` holds it and `--json` prints it."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    created: str
    complete: bool
    dataset: DatasetBlock
    method: MethodBlock
    metrics: dict[str, str] = Field(default_factory=dict)
    statistics_sha256: str | None = None
    scores: dict[str, Score] = Field(default_factory=dict)
    main_score: str
    per_class: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    per_category: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    cost: Cost = Field(default_factory=Cost)
    environment: Environment
    command: str
    warnings: list[str] = Field(default_factory=list)

    @property
    def details(self) -> dict[str, Any]:
        """Blocks of metric families that have more to tell than scores, by the family's name."""
        return {name: block for name, block in (self.model_extra or {}).items() if name in self.metrics}

    def to_json(self) -> str:
        """The text of `record.json`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
        return _FRAME.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)


def defined(value: float) -> float | None:
    """A number for JSON: null where it is undefined."""
    return None if math.isnan(value) else float(value)


def plain(value: Any) -> Any:
    """A value for JSON: NumPy scalars as Python ones, NaN as None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def read_record(folder: Path) -> Record:
    """The record of a run folder. Raises UserError where there is none or it cannot be read."""
    path = folder / RECORD if folder.is_dir() else folder
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"'{folder}' is no run folder: it has no {RECORD}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as the record of a run ({error}). Expected a run folder.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(f"{path}: has schema version {version}; this version of segbench reads {SCHEMA_VERSION}")
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: '{where}' is wrong: {first['msg']}") from error


def write_record(folder: Path, record: Record) -> None:
    """Write `record.json` atomically."""
    write_text(folder / RECORD, record.to_json())


def run_id(dataset: str, method: str, identity: Mapping[str, Any]) -> str:
    """`<dataset>-<method>-<short hash>`; the hash stands for everything that the result depends on."""
    text = json.dumps(identity, sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", method).strip("-.") or "method"
    return f"{dataset}-{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@contextmanager
def locked(folder: Path, run_id: str) -> Iterator[None]:
    """Keep a run folder to this process while a run is written to it; freed when the process dies.

    Raises
    ------
    UserError
        If another process holds it, or it holds anything but this very run, begun or done: nothing else is ever
        written over.
    """
    refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another run is writing to '{folder}'. Wait for it to end, or choose another folder with --out."
        ) from None
    try:
        earlier_run(folder, run_id)
        yield
    finally:
        lock.release()


def earlier_run(folder: Path, run_id: str) -> Record | None:
    """The record of an earlier run of the same identity in a folder, None where there is none yet."""
    if not (folder / RECORD).is_file():
        return None
    record = read_record(folder)
    if record.run_id != run_id:
        raise UserError(
            f"'{folder}' holds another run ({record.run_id}) than the one asked for ({run_id}): data, method or "
            "settings differ. Choose another folder with --out, or resume that run with its own command."
        )
    return record


def refuse_foreign(folder: Path) -> None:
    """A folder is a run's when it is empty, or has our lock and nothing that a run does not write."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; it is to be a run folder")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in names if name not in OWN and not (name.startswith(".") and name.endswith(".tmp"))]
    if foreign or (names and LOCK not in names):
        raise UserError(
            f"'{folder}' is not empty and no run folder (it holds '{(foreign or names)[0]}'); choose another"
        )
