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
    """The description of a method, known before it is built.

    `settings` is the model of its whole configuration: no other key is accepted. `defaults` are the model's defaults; a
    method without types and ranges may give `defaults` alone, from which its model is made. A method that does not
    `train` is an existing model: nothing is fitted, and any split may be scored. A method with `runs_code` executes
    what its name says, a program or the code in a model file: it is accepted from a command line, but not from other
    people's files. `accelerated` says whether it computes on the requested device (None: if it is a learned method).
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
    """The cost of predictions that only the method itself can measure, such as that of a program that it starts.

    `ms_per_image` is its wall time divided by the images, start-up included, of calls with `images_per_call` images.
    """

    ms_per_image: float
    images_per_call: int
    peak_memory_mb: float | None = None


Measurements: TypeAlias = Sequence[tuple[int, Mapping[str, float]]]
"""Pairs of a number of training steps and what was measured after them, such as `loss`."""
Track: TypeAlias = Callable[[Measurements], None]


@dataclass
class FitContext:
    """What a method may use while it is fitted.

    `folder` exists and is for its checkpoints alone; with `resume` it continues from the last one found there.
    `progress(done, total, text)` reports progress, `log(text)` writes a line to the run's log, `say(text)` also tells
    the user, and `warn(text)` also adds it to the record. `track(measurements)` writes to the trackers that the run is
    logged to; None without trackers. `stop()` is called between steps: when it returns True the method checkpoints and
    raises KeyboardInterrupt. A resumed method sets `earlier_s` to the seconds of training before its checkpoint.
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
        """The method's description, known before it is built; also an attribute of the class."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The complete configuration: `info.defaults` with what a preset and the user changed."""

    @property
    def chosen(self) -> Mapping[str, Any]:
        """What was chosen on the training samples, for the record; empty before `fit`, or if nothing is chosen."""

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Learn from `train`; `val` is for choices such as early stopping, and may be empty."""

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Segment images, each (H, W) or (H, W, 3) uint8 of any size; one prediction of the same H, W for each."""

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Segment images as `predict` does and, if the method can, add the probabilities of all classes of a
        multi-class task. They are many times as large as label maps, so they are requested only when they are measured.
        """

    def save(self, folder: Path) -> None:
        """Write all that `load` needs into an existing folder."""

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved there, ready to predict on `device`."""

    def parameters(self) -> int | None:
        """Number of trained parameters (0 for a method without any); None where they cannot be counted."""

    @property
    def oracle(self) -> bool:
        """Whether it uses ground truth in this configuration: an upper bound, marked as one and never ranked."""

    def predict_with_truth(self, images: Sequence[Uint8], truths: Sequence[Array]) -> list[Prediction]:
        """Segment images as `predict` does, given their true labels, each (H, W); for an `oracle` alone."""

    @property
    def prediction_settings(self) -> tuple[str, ...]:
        """Settings that affect only prediction, so that they can be changed without fitting again."""

    def predict_as(self, config: Mapping[str, Any]) -> None:
        """Use the prediction settings of another complete configuration than the one it was fitted with."""

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of predicting one image (H, W); None where they are not counted."""

    @property
    def family(self) -> Family:
        """The family under which its results are listed: that of `info`, or what a model card says."""

    def resolved(self, dataset: DatasetInfo) -> Mapping[str, Any]:
        """The configuration with everything filled in that files outside decide: all that the result depends on."""

    @property
    def member_runs(self) -> Sequence[Path]:
        """Folders of the runs whose fitted methods it joins; samples that these were trained on may not be scored."""

    @property
    def member_methods(self) -> Sequence[str]:
        """Names of the methods of these runs, as the configuration gives them; the result depends on their code too."""

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Prepare to predict, for a method that does not train."""

    @property
    def images_per_call(self) -> int | None:
        """Number of images that it should be given at once; None if it does not matter."""

    @property
    def predicts(self) -> PredictionKind:
        """What it predicts in this configuration: label maps, or what other scores are for."""

    def own_cost(self) -> OwnCost | None:
        """The cost of its predictions as it measured it; None if this process can measure time and memory."""


class MethodDefaults:
    """Defaults of a method; `segbench.methods.BaseMethod` is built on them.

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
        """The result of `predict`: label maps alone, for a method without probabilities of several classes."""
        return self.predict(images)

    @classmethod
    def named(cls, rest: str) -> type[Any]:
        """The class of the family's method whose name is `<prefix>:<rest>`. Raises UserError for an unknown one."""
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
        """Folders of the runs whose fitted methods it joins; samples that these were trained on may not be scored."""
        return ()

    @property
    def member_methods(self) -> Sequence[str]:
        """Names of the methods of these runs, as the configuration gives them; the result depends on their code too."""
        return ()

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Become ready to predict without a fit. Raises UserError: only a method that does not train can."""
        del dataset, device
        raise UserError(f"method {self.info.name} is trained before it predicts")

    @property
    def images_per_call(self) -> int | None:
        """Number of images that it should be given at once; None if it does not matter."""
        return None

    @property
    def predicts(self) -> PredictionKind:
        """What it predicts in this configuration."""
        return "maps"

    def own_cost(self) -> OwnCost | None:
        """The cost of its predictions as it measured it."""
        return None

    @property
    def oracle(self) -> bool:
        """Whether it uses ground truth in this configuration: then `predict_with_truth` replaces `predict`."""
        return False

    def predict_with_truth(self, images: Sequence[Uint8], truths: Sequence[Array]) -> list[Prediction]:
        """Segment images as `predict` does, given their true labels. Raises UserError: only an oracle can."""
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
