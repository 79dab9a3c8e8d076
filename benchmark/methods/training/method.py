"""What all learned methods share: a method is its settings, and a function that builds its network.

No torch is imported here, so that methods can be listed without it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import UserError
from ...types import DatasetInfo, FitContext, MethodInfo, Prediction, Samples, Uint8
from ..base import BaseMethod, with_settings
from ..existing.card import card_of, labels_of, read_card
from .config import PREDICTION, TrainingConfig

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .class_rows import ClassRows
    from .precision import Compute

FILE = "model.safetensors"


class LearnedMethod(BaseMethod):
    """A network trained by `segbench.methods.training.engine`, as a segbench method.

    A subclass says `info`, whose settings extend `TrainingConfig`, `stride` and `build`.
    """

    info: ClassVar[MethodInfo]
    settings: TrainingConfig
    prediction_settings: ClassVar[tuple[str, ...]] = PREDICTION
    filled_in: ClassVar[tuple[str, ...]] = ("init_sha256", "init_classes")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "info" in vars(cls):
            cls.info = with_settings(cls.info, TrainingConfig)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._network: nn.Module | None = None
        self._compute: Compute | None = None
        self._dataset: DatasetInfo | None = None

    @abstractmethod
    def stride(self, settings: Any) -> int:
        """What the sides of the network's input are multiples of."""

    @abstractmethod
    def build(self, settings: Any, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:
        """The network: (B, channels, H, W) images in 0..1, sides multiples of the stride, to (B, outputs, H, W) logits.

        Parameters
        ----------
        settings : of the type `info.settings`.
        channels : 1 for grey input, 3 for colour.
        outputs : 1 (a sigmoid follows) for a binary task, the number of classes (a softmax follows) otherwise.
        pretrained : whether published weights may be fetched; not when a saved network is loaded.
        """

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Learn from `train`; `val` is looked at with `select: best` or `patience` only."""
        import torch

        from .engine import train as train_network
        from .inference import validation_score
        from .precision import Compute

        settings, info = self.settings, context.dataset
        compute = Compute.choose(context.device, settings.precision)
        if settings.precision == "auto":
            context.log(f"precision=auto is {compute.arithmetic_name} on {context.device}")
        stride = self.stride(settings)

        def validate(network: nn.Module) -> float:
            return validation_score(network, val, settings, compute, stride, info)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            network = self._build(info, pretrained=True)
        self._begin_from(network, context)
        outputs = outputs_of(info)
        check = validate if len(val) else None
        network = train_network(network, outputs, train, settings, context, compute, check, stride=stride)
        self._network, self._compute, self._dataset = compute.place(network), compute, info

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Each image in its own size: foreground probabilities of a binary task, else the likeliest label values."""
        return self._predict(images, probabilities=False)

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """The same with the probabilities of all classes."""
        return self._predict(images, probabilities=True)

    def save(self, folder: Path) -> None:
        """Write `model.safetensors`: the weights, with the configuration in its header."""
        from .checkpoint import save_tensors

        network, _, info = self._fitted()
        document = {"method": self.info.name, "config": dict(self.config), "outputs": outputs_of(info)}
        save_tensors(folder / FILE, dict(network.state_dict()), document)

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the method that was saved in `folder`, whatever this one was configured as.

        Raises UserError naming a file that is missing, damaged, or of another method or task.
        """
        from .checkpoint import SavedNetwork, checked, load_tensors
        from .precision import Compute
        from .transfer import freeze

        path = folder / FILE
        weights, document = load_tensors(path)
        saved = checked(SavedNetwork, document, path)
        if saved.method != self.info.name:
            raise UserError(f"'{folder}' holds a saved '{saved.method}', not a '{self.info.name}'")
        if saved.outputs != outputs_of(dataset):
            raise UserError(
                f"'{folder}' was trained for {saved.outputs} output channels; "
                f"'{dataset.name}' needs {outputs_of(dataset)}"
            )
        try:
            self._configure(saved.config)
        except UserError as error:
            raise UserError(f"'{path}': {error}") from None
        network = self._build(dataset, pretrained=False)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"'{path}' does not fit the network of '{self.info.name}': {reason}") from None
        self._compute, self._dataset = Compute.choose(device, self.settings.precision), dataset
        freeze(network, self.settings)
        self._network = self._compute.place(network).eval()

    def predict_as(self, config: Mapping[str, Any]) -> None:
        """Predict with the settings of prediction of another configuration than it was trained with."""
        self._configure({**self.config, **{key: config[key] for key in self.prediction_settings}})

    def parameters(self) -> int:
        """Number of trained parameters; 0 before fitting, since they depend on the dataset's classes."""
        if self._network is None:
            return 0
        return sum(parameter.numel() for parameter in self._network.parameters() if parameter.requires_grad)

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of predicting one image of this height and width, all views and windows.

        None where the network's operations cannot be counted.
        """
        from .macs import macs_of_prediction

        network, _, _ = self._fitted()
        return macs_of_prediction(network, shape, self.settings, self.stride(self.settings))

    def init_file(self) -> str | None:
        """The run or file whose weights training starts from, as the settings name it."""
        return self.settings.init

    @classmethod
    def network_settings(cls, place: Path) -> dict[str, Any]:
        """What the network whose weights lie at `place`, a run or its file, was built by: settings of its own, `input`.

        Empty where that is not said, or there are no weights, of which `resolved` tells.
        """
        from .checkpoint import read_document
        from .transfer import weights_at

        try:
            path = weights_at(place)
        except UserError:
            return {}
        document = read_document(path) if path.suffix.lower() == ".safetensors" else {}
        config = document.get("config")
        if document.get("method") != cls.info.name or not isinstance(config, dict):
            return {}
        of_training = TrainingConfig.model_fields.keys() - {"input"} | {"weights"}
        return {name: config[name] for name in cls.info.defaults if name in config and name not in of_training}

    def published(self) -> tuple[str, Callable[[], dict[str, torch.Tensor]]] | None:
        """Published weights of the whole network that training starts from: what asks for them, and what fetches them.

        None where the settings ask for none.
        """
        return None

    def resolved(self, dataset: DatasetInfo) -> Mapping[str, Any]:
        """The configuration with the SHA-256 of the weights that training starts from, and the content of their class
        map.
        """
        config = dict(self.config)
        place, wanted = self.init_file(), self.settings.init_sha256
        if self.settings.init_classes is not None:
            if place is None and self.published() is None:
                raise UserError("init_classes is given, and no weights of a network are named: --init RUN or FILE")
            config["init_classes"] = self._class_map(dataset)
        if place is None:
            if wanted is not None:
                raise UserError("init_sha256 is given, and no weights are named: --init RUN or FILE")
            return config
        from ...io.fingerprints import file_sha256
        from .transfer import weights_at

        found = file_sha256(weights_at(Path(place)))
        if wanted not in (None, found):
            raise UserError(f"--init {place}: the SHA-256 of its weights is {found}, asked for is {wanted}")
        return {**config, "init_sha256": found}

    def _class_map(self, dataset: DatasetInfo) -> dict[str, int | str]:
        """The class map that the settings name, its keys as text. Raises UserError for one that cannot be used."""
        given = self.settings.init_classes
        if isinstance(given, str):
            card = read_card(Path(given))
            if card.classes is None:
                raise UserError(f"init_classes={given}: this model card has no 'classes'; expected a class per output")
        else:
            card = card_of({"classes": given}, "init_classes")
        classes = card.classes or {}
        labels_of(card, dataset, max(classes, default=0) + 1, "init_classes")
        return {str(output): name for output, name in classes.items()}

    def _begin_from(self, network: nn.Module, context: FitContext) -> None:
        """Give a new network the weights that it starts from, and take frozen ones out of training."""
        from .transfer import begin_from, freeze, read_weights, weights_at

        published, place = self.published(), self.init_file()
        starts = [] if published is None else [(published[0], published[1]())]
        if place is not None:
            starts.append((f"--init {place}", read_weights(weights_at(Path(place)))))
        rows = None if self.settings.init_classes is None else self._class_rows(context.dataset)
        for number, (where, tensors) in enumerate(starts, 1):
            context.say(begin_from(network, tensors, where, rows if number == len(starts) else None))
        freeze(network, self.settings)

    def _class_rows(self, dataset: DatasetInfo) -> ClassRows:
        import torch

        from .class_rows import ClassRows, class_axes

        channels = 1 if self.settings.input == "grey" else 3
        with torch.random.fork_rng(devices=[]):
            axes = class_axes(
                lambda outputs: self.build(self.settings, channels, outputs, pretrained=False), outputs_of(dataset)
            )
        classes = {int(output): name for output, name in self._class_map(dataset).items()}
        return ClassRows(axes, classes, dataset)

    def _predict(self, images: Sequence[Uint8], *, probabilities: bool) -> list[Prediction]:
        from .inference import predict

        network, compute, info = self._fitted()
        stride = self.stride(self.settings)
        return predict(network, images, self.settings, compute, stride, info, probabilities=probabilities)

    def _configure(self, config: Mapping[str, Any]) -> None:
        super()._configure(config)
        self.config = self.settings.model_dump()

    def _build(self, dataset: DatasetInfo, *, pretrained: bool) -> nn.Module:
        from .networks import allow_single_values

        channels = 1 if self.settings.input == "grey" else 3
        network = self.build(self.settings, channels, outputs_of(dataset), pretrained=pretrained)
        if not callable(network):
            raise UserError(
                f"method {self.info.name}: build returned {type(network).__name__}; expected a torch module"
            )
        return allow_single_values(network)

    def _fitted(self) -> tuple[nn.Module, Compute, DatasetInfo]:
        if self._network is None or self._compute is None or self._dataset is None:
            raise UserError(f"this {self.info.name} has no weights yet: fit it, or load a fitted one")
        return self._network, self._compute, self._dataset


def outputs_of(dataset: DatasetInfo) -> int:
    """Channels of logits: 1 for a binary task, else one per class."""
    return 1 if dataset.task == "binary" else len(dataset.classes)
