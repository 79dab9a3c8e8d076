"""The record of a run: all that is known of it, as `record.json` holds it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from .._former_names import former_names
from ..evaluation.scores import Score
from ..io.atomic import write_text
from ..io.documents import Count, Document, without_none
from ..io.text_files import read_json
from ..registry import dataset_class, metrics_named
from ..text import samples_of
from ..types import DatasetInfo, UserError
from .folder import MAX_NAME, RECORD, FolderName
from .migrations import SCHEMA_VERSION, migrated

if not TYPE_CHECKING:  # mypy takes only what is there now
    __getattr__ = former_names(__name__)

DIGESTS = ("evidence", "content_sha256")
"""Keys that bind a record to its content and to the files beside it."""

MAX_STATED = 2**120
"""Largest number of parameters and operations that is read: far more than is possible, and little enough for a float.

What is impossible is read, so that `bench leaderboard --validate` can say so.
"""

Stated = Annotated[int, Field(ge=-MAX_STATED, le=MAX_STATED)]
Measured = Annotated[float, Field(ge=-1e300, le=1e300)]
"""What was measured, little enough for sums of it to be finite."""

# A mapping without others inside.
_LEAF = re.compile(r"\{[^{}]*\}")


class MadeBy(Document):
    """What made synthetic data, as far as its marker says."""

    version: str
    seed: Count


class DatasetBlock(Document):
    """Which samples were scored, and proof of their content.

    `data_sha256` stands for the truth of the scored samples, `inputs_sha256` for every image and label that was used.
    `whole_n` is the size of the whole split, the official one where there is one, of which `n` samples are a part; it
    is left out where they are all. `made_by` is the version and the seed of synthetic data's generator.
    """

    name: str
    version: str
    split: str
    n: Count
    ids_sha256: str
    data_sha256: str
    inputs_sha256: str | None = None
    origin: Literal["real", "synthetic"]
    options: dict[str, Any] = Field(default_factory=dict)
    folds: Annotated[Count, Field(ge=2)] | None = None
    whole_n: Annotated[Count, Field(ge=1)] | None = None
    made_by: MadeBy | None = None

    @property
    def samples(self) -> str:
        """How many samples were scored, and of how many where that is a part."""
        return samples_of(self.n, self.whole_n)

    @model_serializer(mode="wrap")
    def _whole_n_of_a_part(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "whole_n", "made_by")


class MethodBlock(Document):
    """What was run. `n_train` is the number of labelled samples that it was fitted on (the mean over folds), None of a
    model that exists and of predictions from elsewhere.

    The family `human` stands for masks that a person drew, `external` for any other predictions that were made
    elsewhere. `corruption` (`NAME:LEVEL`) was done to the images that it predicted, never to those that it learned
    from; it is left out where they were as they are, as `train_on` is where the split `train` alone was learned from.
    `oracle` marks an upper bound, which uses ground truth: it is
    never ranked.
    """

    name: str
    family: Literal["classical", "learned", "external", "human"]
    config: dict[str, Any] = Field(default_factory=dict)
    preset: str | None = None
    seed: Count | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    train_on: Literal["train+val"] | None = None
    n_train: Annotated[Measured, Field(ge=0)] | None = None
    oracle: bool = False
    corruption: str | None = None
    chosen: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _corruption_where_it_is(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "corruption", "train_on")

    @property
    def from_elsewhere(self) -> bool:
        """Whether only its predictions are known: `bench evaluate` scored them, and no method was run here."""
        return self.family in ("external", "human") and "sha256" not in self.config  # that of a model that exists


class Cost(Document):
    """What it cost; null where it was not measured.

    `train_s` are all seconds of training that the result took: those of runs that are joined, too, and those of a run
    whose weights it started from, which `earlier_train_s` says; that is left out where there are none, or nobody can
    tell. `predict_ms_per_image` is of one image at a time, warm, without decoding; `best_batch` is the number of images
    together that is fastest, with its time per image. `macs_per_image` are multiply-accumulate operations.
    """

    train_s: Measured | None = None
    earlier_train_s: Measured | None = None
    predict_ms_per_image: Measured | None = None
    best_batch: Stated | None = None
    best_batch_ms_per_image: Measured | None = None
    macs_per_image: Stated | None = None
    peak_memory_mb: Measured | None = None
    parameters: Stated | None = None
    device: str | None = None

    @property
    def own_train_s(self) -> float | None:
        """Seconds to fit, less those of trainings that it started from."""
        return None if self.train_s is None else self.train_s - (self.earlier_train_s or 0.0)

    @model_serializer(mode="wrap")
    def _earlier_where_there_is_one(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "earlier_train_s")


class Environment(Document):
    """What it ran on.

    `code_sha256` is a hash of the code that can change the result, of plugins too. `counting` says what counted and
    decoded label maps, which changes no result.
    """

    segbench: str
    commit: str | None
    dirty: bool | None
    code_sha256: str | None = None
    python: str
    packages: dict[str, str]
    counting: str | None = None
    hardware: dict[str, Any]

    @model_serializer(mode="wrap")
    def _where_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "code_sha256", "counting")


class Record(Document):
    """Everything that is known of a run, as `record.json` holds it and `--json` prints it.

    `class_intervals` has by class the ends of the 95 % interval of each score in `per_class`, `iou_low` and `iou_high`,
    and `units`, how many of what is drawn (samples or groups) truly hold it; it is left out where there are none, as in
    records of earlier versions.

    `evidence` are fingerprints of the files and folders beside the record, and `content_sha256` is one of all that it
    says. A record that has not finished, or is older than these fingerprints, has none: its content is not bound.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: FolderName
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
    class_intervals: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    cost: Cost = Field(default_factory=Cost)
    environment: Environment
    command: str
    warnings: list[str] = Field(default_factory=list)
    evidence: dict[str, str] | None = None
    content_sha256: str | None = None

    @model_serializer(mode="wrap")
    def _bound_where_it_is(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = without_none(handler(self), *DIGESTS)
        return {key: value for key, value in written.items() if value or key != "class_intervals"}

    @property
    def content_bound(self) -> bool:
        """Whether it says a digest of its content."""
        return self.content_sha256 is not None

    @property
    def started_elsewhere(self) -> bool:
        """Whether its network started from weights whose training its time to fit leaves out, since nobody told it."""
        config = self.method.config
        given = bool(config.get("init") or config.get("weights"))
        return self.fitted and given and self.cost.earlier_train_s is None

    @property
    def fitted(self) -> bool:
        """Whether a method was fitted for it, rather than one run that exists, or predictions scored."""
        return self.method.family not in ("external", "human") and self.method.n_train is not None

    @property
    def main(self) -> Score | None:
        """The main score; None where it was not computed."""
        return self.scores.get(self.main_score)

    @property
    def main_value(self) -> float | None:
        """The main score's value; None where it is undefined or was not computed."""
        return None if self.main is None else self.main.value

    @property
    def details(self) -> dict[str, Any]:
        """Blocks of metric families that have more to tell than scores, by the family's name."""
        return {name: block for name, block in (self.model_extra or {}).items() if name in self.metrics}

    @property
    def root(self) -> Path | None:
        """The folder of the data, as the command names it; None where it names none."""
        words = _words(self.command)
        return Path(words[words.index("--root") + 1]) if "--root" in words[:-1] else None

    @property
    def made_by(self) -> str:
        """The command that made the run, without its options: `bench run` or `bench evaluate`."""
        return "bench evaluate" if _words(self.command)[1:2] == ["evaluate"] else "bench run"

    def command_in(self, folder: Path, *more: str) -> str:
        """The command line that makes the run again where it lies, with further options."""
        words = _words(self.command)
        where = [] if "--out" in words else ["--out", str(folder)]
        return shlex.join([*words, *where, *more])

    def to_json(self) -> str:
        """The text of `record.json`."""
        return self.laid_out(self.model_dump(mode="json"))

    def laid_out(self, content: Mapping[str, Any]) -> str:
        """The text of a `record.json` with this content, which has the blocks of this record."""
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        return _on_one_line(text, self._row_lists())

    def _row_lists(self) -> list[str]:
        """Names of the lists in blocks of metric families whose items are written a line each."""
        return [name for family in metrics_named(self.details).values() for name in family.row_lists]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # somebody wrote it by hand
        return command.split()


def _on_one_line(text: str, lists: Sequence[str]) -> str:
    """JSON in which every item of the lists of these names, mappings without others inside, stands on one line."""
    if not lists:
        return text
    rows = rf"\s*{_LEAF.pattern}(?:,\s*{_LEAF.pattern})*\s*"
    table = re.compile(rf'"(?:{"|".join(map(re.escape, lists))})": \[{rows}\]')

    def flat(row: re.Match[str]) -> str:
        return re.sub(r"\s*\n\s*", " ", row[0])

    return table.sub(lambda found: _LEAF.sub(flat, found[0]), text)


def read_record(folder: Path) -> Record:
    """The record of a run folder (or of its `record.json`); one of an older schema is brought to today's.

    Raises
    ------
    UserError
        Where there is none, it cannot be read, or a newer segbench wrote it.
    """
    path = folder / RECORD if folder.is_dir() else folder
    content = read_content(path)
    try:
        return Record.model_validate(migrated(content))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: '{where}' is wrong: {first['msg']}") from error


def read_content(path: Path) -> Any:
    """The JSON of a `record.json` as it was written.

    Raises
    ------
    UserError
        Where there is none, or it cannot be read.
    """
    try:
        return read_json(path)
    except FileNotFoundError:
        folder = path.parent if path.name == RECORD else path
        raise UserError(f"'{folder}' is no run folder: it has no {RECORD}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as the record of a run ({error}). Expected a run folder.") from error


def write_record(folder: Path, record: Record) -> None:
    """Write `record.json` atomically."""
    write_text(folder / RECORD, record.to_json())


def run_id_of(dataset: str, method: str, identity: Mapping[str, Any]) -> str:
    """`<dataset>-<method>-<short hash>`; the hash stands for everything that the result depends on."""
    text = json.dumps(identity, sort_keys=True, default=str)
    start = f"{_plain(dataset) or 'dataset'}-{_plain(method) or 'method'}"[: MAX_NAME - 9]
    return f"{start}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")


def told_in_details(record: Record) -> set[str]:
    """Names of the scores that a block of their family shows in a table of its own."""
    return {score.name for family in metrics_named(record.details).values() for score in family.scores}


def recorded_info(block: DatasetBlock) -> DatasetInfo:
    """The info of a record's dataset, with the classes that the dataset had when the record was made."""
    cls = dataset_class(block.name)
    definition = (block.model_extra or {}).get("definition")
    info: DatasetInfo = cls.info
    if isinstance(definition, dict) and cls.self_defined:
        info = cls.info_of(definition)
    return info
