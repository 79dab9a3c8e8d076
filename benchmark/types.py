"""The few types that datasets, methods and metrics are made of. No I/O, no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .errors import UserError
from .settings import Settings, settings_of

Array: TypeAlias = NDArray[Any]
Uint8: TypeAlias = NDArray[np.uint8]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]

__all__ = [
    "RLE",
    "Array",
    "CatchAllLabel",
    "ClassInfo",
    "Dataset",
    "DatasetInfo",
    "Download",
    "FitContext",
    "Float32",
    "Float64",
    "Int64",
    "LabelCoding",
    "Method",
    "MethodDefaults",
    "MethodInfo",
    "Metric",
    "Object",
    "Prediction",
    "Progress",
    "Sample",
    "Samples",
    "ScoreInfo",
    "SplitInfo",
    "Statistic",
    "Uint8",
    "UserError",
]


Part: TypeAlias = Literal["image", "labels", "instances", "objects"]
Task: TypeAlias = Literal["binary", "multiclass"]
Family: TypeAlias = Literal["classical", "learned", "external"]


class Progress(Protocol):
    """Hears how far long work has come: `done` of `total` units, and perhaps a word on it, such as a loss."""

    def __call__(self, done: int, total: int, text: str = "", /) -> None:
        """Show it."""


@dataclass(frozen=True)
class ClassInfo:
    """One class: its label value, name, display colour (R, G, B in 0..255), kind, and category where it has one."""

    id: int
    name: str
    color: tuple[int, int, int]
    kind: Literal["thing", "stuff", "background"] = "stuff"
    category: str = ""


@dataclass(frozen=True)
class SplitInfo:
    """One split: its official number of samples (None where there is no official number) and what it is.

    An `optional` split is not part of every copy. `holds` names the splits that are contained in it.
    """

    official_size: int | None
    summary: str
    labelled: bool = True
    optional: bool = False
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Download:
    """One official file of a dataset: its address, what it must be, and where below the root it belongs.

    `size` in bytes, `sha256` and `md5` are published values, None where none is known: then the SHA-256 of the first
    download is written down and holds from then on. An archive (`extract`) is unpacked into the subfolder `into` ("" is
    the root); `holds` names the entries that are wanted of it, wherever the folder that holds them is (all of it when
    empty). `login` names the account that the server asks for.
    """

    url: str
    filename: str
    summary: str = ""
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    extract: bool = True
    into: str = ""
    holds: tuple[str, ...] = ()
    login: str = ""


@dataclass(frozen=True)
class LabelCoding:
    """A known other way to write a dataset's label values, which `bench doctor` recognises.

    `keys[n]` was written for `labels[n]`, and `rest` stands for every other value. `kind` names the mistake, `what`
    says it in a sentence and `remedy` what to do; where it is `lossy`, what was written does not tell all labels apart.
    """

    kind: str
    what: str
    keys: tuple[int, ...]
    labels: tuple[int, ...]
    rest: int
    remedy: str
    lossy: bool = False


@dataclass(frozen=True)
class CatchAllLabel:
    """A label value that is none of the dataset's, into which `task`, a related one, merges all things."""

    label: int
    name: str
    task: str


@dataclass(frozen=True)
class DatasetInfo:
    """What is true of a dataset before any file is read.

    `classes` are those that are scored. `ignore_label` marks void pixels of the truth. `unscored` are further labels
    with a name: dropped where the truth holds them, and a false negative (never a false positive) where a prediction
    does. `metrics` names the metric families that score it, `object_metrics` those that score predicted objects with
    confidences, `main_score` the score that ranks; `foreground` is the label value of the foreground class of a binary
    dataset. `stacked` says that predictions are kept as one multi-page TIFF, `grey` that images are given as grey ones
    (ITU-R 601 luma of those that are in colour). `pixel_size_um` is (height, width) of one pixel in micrometres.
    `related` names datasets whose published scores stand beside its boards, as theirs.
    `export_formats` names the official forms of predictions, each as `module:class` of a
    `segbench.predictions.export_format.ExportFormat`; `label_codings` are the known other ways to write its labels
    beside those that follow from its class ids, `catch_all` the label into which a related task merges all things.
    """

    name: str
    version: str
    summary: str
    task: Task
    classes: tuple[ClassInfo, ...]
    splits: Mapping[str, SplitInfo]
    default_split: str
    metrics: tuple[str, ...]
    main_score: str
    licence: str
    citation: str
    homepage: str
    layout: str
    aliases: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    ignore_label: int | None = None
    unscored: tuple[ClassInfo, ...] = ()
    object_metrics: tuple[str, ...] = ()
    foreground: int = 1
    stacked: bool = False
    grey: bool = False
    pixel_size_um: tuple[float, float] | None = None
    frames_per_second: float | None = None
    synthesizable: bool = False
    downloads: tuple[Download, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    export_formats: Mapping[str, str] = field(default_factory=dict)
    label_codings: tuple[LabelCoding, ...] = ()
    catch_all: CatchAllLabel | None = None

    @property
    def void(self) -> frozenset[int]:
        """Label values whose pixels are dropped where the truth holds them."""
        own = () if self.ignore_label is None else (self.ignore_label,)
        return frozenset((*own, *(c.id for c in self.unscored)))

    @property
    def predictable(self) -> frozenset[int]:
        """Label values that a prediction may hold on a counted pixel."""
        return frozenset(c.id for c in (*self.classes, *self.unscored))


RLE: TypeAlias = Mapping[str, Any]
"""COCO run-length encoding: `size` [H, W], and `counts` as compressed text or bytes, or as a list of run lengths."""


@dataclass(frozen=True)
class Object:
    """One object of an image, true or predicted.

    label: label value of its class. mask: (H, W) bool, or run-length encoded. score: a prediction's confidence.
    crowd: a true region of several objects; area: the annotated area in pixels where it differs from the mask's.
    """

    label: int
    mask: Array | RLE
    score: float = 1.0
    crowd: bool = False
    area: float | None = None


@dataclass(frozen=True)
class Sample:
    """One image with its truth; parts that were not asked for, or do not exist, are None.

    image: (H, W) or (H, W, 3) uint8. labels: (H, W) integer label values. instances: (H, W) int32 instance numbers by
    the dataset's rule. objects: annotated objects, which may overlap. group: the video, city or stack that the sample
    belongs to; index: its place in the group.
    """

    id: str
    group: str
    index: int
    image: Uint8 | None = None
    labels: Array | None = None
    instances: Array | None = None
    objects: tuple[Object, ...] | None = None


@dataclass(frozen=True)
class Prediction:
    """What a method says of one image: exactly one of labels, probabilities and objects.

    labels: (H, W) integer label values. probabilities: (H, W) float32 in 0..1, the foreground's, for a binary task;
    (C, H, W) float32 in class order for a multi-class one. objects: found objects with their scores, which may
    overlap. instances: (H, W) int32 where there are any.
    """

    labels: Array | None = None
    probabilities: Float32 | None = None
    objects: tuple[Object, ...] | None = None
    instances: Array | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.labels, self.probabilities, self.objects)) != 1:
            raise ValueError("a Prediction holds exactly one of labels, probabilities and objects")


@runtime_checkable
class Dataset(Protocol):
    """A dataset below one root folder: picklable, lazy, random access. Reads only the parts that are asked for.

    `segbench.data.FileDataset` is a base that has a default for every method.
    """

    @property
    def info(self) -> DatasetInfo:
        """What is true of the dataset before any file is read; also an attribute of the class."""

    @property
    def root(self) -> Path:
        """The folder that holds the official layout."""

    @property
    def rule_parts(self) -> tuple[Part, ...]:
        """Further parts that `check_sample` holds against the labels."""

    @property
    def self_defined(self) -> bool:
        """Whether the classes are known only once the root is read: then `info` of the class has none."""

    def definition(self) -> Mapping[str, Any]:
        """JSON values that make the same classes and metrics again without the data, of one that is self-defined."""

    def ids(self, split: str) -> tuple[str, ...]:
        """Sample ids of a split (or of `"all"`: every labelled sample) in their canonical order.

        Raises UserError for a split that does not exist, naming those that do.
        """

    def group(self, sample_id: str) -> str:
        """The video, city or stack of a sample, without reading a pixel."""

    def load(self, sample_id: str, parts: Sequence[Part] = ("image", "labels")) -> Sample:
        """Decode the parts asked for; a missing or corrupt file is a UserError that names it."""

    def files(self, sample_id: str, part: Part) -> tuple[Path, ...]:
        """The files that a part is read from; empty where the part does not exist."""

    def match_prediction(self, path: Path, ids: Sequence[str]) -> str | None:
        """Which of `ids` a prediction file (path relative to the predictions' folder) belongs to, None for none."""

    def decode_prediction(self, values: Array, where: str) -> Prediction:
        """The prediction that a file's raw values mean, of the shape that the file holds.

        Raises UserError for values that mean none; `where` names the file.
        """

    def check(self, progress: Progress | None = None) -> list[str]:
        """Read every file and return one sentence per fault found: decoding, sizes, label values, pairs."""

    def check_counts(self) -> list[str]:
        """One sentence per number of files that differs from the official one; reads no pixels."""

    def check_pairs(self) -> list[str]:
        """One sentence per file without its counterpart, name that is taken twice, and the like; decodes nothing."""

    def check_sample(self, sample: Sample) -> list[str]:
        """One sentence per rule of the dataset's own that a decoded sample breaks; parts of it may be None."""

    def readable(self) -> tuple[str, ...]:
        """Every sample that has labels, also of splits that `ids` refuses because they are not whole."""


class DatasetDefaults:
    """What a dataset has where it says nothing else; `segbench.data.FileDataset` is built on it."""

    rule_parts: ClassVar[tuple[Part, ...]] = ("instances",)
    self_defined: ClassVar[bool] = False

    def ids(self, split: str) -> tuple[str, ...]:
        """Sample ids of a split."""
        raise NotImplementedError

    def check(self, progress: Progress | None = None) -> list[str]:
        """Read every file and return one sentence per fault found."""
        raise NotImplementedError

    def definition(self) -> Mapping[str, Any]:
        """Nothing: `info` is always the same."""
        return {}

    def check_pairs(self) -> list[str]:
        """All that `check` finds, which may decode every file."""
        return self.check()

    def check_sample(self, sample: Sample) -> list[str]:
        """No rules of its own."""
        del sample
        return []

    def readable(self) -> tuple[str, ...]:
        """Every labelled sample."""
        return self.ids("all")


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """Some samples of a dataset as a lazy sequence, each decoded when it is asked for."""

    dataset: Dataset
    ids: tuple[str, ...]
    parts: tuple[Part, ...] = ("image", "labels")

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Samples(self.dataset, self.ids[index], self.parts)
        return self.dataset.load(self.ids[index], self.parts)

    def __iter__(self) -> Iterator[Sample]:
        return (self.dataset.load(sample_id, self.parts) for sample_id in self.ids)


@dataclass(frozen=True)
class MethodInfo:
    """What is true of a method before it is built.

    `settings` is the model of its whole configuration: no other key is accepted. `defaults` are that model's; a method
    without types and ranges may give them instead, and its model is made of them.
    """

    name: str
    family: Family
    summary: str
    reference: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ("binary",)
    settings: type[Settings] = Settings

    def __post_init__(self) -> None:
        if not (isinstance(self.settings, type) and issubclass(self.settings, Settings)):
            expected = "a class that derives from segbench.settings.Settings"
            raise UserError(f"settings of method {self.name} is {self.settings!r}; expected {expected}")
        if self.settings is Settings:
            object.__setattr__(self, "settings", settings_of("Settings", self.defaults))
        else:
            object.__setattr__(self, "defaults", self.settings().model_dump())


@dataclass
class FitContext:
    """What a method may use while it is fitted.

    `folder` is where it keeps checkpoints (exists, belongs to it alone); with `resume` it goes on from the last one
    found there. `progress(done, total, text)` reports, `log(text)` writes a line to the run's log, `warn(text)` also
    puts it in the record; `stop()` is asked between steps: when it says True the method checkpoints and raises
    KeyboardInterrupt. A resumed method sets `earlier_s` to the seconds of training that its checkpoint had taken.
    """

    dataset: DatasetInfo
    device: str
    seed: int
    folder: Path
    resume: bool = False
    workers: int = 0
    earlier_s: float = 0.0
    progress: Progress = lambda *_: None
    log: Callable[[str], None] = lambda *_: None
    warn: Callable[[str], None] = lambda *_: None
    stop: Callable[[], bool] = lambda: False


@runtime_checkable
class Method(Protocol):
    """A segmentation method: built from its configuration, fitted on training samples, then asked for predictions.

    It never sees the truth of the samples that it is scored on. `segbench.methods.BaseMethod` has defaults for what
    only some methods need.
    """

    @property
    def info(self) -> MethodInfo:
        """What is true of the method before it is built; also an attribute of the class."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The complete configuration: `info.defaults` with what a preset and the user changed."""

    @property
    def chosen(self) -> Mapping[str, Any]:
        """What was chosen on the training samples, for the record; empty before `fit` and where nothing is."""

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Learn from `train`; `val` is for choices such as early stopping, and may be empty."""

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Segment images, each (H, W) or (H, W, 3) uint8 of any size; one prediction of the same H, W for each."""

    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder."""

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved there, ready to predict on `device`."""

    def parameters(self) -> int:
        """Number of trained parameters (0 for a method that has none)."""

    @property
    def oracle(self) -> bool:
        """Whether it uses ground truth, as it is configured: an upper bound, marked as one and never ranked."""

    def predict_with_truth(self, images: Sequence[Uint8], truths: Sequence[Array]) -> list[Prediction]:
        """Segment images as `predict` does, each by its true labels (H, W); of an `oracle` alone."""

    @property
    def prediction_settings(self) -> tuple[str, ...]:
        """Settings that change only how it predicts, so that it can be used with others without being fitted again."""

    def predict_as(self, config: Mapping[str, Any]) -> None:
        """Predict with the prediction settings of another whole configuration than it was fitted with."""

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of predicting one image (H, W); None where they are not counted."""


class MethodDefaults:
    """What a method has where it says nothing else; `segbench.methods.BaseMethod` is built on it.

    `prefix` is that of the names of a family of methods (`smp` of `smp:Unet/resnet18`), whose classes `named` makes.
    """

    info: ClassVar[MethodInfo]
    prefix: ClassVar[str] = ""
    prediction_settings: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def named(cls, rest: str) -> type[Any]:
        """The class of the family's method whose name is `<prefix>:<rest>`. Raises UserError for one that is none."""
        raise UserError(f"method {cls.info.name} is no family: there is no '{cls.info.name}:{rest}'")

    @property
    def oracle(self) -> bool:
        """Whether this method, as it is configured, uses ground truth: `predict_with_truth` is then what predicts."""
        return False

    def predict_with_truth(self, images: Sequence[Uint8], truths: Sequence[Array]) -> list[Prediction]:
        """Segment images as `predict` does, each by its true labels (H, W). Raises UserError: only an oracle can."""
        del images, truths
        raise UserError(f"method {self.info.name} uses no ground truth")

    def predict_as(self, config: Mapping[str, Any]) -> None:
        """Take over the `prediction_settings` of `config`. Raises UserError where there are none."""
        del config
        raise UserError(f"method {self.info.name} cannot predict with other settings than it was fitted with")

    def parameters(self) -> int:
        """Number of parameters that are trained by gradient."""
        return 0

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of predicting one image of this height and width; None if not counted."""
        del shape
        return None


@dataclass(frozen=True)
class ScoreInfo:
    """One score: unit, range and direction."""

    name: str
    summary: str
    unit: str = "fraction"
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True


@dataclass(frozen=True)
class Statistic:
    """What one metric keeps of one sample: a small table of int64 or float64 columns of equal length."""

    metric: str
    sample_id: str
    group: str
    index: int
    columns: Mapping[str, Int64 | Float64]


@runtime_checkable
class Metric(Protocol):
    """A metric family: frozen configuration, no state; all state is in the statistics.

    `segbench.metrics.MetricFamily` is a base that has a default for whatever few families need.
    """

    @property
    def name(self) -> str:
        """The family's name; also an attribute of the class, as all that follow."""

    @property
    def version(self) -> str:
        """Raised whenever a score can change; scores of different versions are not compared."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def scores(self) -> tuple[ScoreInfo, ...]:
        """The scores that `compute` returns, in this order."""

    @property
    def columns(self) -> Mapping[str, Literal["int64", "float64"]]:
        """Columns of the statistics and their types."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a sample that `measure` needs."""

    @property
    def releases_gil(self) -> bool:
        """Whether `measure` mostly runs without the interpreter's lock: then samples are measured in threads."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that the family scores."""

    @property
    def takes_void(self) -> bool:
        """Whether it knows a void label."""

    @property
    def hooks(self) -> Mapping[str, str]:
        """What other rooms show of this family alone, `{hook: "module:function"}`; see `segbench.registry.hook`."""

    @property
    def row_lists(self) -> tuple[str, ...]:
        """Lists of its `details` whose items, mappings without others inside, a record writes a line each."""

    def measure(self, sample: Sample, prediction: Prediction, info: DatasetInfo) -> Statistic:
        """The statistic of one sample. Raises UserError naming the sample for a wrong shape or value."""

    def compute(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, float]:
        """All scores of the family; NaN where undefined. Statistics come in id order."""

    def resample(self, statistics: Sequence[Statistic], info: DatasetInfo, weights: Int64) -> dict[str, Float64]:
        """Scores of B resamples at once; weights (B, n) int64 says how often each of the n statistics is drawn."""

    def per_class(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Table {class name: {quantity: value}} in class order; empty for a family that has no classes."""

    def per_category(self, statistics: Sequence[Statistic], info: DatasetInfo) -> dict[str, dict[str, float]]:
        """Table {category name: {quantity: value}}; empty for a family that scores no groups of classes."""

    def details(
        self,
        statistics: Sequence[Statistic],
        info: DatasetInfo,
        scores: Mapping[str, float | None],
        intervals: Mapping[str, tuple[float | None, float | None]],
    ) -> dict[str, Any]:
        """The family's block in a record, under its name: plain values for JSON; empty where scores say all.

        A function of the statistics and of this family's scores with their intervals.
        """


@runtime_checkable
class PredictionSource(Protocol):
    """A prediction on disk: picklable, read where it is measured."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it is made of; the first names it in errors."""

    def read(self, dataset: Dataset) -> Prediction:
        """Decode it."""


def parts_of(metrics: Sequence[Metric]) -> tuple[Part, ...]:
    """The parts of a sample that these metrics need."""
    return tuple(dict.fromkeys(part for metric in metrics for part in metric.parts))
