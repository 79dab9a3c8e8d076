"""`torchvision:<name>`: every semantic segmentation network of torchvision, its backbone pretrained or not.

`torchvision:lraspp_mobilenet_v3_large`, `torchvision:deeplabv3_resnet101` and so on; the names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from segbench.errors import UserError
from segbench.methods import LearnedMethod, TrainingConfig
from segbench.methods.training.config import Weights, named_file
from segbench.settings import NonNegative
from segbench.text import unknown
from segbench.types import MethodInfo

if TYPE_CHECKING:
    import torch
    from torch import nn

NAMES = (
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet101",
    "deeplabv3_resnet50",
    "fcn_resnet101",
    "fcn_resnet50",
    "lraspp_mobilenet_v3_large",
)
"""What `torchvision.models.list_models(torchvision.models.segmentation)` says, without importing torch."""


class TorchvisionConfig(TrainingConfig):
    """Training settings plus the network's own."""

    auxiliary: NonNegative = 0.0
    """Weight of an auxiliary head's loss; 0 is no such head."""
    weights: Weights = Field(
        default=None, json_schema_extra={"expected": "imagenet, coco, or the path of a run or a file"}
    )
    """Weights that training starts from: imagenet for those of the backbone, coco for those of the whole network on the
    classes of VOC (its last layer where there are as many, or through init_classes), or a run or file as for init;
    null is random ones.
    """


class TorchvisionModel(LearnedMethod):
    """A network of `torchvision.models.segmentation`; `named` gives the method of one of them."""

    prefix: ClassVar[str] = "torchvision"
    settings: TorchvisionConfig
    model: ClassVar[str] = ""
    info = MethodInfo(
        name="torchvision:<name>",
        family="learned",
        summary="any network of torchvision.models.segmentation",
        reference="torchvision: https://docs.pytorch.org/vision/stable/models.html#semantic-segmentation",
        settings=TorchvisionConfig,
        tasks=("binary", "multiclass"),
    )

    @classmethod
    def named(cls, rest: str) -> type[TorchvisionModel]:
        """The method of the torchvision network of this name. Raises UserError with near names."""
        if rest.lower() not in NAMES:
            raise UserError(unknown("torchvision network", rest, NAMES))
        return _method(rest.lower())

    def init_file(self) -> str | None:
        """Also a file that `weights` names."""
        return named_file(self.settings, ("imagenet", "coco"))

    def published(self) -> tuple[str, Callable[[], dict[str, torch.Tensor]]] | None:
        """Those of the whole network on VOC's classes, with weights=coco."""
        if self.settings.weights != "coco":
            return None
        from segbench.methods.training.weights import torchvision_weights

        return "weights=coco", partial(torchvision_weights, self.model, "COCO_WITH_VOC_LABELS_V1")

    def stride(self, settings: TorchvisionConfig) -> int:  # noqa: ARG002 (these networks take any size)
        """Sides that are multiples of 8 give features that cover the image evenly."""
        return 8

    def build(self, settings: TorchvisionConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        return build_network(self.model, settings, outputs, pretrained=pretrained)


@cache
def _method(name: str) -> type[TorchvisionModel]:
    info = MethodInfo(
        name=f"torchvision:{name}",
        family="learned",
        summary=f"torchvision's {name}",
        reference=TorchvisionModel.info.reference,
        settings=TorchvisionConfig,
        tasks=TorchvisionModel.info.tasks,
    )
    return type("TorchvisionModel", (TorchvisionModel,), {"model": name, "info": info, "__module__": __name__})


def build_network(name: str, config: TorchvisionConfig, outputs: int, *, pretrained: bool = False) -> nn.Module:
    """torchvision's network of this name between images in 0..1 and logits of their size.

    Raises UserError for a network without such weights.
    """
    from torchvision.models import get_model

    from segbench.methods.training.networks import torchvision_segmenter

    auxiliary = config.auxiliary > 0
    if auxiliary and name.startswith("lraspp"):
        raise UserError(f"torchvision's {name} has no auxiliary head: set auxiliary=0")
    network: Any = get_model(name, weights=None, weights_backbone=None, num_classes=outputs, aux_loss=auxiliary)
    if pretrained and config.weights == "imagenet":
        from segbench.methods.training.weights import torchvision_weights

        weights = torchvision_weights(name.split("_", 1)[1])
        # A MobileNet's backbone is what its classifier calls features.
        weights = {key.removeprefix("features."): tensor for key, tensor in weights.items()}
        network.backbone.load_state_dict({key: weights[key] for key in network.backbone.state_dict()})
    return torchvision_segmenter(network, config.auxiliary)
