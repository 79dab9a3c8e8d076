"""The interface of a method."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from ..errors import UserError
from ..settings import Settings, refuse_no_model, settings_of
from .arrays import Array, Family, PredictionKind, Progress, Task, Uint8
from .datasets import Samples
from .infos import DatasetInfo
from .samples import Prediction


@dataclass(frozen=True)
class MethodInfo:
    """What is true of a method before it is built.

    `settings` is the model of its whole configuration: no other key is accepted. `defaults` are that model's; a method
    without types and ranges may give them instead, and its model is made of them. One that does not `train` is a model
    that exists: nothing is fitted, and any split may be scored. One that `runs_code` runs what its name says, a program
    or the code in a model file: it is taken from a command line and not from a file of somebody else's. `accelerated`
    says whether it computes on the device that is asked for (None: where it is of the learned ones).
    """

    name: str
    family: Family
    summary: str
    reference: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ("binary",)
    settings: type[Settings] = Settings
    trains: bool = True
    runs_code: bool = False
    accelerated: bool | None = None

    def __post_init__(self) -> None:
        if self.accelerated is None:
            object.__setattr__(self, "accelerated", self.family == "learned")
        refuse_no_model(f"method {self.name}", self.settings)
        if self.settings is Settings:
            object.__setattr__(self, "settings", settings_of("Settings", self.defaults))
        else:
            object.__setattr__(self, "defaults", self.settings().model_dump())


@dataclass(frozen=True)
class OwnCost:
    """What a method has measured of its own predictions, where nobody else can: a program that it starts.

    `ms_per_image` is its wall time divided by the images, start-up included, of calls with `images_per_call` images.
    """

    ms_per_image: float
    images_per_call: int
    peak_memory_mb: float | None = None


Measurements: TypeAlias = Sequence[tuple[int, Mapping[str, float]]]
"""Numbers of steps of a training, each with what was measured after so many, such as `loss`."""
Track: TypeAlias = Callable[[Measurements], None]


@dataclass
class FitContext:
    """What a method may use while it is fitted.

    `folder` is where it keeps checkpoints (exists, belongs to it alone); with `resume` it goes on from the last one
    found there. `progress(done, total, text)` reports, `log(text)` writes a line to the run's log, `say(text)` tells
    the user too, `warn(text)` also puts it in the record. `track(measurements)` writes to the trackers that the run is
    logged to; None where there are none. `stop()` is asked between steps: when it says True the method checkpoints and
    raises KeyboardInterrupt. A resumed method sets `earlier_s` to the seconds of training that its checkpoint had
    taken.
    """

    dataset: DatasetInfo
    device: str
    seed: int
    folder: Path
    resume: bool = False
    workers: int = 0
    earlier_s: float = 0.0
    progress: Progress = lambda *_: None
    say: Callable[[str], None] = lambda *_: None
    log: Callable[[str], None] = lambda *_: None
    warn: Callable[[str], None] = lambda *_: None
    track: Track | None = None
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

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Segment images as `predict` does, and give probabilities of all classes of a multi-class task beside the same
        labels, where the method has some: many times as large as label maps, and so only given when they are measured.
        """

    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder."""

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved there, ready to predict on `device`."""

    def parameters(self) -> int | None:
        """Number of trained parameters (0 for a method that has none); None where nobody can count them."""

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

    @property
    def family(self) -> Family:
        """The family that its results stand in: that of `info`, or what a model card says."""

    def resolved(self, dataset: DatasetInfo) -> Mapping[str, Any]:
        """The configuration with what it says of files outside filled in: all that the result follows from."""

    @property
    def member_runs(self) -> Sequence[Path]:
        """Folders of the runs whose fitted methods it joins: what they have learned from may not be scored."""

    @property
    def member_methods(self) -> Sequence[str]:
        """Names of the methods of these runs, as the configuration says them: a result follows from their code too."""

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Become ready to predict, of a method that does not train."""

    @property
    def images_per_call(self) -> int | None:
        """Number of images that it wants to be given at once; None where that is all the same."""

    @property
    def predicts(self) -> PredictionKind:
        """What it predicts, as it is configured: label maps, or what other scores are for."""

    def own_cost(self) -> OwnCost | None:
        """What it has measured of its predictions itself; None where the time and memory of this process tell it."""


class MethodDefaults:
    """What a method has where it says nothing else; `segbench.methods.BaseMethod` is built on it.

    `prefix` is that of the names of a family of methods (`smp` of `smp:Unet/resnet18`), whose classes `named` makes.
    `filled_in` names the settings that `resolved` fills in from files.
    """

    info: ClassVar[MethodInfo]
    prefix: ClassVar[str] = ""
    prediction_settings: ClassVar[tuple[str, ...]] = ()
    filled_in: ClassVar[tuple[str, ...]] = ()
    config: Mapping[str, Any]

    @abstractmethod
    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Segment images, each (H, W) or (H, W, 3) uint8 of any size; one prediction of the same H, W for each."""

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """What `predict` gives: label maps alone, of a method that has no probabilities of several classes."""
        return self.predict(images)

    @classmethod
    def named(cls, rest: str) -> type[Any]:
        """The class of the family's method whose name is `<prefix>:<rest>`. Raises UserError for one that is none."""
        raise UserError(f"method {cls.info.name} is no family: there is no '{cls.info.name}:{rest}'")

    @classmethod
    def written_from(cls, folder: Path) -> str:
        """The method's name as it is given here, where a path in it was written as seen from `folder`."""
        del folder
        return cls.info.name

    @property
    def family(self) -> Family:
        """The family that its results stand in."""
        return self.info.family

    def resolved(self, dataset: DatasetInfo) -> Mapping[str, Any]:
        """The configuration with the settings of `filled_in`. Raises UserError for a file that cannot be used."""
        del dataset
        return self.config

    @property
    def member_runs(self) -> Sequence[Path]:
        """Folders of the runs whose fitted methods it joins: what they have learned from may not be scored."""
        return ()

    @property
    def member_methods(self) -> Sequence[str]:
        """Names of the methods of these runs, as the configuration says them: a result follows from their code too."""
        return ()

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Become ready to predict without a fit. Raises UserError: only a method that does not train can."""
        del dataset, device
        raise UserError(f"method {self.info.name} is trained before it predicts")

    @property
    def images_per_call(self) -> int | None:
        """Number of images that it wants to be given at once; None where that is all the same."""
        return None

    @property
    def predicts(self) -> PredictionKind:
        """What it predicts, as it is configured."""
        return "maps"

    def own_cost(self) -> OwnCost | None:
        """What it has measured of its predictions itself."""
        return None

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

    def parameters(self) -> int | None:
        """Number of parameters that are trained by gradient."""
        return 0

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of predicting one image of this height and width; None if not counted."""
        del shape
        return None
