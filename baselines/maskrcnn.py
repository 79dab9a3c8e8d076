"""Mask R-CNN: objects are found first, then each is cut out; classes of pixels follow from the objects.

torchvision's network proposes boxes, classifies and refines them, and draws a 28x28 mask in each. It learns from
objects, which are made of the labels: every connected component (8 neighbours) of a class is one. In a prediction a
class's probability at a pixel is the largest product of score and mask over its objects there, and the background has
the rest. Touching objects of a class thus count as one, and amorphous classes (road, sky) come as large boxes: where
that does not fit the data, the scores will say so.

The loss is Mask R-CNN's own (proposals, boxes, classes, masks): the setting `loss` is not used.

With `task=instance` the objects themselves are the prediction, with `task=panoptic` the segments that they make. What
was trained once predicts all three (`--weights RUN --set task=instance`). Objects come from one view of the whole
image: `tta` and `window` are for label maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import cv2
import numpy as np
from pydantic import Field

from segbench.errors import UserError
from segbench.methods import LearnedMethod, TrainingConfig
from segbench.methods.training.config import PREDICTION
from segbench.methods.training.method import outputs_of
from segbench.settings import Count
from segbench.text import unknown
from segbench.types import (
    Array,
    ClassInfo,
    DatasetInfo,
    MethodInfo,
    Object,
    Panoptic,
    Prediction,
    PredictionKind,
    Segment,
    Uint8,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

Found: TypeAlias = tuple[ClassInfo, float, Array]
"""An object: its class, its score, its mask (H, W) bool."""
ENCODERS = (
    "mobilenet_v3_large",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
)


class MaskRCNNConfig(TrainingConfig):
    """Training settings plus the network's own."""

    encoder: str = "resnet50"
    """Name of a network of torchvision."""
    weights: Literal["imagenet"] | None = None
    """Weights of the encoder that training starts from; null is random ones."""
    channels: Count = 256
    """Channels of the feature pyramid and of the mask head."""
    box_features: Count = 1024
    """Features of the head that classifies and refines boxes."""
    anchors: Annotated[list[Count], Field(min_length=5, max_length=5)] = Field(default=[32, 64, 128, 256, 512])
    """Side in pixels of the anchors, one for each level of the pyramid."""
    background: Literal["first", "none"] = "first"
    """Whether the first class is what no object covers, or every class has objects; a binary task has its background
    anyway.
    """
    smallest: Count = 16
    """Pixels of the smallest component that is an object."""
    objects: Count = 100
    """Number of objects of an image, the largest, that are learned from and found."""
    proposals: Annotated[int, Field(ge=4)] = 512
    """Number of proposals of an image that boxes and masks are learned from."""
    score_threshold: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Least confidence of a found object."""
    task: Literal["semantic", "instance", "panoptic"] = "semantic"
    """What is predicted: a class for every pixel; objects of the dataset's things with their scores, which may overlap;
    or segments, which may not, of stuff one for each class.
    """
    segment_threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Least confidence of a segment, for task=panoptic."""


class MaskRCNN(LearnedMethod):
    """Mask R-CNN made semantic, as a `segbench` method."""

    info = MethodInfo(
        name="maskrcnn",
        family="learned",
        summary="torchvision's Mask R-CNN on connected components; classes of pixels, objects or segments",
        reference="He, Gkioxari, Dollar, Girshick: Mask R-CNN, 2017",
        settings=MaskRCNNConfig,
        tasks=("binary", "multiclass"),
    )
    prediction_settings = (*PREDICTION, "task", "segment_threshold")
    settings: MaskRCNNConfig

    @property
    def predicts(self) -> PredictionKind:
        """Objects with scores for task=instance, segments for task=panoptic."""
        kinds: Mapping[str, PredictionKind] = {"instance": "objects", "panoptic": "panoptic"}
        return kinds.get(self.settings.task, "maps")

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Label values or probabilities, each image in its own size; objects or segments where they are asked for."""
        if self.predicts == "maps":
            return super().predict(images)
        _, _, dataset = self._fitted()
        found = [self._found(image, dataset) for image in images]
        if self.predicts == "panoptic":
            least = self.settings.segment_threshold
            return [
                Prediction(panoptic=segments(each, image.shape[:2], dataset, least))
                for each, image in zip(found, images, strict=True)
            ]
        return [
            Prediction(objects=tuple(Object(c.id, mask, score) for c, score, mask in each if c.kind == "thing"))
            for each in found
        ]

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """The same with the probabilities of all classes, of label maps."""
        return super().predict_probabilities(images) if self.predicts == "maps" else self.predict(images)

    def _found(self, image: Uint8, dataset: DatasetInfo) -> list[Found]:
        """The objects of an image (H, W) or (H, W, 3), the surest first."""
        import torch

        from segbench.methods.targets import prepare_image
        from segbench.methods.training.networks import reflect_up

        network: Any = self._fitted()[0].eval()
        compute = self._fitted()[1]
        prepared = prepare_image(image, self.settings)
        tensor = compute.move(prepared[None]).permute(0, 3, 1, 2).float() / 255
        first = _first_of_objects(self.settings, outputs_of(dataset))
        with torch.inference_mode(), compute.arithmetic(), compute.autocast():
            (objects,) = network.objects(compute.images(reflect_up(tensor, self.stride(self.settings))))
        down, right = image.shape[0] / prepared.shape[0], image.shape[1] / prepared.shape[1]
        found = []
        for label, score, mask, (x1, y1, x2, y2) in zip(*listed(objects), strict=True):
            whole = np.zeros(image.shape[:2], np.bool_)
            box = (x1 * right, y1 * down, x2 * right, y2 * down)
            rows, columns, placed = place(mask, box, (image.shape[0], image.shape[1]))
            whole[rows, columns] = (placed >= 0.5).cpu().numpy()
            if whole.any():
                found.append((_class_at(dataset, label - 1 + first), score, whole))
        return sorted(found, key=lambda each: -each[1])

    def stride(self, settings: MaskRCNNConfig) -> int:  # noqa: ARG002 (all encoders halve five times)
        """The backbone halves its input five times."""
        return 32

    def build(self, settings: MaskRCNNConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        return build_network(settings, outputs, pretrained=pretrained)


def segments(found: Sequence[Found], shape: tuple[int, ...], dataset: DatasetInfo, least: float) -> Panoptic:
    """Segments of objects that may overlap: the surer one keeps the pixels, and one that keeps less than half has none.

    Those of stuff are merged by class.

    Parameters
    ----------
    found : classes of the dataset, scores in 0..1 and (H, W) bool masks, the surest first.
    shape : height and width of the image.
    dataset : its classes of segments are known by their names; objects of other classes are left out.
    least : the least score.

    References
    ----------
    Kirillov et al., "Panoptic Segmentation", CVPR 2019: how overlaps of instances are resolved.
    """
    categories = {each.name: each.id for each in dataset.segment_classes}
    ids, made, stuff = np.zeros(shape[:2], np.uint32), list[Segment](), dict[int, int]()
    for each, score, mask in found:
        free = mask & (ids == 0)
        if score < least or each.name not in categories or 2 * np.count_nonzero(free) < np.count_nonzero(mask):
            continue
        category = categories[each.name]
        number = stuff.get(category, len(made) + 1)
        if number > len(made):
            made.append(Segment(number, category))
        if each.kind != "thing":
            stuff[category] = number
        ids[free] = number
    return Panoptic(ids, tuple(made))


def _class_at(dataset: DatasetInfo, value: int) -> ClassInfo:
    """The class of a value of the targets."""
    if dataset.task == "binary":
        return next(each for each in dataset.classes if each.id == dataset.foreground)
    return dataset.classes[value]


def _first_of_objects(config: MaskRCNNConfig, outputs: int) -> int:
    """The first value of the targets that objects are made of; torchvision's label 1. Its label 0 is the background."""
    return 1 if outputs == 1 or config.background == "first" else 0


def listed(objects: dict[str, torch.Tensor]) -> tuple[list[int], list[float], torch.Tensor, list[Any]]:
    """Labels, scores, masks (N, M, M) and boxes of what the detector says of an image."""
    masks = objects["masks"][:, 0].float()
    return objects["labels"].tolist(), objects["scores"].tolist(), masks, objects["boxes"].tolist()


def components(target: Uint8, first: int, smallest: int, most: int) -> tuple[Array, Array, Array]:
    """Objects of a label map: the connected components of every value from `first` on, the largest first.

    Parameters
    ----------
    target : (H, W) uint8; 255 belongs to no object.
    first : smaller values are background.
    smallest, most : components of fewer pixels, and those after the `most` largest, are left out.

    Returns
    -------
    values (N,) int64; boxes (N, 4) float32 as x1, y1, x2, y2, the far edges exclusive; masks (N, H, W) uint8.
    """
    found: list[tuple[int, int, tuple[int, int, int, int], Array]] = []
    for value in np.unique(target):
        if value < first or value == 255:
            continue
        count, numbers, table, _ = cv2.connectedComponentsWithStats((target == value).astype(np.uint8), connectivity=8)
        for number in range(1, count):
            x, y, width, height, area = (int(entry) for entry in table[number])
            if area >= smallest:
                found.append((area, int(value), (x, y, x + width, y + height), numbers == number))
    found = sorted(found, key=lambda entry: -entry[0])[:most]
    masks = np.array([mask for *_, mask in found], np.uint8).reshape(-1, *target.shape)
    boxes = np.array([box for _, _, box, _ in found], np.float32).reshape(-1, 4)
    return np.array([value for _, value, *_ in found], np.int64), boxes, masks


def place(mask: torch.Tensor, box: Sequence[float], size: tuple[int, int]) -> tuple[slice, slice, torch.Tensor]:
    """An object's mask in its image: the rows and columns that its box touches, and the mask's values there.

    The mask is interpolated at the centres of the image's pixels, so that boxes need not lie on the pixel grid.

    Parameters
    ----------
    mask : (M, M) in 0..1, which fills the box.
    box : x1, y1, x2, y2 in pixels; pixel k of a row lies between k and k + 1.
    size : height and width of the image.
    """
    import torch
    import torch.nn.functional as F

    x1, y1, x2, y2 = box
    # A box may lie beyond the image, in what was filled up for the network: then nothing of it is left.
    rows = slice(min(size[0], max(0, int(y1))), min(size[0], -int(-y2 // 1)))
    columns = slice(min(size[1], max(0, int(x1))), min(size[1], -int(-x2 // 1)))
    down = torch.arange(rows.start, rows.stop, device=mask.device) + 0.5
    right = torch.arange(columns.start, columns.stop, device=mask.device) + 0.5
    grid = torch.meshgrid(2 * (down - y1) / (y2 - y1) - 1, 2 * (right - x1) / (x2 - x1) - 1, indexing="ij")
    placed = F.grid_sample(mask[None, None], torch.stack(grid[::-1], -1)[None], align_corners=False)
    return rows, columns, placed[0, 0]


def build_network(config: MaskRCNNConfig, outputs: int, *, pretrained: bool = False) -> nn.Module:
    """The network: (B, 1 or 3, H, W) images in 0..1, sides multiples of 32, to (B, outputs, H, W) logits.

    In training its `training_loss` is to be used: Mask R-CNN has logits of boxes, not of pixels.
    """
    import torch
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

    from segbench.methods.training.networks import IMAGENET_MEAN, IMAGENET_STD, NetworkWithLoss

    first = _first_of_objects(config, outputs)

    class Transform(GeneralizedRCNNTransform):  # type: ignore[misc] # torchvision ships no type hints
        """Normalises only: images come in the size that the user chose, and masks are placed one by one."""

        def resize(self, image: Any, target: Any = None) -> Any:
            return image, target

        def postprocess(self, result: Any, *_: Any) -> Any:
            return result

    class Network(NetworkWithLoss):
        def __init__(self) -> None:
            super().__init__()
            classes = 2 if outputs == 1 else outputs + 1 - first
            self.detector = _detector(config, classes, pretrained)
            self.detector.transform = Transform(1, 1, list(IMAGENET_MEAN), list(IMAGENET_STD))

        def training_loss(self, images: torch.Tensor, targets: torch.Tensor, loss: Any) -> torch.Tensor:  # noqa: ARG002
            objects = [self._objects(target) for target in targets]
            losses = self.detector(list(images.expand(-1, 3, -1, -1)), objects)
            total: torch.Tensor = torch.stack([part.float() for part in losses.values()]).sum()
            return total

        def objects(self, images: torch.Tensor) -> list[dict[str, torch.Tensor]]:
            found: list[dict[str, torch.Tensor]] = self.detector(list(images.expand(-1, 3, -1, -1)))
            return found

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = self.objects(images)
            size = (int(images.shape[-2]), int(images.shape[-1]))
            return torch.stack([self._logits(objects, size) for objects in found])

        def _objects(self, target: torch.Tensor) -> dict[str, torch.Tensor]:
            values, boxes, masks = components(target.cpu().numpy(), first, config.smallest, config.objects)
            arrays = {"labels": values - first + 1, "boxes": boxes, "masks": masks}
            return {name: torch.from_numpy(array).to(target.device) for name, array in arrays.items()}

        def _logits(self, objects: dict[str, torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
            device = objects["scores"].device
            things = torch.zeros(outputs if first == 0 else max(outputs - 1, 1), *size, device=device)
            for label, score, mask, box in zip(*listed(objects), strict=True):
                rows, columns, placed = place(mask, box, size)
                window = things[label - 1, rows, columns]
                window.copy_(torch.maximum(window, score * placed))
            things = things.clamp(1e-6, 1 - 1e-6)
            if outputs == 1:
                return things.logit()
            rest = 1 - things.amax(0, keepdim=True)
            return (torch.cat([rest, things]) if first else things).log()

    return Network()


def _detector(config: MaskRCNNConfig, classes: int, pretrained: bool) -> Any:
    """torchvision's Mask R-CNN with a feature pyramid, in the configured sizes."""
    from torch import nn
    from torchvision.models import get_model_builder
    from torchvision.models.detection import MaskRCNN as Network
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
    from torchvision.ops import FrozenBatchNorm2d

    if config.encoder not in ENCODERS:
        raise UserError(unknown("encoder of maskrcnn", config.encoder, ENCODERS))
    # As torchvision does: few large images make a batch, so pretrained statistics are better than the batch's.
    norm = FrozenBatchNorm2d if config.weights else nn.BatchNorm2d
    encoder: Any = get_model_builder(config.encoder)(weights=None, norm_layer=norm)
    if config.weights and pretrained:
        from segbench.methods.training.weights import torchvision_weights

        encoder.load_state_dict(torchvision_weights(config.encoder), strict=False)
    if config.encoder.startswith("mobilenet"):
        encoder = encoder.features
        halving = [number for number, layer in enumerate(encoder) if getattr(layer, "_is_cn", False)]
        levels = [*halving[:-1], len(encoder) - 1]
        names, channels = [str(level) for level in levels], [encoder[level].out_channels for level in levels]
        first = encoder[: halving[0] + 1]
    else:
        names, channels = [f"layer{k}" for k in (1, 2, 3, 4)], [encoder.inplanes // 8 * k for k in (1, 2, 4, 8)]
        first = nn.Sequential(encoder.conv1, encoder.layer1)
    first.requires_grad_(not config.weights)
    width = config.channels
    return Network(
        BackboneWithFPN(encoder, {name: str(level) for level, name in enumerate(names)}, channels, width),
        rpn_anchor_generator=AnchorGenerator(tuple((side,) for side in config.anchors), ((0.5, 1.0, 2.0),) * 5),
        box_head=TwoMLPHead(width * 7 * 7, config.box_features),
        box_predictor=FastRCNNPredictor(config.box_features, classes),
        mask_head=MaskRCNNHeads(width, (width,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(width, width, classes),
        box_batch_size_per_image=config.proposals,
        box_score_thresh=config.score_threshold,
        box_detections_per_img=config.objects,
    )
