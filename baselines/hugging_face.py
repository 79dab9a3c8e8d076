"""`hf:ID_OR_FOLDER`: a segmentation network in transformers' format (`pip install 'segbench[hf]'`).

A folder on disk or an id of the hub; weights are read as safetensors alone, and no code of the repository runs. Images
are prepared by the model's own image processor. A model card (`FOLDER.yaml`, or `--set card=FILE`) says which of its
classes is which of the dataset's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from segbench.errors import UserError
from segbench.io.fingerprints import files_sha256
from segbench.io.text_files import read_json
from segbench.methods.existing.card import ModelCard, labels_of
from segbench.methods.existing.files import check_model_size, loaded, ran
from segbench.methods.existing.method import ExistingMethod, ExistingSettings, existing, missing_extra
from segbench.types import Array, DatasetInfo, Object, Panoptic, Prediction, PredictionKind, Segment, Uint8

if TYPE_CHECKING:
    from segbench.methods.existing.outputs import Outputs

PATTERNS = ("*.json", "*.safetensors", "*.txt")
"""Files that are fetched of a repository: descriptions and weights, no code and no pickles."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_BY_PROCESSOR = ("scale", "mean", "std", "size", "stride")
"""Fields of a card that the model's own image processor says."""


class HuggingFaceSettings(ExistingSettings):
    """What a model of transformers can be told."""

    revision: str | None = None
    """Revision of the hub's repository: a branch, a tag or a commit; null is its main branch."""
    task: Literal["semantic", "instance", "panoptic"] = "semantic"
    """What is predicted: a class for every pixel; or, of models that find masks, objects with scores, or segments."""
    score_threshold: float = 0.0
    """Least confidence of an object, for task=instance."""
    segment_threshold: float = 0.5
    """Least confidence of a segment, for task=panoptic."""


class HuggingFace(ExistingMethod):
    """A network of transformers; `named` gives the method of one folder or id."""

    prefix = "hf"
    adjustable = ("channels", "classes")
    settings: HuggingFaceSettings
    info = existing(
        "hf:<ID_OR_FOLDER>",
        "a segmentation network in Hugging Face transformers' format",
        "Wolf et al.: Transformers, 2020; https://huggingface.co/docs/transformers",
        settings=HuggingFaceSettings,
    )

    _network: Any = None
    _processor: Any = None

    @classmethod
    def short_name(cls, source: str) -> str:
        """The id, or the folder's name."""
        return source if _HUB_ID.fullmatch(source) else super().short_name(source)

    @property
    def predicts(self) -> PredictionKind:
        """Objects with scores for task=instance, segments for task=panoptic."""
        kinds: Mapping[str, PredictionKind] = {"instance": "objects", "panoptic": "panoptic"}
        return kinds.get(self.settings.task, "maps")

    def digest(self) -> str:
        """SHA-256 of its descriptions and weights."""
        return files_sha256(_files(self._folder))

    def class_names(self) -> Mapping[int, str]:
        """What the model calls its classes."""
        named = self._description.get("id2label") or {}
        return {int(index): str(name) for index, name in named.items()} if isinstance(named, dict) else {}

    def known_outputs(self) -> int:
        """The number of labels in its configuration."""
        return int(self._network.config.num_labels)

    def parameters(self) -> int:
        """Values of all weights."""
        return 0 if self._network is None else sum(each.numel() for each in self._network.parameters())

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Label values or probabilities, each image in its own size; objects or segments where they are asked for."""
        if self.predicts == "maps":
            return super().predict(images)
        card, dataset = self._ready()
        if self.predicts == "panoptic":
            return [Prediction(panoptic=self._segments(image, card, dataset)) for image in images]
        return [Prediction(objects=self._objects(image, card, dataset)) for image in images]

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """The same with the probabilities of all classes, of a network that gives logits of pixels."""
        return super().predict_probabilities(images) if self.predicts == "maps" else self.predict(images)

    def outputs_of(self, images: Sequence[Uint8], card: ModelCard) -> list[Outputs]:
        """Logits of a semantic network for images (H, W) or (H, W, 3); maps of classes of one that finds masks."""
        import torch

        from segbench.methods.existing.outputs import Outputs, of_image

        given, sides = self._given(images, card), [(image.shape[0], image.shape[1]) for image in images]
        if not hasattr(given, "logits") or _finds_masks(self._network.config):
            maps = self._image_processor.post_process_semantic_segmentation(given, target_sizes=sides)
            return [Outputs(torch.as_tensor(each).long()) for each in maps]
        whole = card.model_copy(
            update={"size": [8, 8]}
        )  # the processor has resized the image, whatever its proportions
        return [
            of_image(part, whole, (0, 0), side, self.info.name)
            for part, side in zip(given.logits.split(1), sides, strict=True)
        ]

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Multiply-accumulate operations of convolutions, matrix products and attention for one image."""
        from segbench.methods.training.macs import counted_macs

        card, _ = self._ready()
        return counted_macs(lambda: self._given([np.zeros((*shape, 3), np.uint8)], card)) or None

    def _given(self, images: Sequence[Uint8], card: ModelCard) -> Any:
        """What the network returns for images of one size."""
        import torch

        colour = [np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image for image in images]
        if card.channels == "bgr":
            colour = [np.ascontiguousarray(image[..., ::-1]) for image in colour]
        asked = {"task_inputs": [self.settings.task] * len(images)} if self._is_oneformer else {}
        inputs = self._processor(images=colour, return_tensors="pt", **asked)
        inputs = {name: value.to(self._network.device) for name, value in inputs.items() if hasattr(value, "to")}
        inputs.pop("pixel_mask", None)  # images of one size have no borders that were filled up
        with torch.inference_mode():
            return ran(self.info.name, images[0].shape[:2], lambda: self._network(**inputs))

    def _objects(self, image: Uint8, card: ModelCard, dataset: DatasetInfo) -> tuple[Object, ...]:
        """Objects of the dataset's things with their scores, which may overlap."""
        labels = self._labels(card, dataset, thing=True)
        found = masks_of_queries(self._given([image], card), (image.shape[0], image.shape[1]))
        return tuple(
            Object(labels[output], mask, score)
            for output, mask, score in found
            if output in labels and score > self.settings.score_threshold
        )

    def _segments(self, image: Uint8, card: ModelCard, dataset: DatasetInfo) -> Panoptic:
        """Segments of the dataset's classes, of which those of stuff are one for each class."""
        labels, things = self._labels(card, dataset), self._labels(card, dataset, thing=True)
        shape = (image.shape[0], image.shape[1])
        found = self._image_processor.post_process_panoptic_segmentation(
            self._given([image], card),
            target_sizes=[shape],
            threshold=self.settings.segment_threshold,
            label_ids_to_fuse=set(range(self.known_outputs())) - set(things),
        )[0]
        numbers = np.asarray(found["segmentation"].cpu()).astype(np.int64)
        ids, segments = np.zeros(shape, np.uint32), list[Segment]()
        for segment in found["segments_info"]:
            mask = numbers == segment["id"]
            if segment["label_id"] in labels and mask.any():
                segments.append(Segment(len(segments) + 1, labels[segment["label_id"]]))
                ids[mask] = len(segments)
        return Panoptic(ids, tuple(segments))

    def _labels(self, card: ModelCard, dataset: DatasetInfo, *, thing: bool = False) -> dict[int, int]:
        """The label of each output of the model, of a segment that of the panoptic task; of things alone, or of all."""
        if self.predicts == "panoptic":
            dataset = replace(dataset, classes=dataset.segment_classes)
        labels = labels_of(card, dataset, self.known_outputs(), self.info.name, self.class_names())
        things = {each.id for each in dataset.classes if each.kind == "thing"}
        return {output: label for output, label in labels.items() if not thing or label in things}

    @property
    def _image_processor(self) -> Any:
        """What prepares images and reads masks: of OneFormer a part of its processor, beside one of its texts."""
        return getattr(self._processor, "image_processor", self._processor)

    def _load(self, device: str) -> None:
        transformers = _library(self.info.name)
        folder, (card, _) = self._folder, self._ready()
        said = sorted(set(card.said()) & set(_BY_PROCESSOR))
        if said:
            raise UserError(
                f"the card of {self.info.name} says {', '.join(said)}, which its own preprocessor_config.json says. "
                "Leave them out."
            )
        config = loaded(
            "a model of transformers", folder, lambda: transformers.AutoConfig.from_pretrained(**_safe(folder))
        )
        if card.channels == "grey":
            raise UserError(f"the card of {self.info.name} says channels: grey; its image processor takes colour")
        maker = _maker(transformers, config, self.info.name)
        self._processor = loaded("an image processor", folder, lambda: self._read_processor(transformers))
        if self.predicts != "maps" and not hasattr(self._image_processor, "post_process_panoptic_segmentation"):
            raise UserError(
                f"{self.info.name}: {config.model_type} finds no masks. Leave out --set task={self.settings.task}."
            )
        network = loaded("weights", folder, lambda: maker.from_pretrained(use_safetensors=True, **_safe(folder)))
        self._network = network.to(device).eval().requires_grad_(False)  # else operations on weights are not counted

    def _read_processor(self, transformers: Any) -> Any:
        if not self._is_oneformer:
            return transformers.AutoImageProcessor.from_pretrained(**_safe(self._folder))
        # It would fetch a table of classes from the hub, which only a training needs: the configuration names them.
        found = transformers.AutoProcessor.from_pretrained(class_info_file=None, **_safe(self._folder))
        found.image_processor.class_info_file = ""
        return found

    @cached_property
    def _folder(self) -> Path:
        """The folder with the model, fetched from the hub where it is none on disk."""
        folder = Path(self.source)
        folder = folder if folder.is_dir() else self._fetched()
        if not (folder / "config.json").is_file():
            raise UserError(f"'{folder}' has no config.json: it is no model in transformers' format")
        if not any(folder.glob("*.safetensors")):
            others = [
                path.name for path in sorted(folder.iterdir()) if path.suffix in (".bin", ".h5", ".pt", ".msgpack")
            ]
            told = f"it has {others[0]}, which is a pickle or of another library" if others else "it has none"
            raise UserError(
                f"'{folder}': weights are read as safetensors alone, and {told}. Where you trust it, load it once with "
                "transformers and write it again with model.save_pretrained(folder)."
            )
        for path in folder.glob("*.safetensors"):
            check_model_size(path, path.stat().st_size)
        return folder

    @property
    def _is_oneformer(self) -> bool:
        return bool(self._description.get("model_type") == "oneformer")

    @property
    def _description(self) -> Mapping[str, Any]:
        """What the folder says of its model. Raises UserError for a file that says nothing."""
        path = self._folder / "config.json"
        try:
            found = read_json(path)
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"'{path}' cannot be read as the description of a model ({error})") from error
        if not isinstance(found, dict):
            raise UserError(f"'{path}' holds {type(found).__name__}; expected the description of a model")
        return found

    def _fetched(self) -> Path:
        if not _HUB_ID.fullmatch(self.source):
            raise UserError(
                f"hf:{self.source}: there is no such folder; expected one, or an id of the hub (owner/name)"
            )
        from huggingface_hub import snapshot_download

        def fetch() -> str:
            return snapshot_download(self.source, revision=self.settings.revision, allow_patterns=list(PATTERNS))

        try:
            return Path(fetch())
        except Exception as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise UserError(
                f"hf:{self.source}: there is no such folder, and the hub does not give it ({reason}). Fetch it "
                "elsewhere and name the folder."
            ) from error


def masks_of_queries(given: Any, shape: tuple[int, int]) -> list[tuple[int, Array, float]]:
    """Class, mask (H, W) and score of what the queries of a network for masks have found in one image.

    The best pairs of query and class, as many as there are queries, as Mask2Former and OneFormer evaluate instances: a
    score is the class's probability times the mean probability of the mask's pixels. Empty masks are left out.

    Parameters
    ----------
    given : with `class_queries_logits` (1, Q, C + 1), the last for no object, and `masks_queries_logits` (1, Q, h, w).
    shape : height and width of the image.
    """
    import torch

    probabilities = given.class_queries_logits[0].float().softmax(-1)[:, :-1]
    best = probabilities.flatten().topk(len(probabilities))
    logits = torch.nn.functional.interpolate(
        given.masks_queries_logits.float(), shape, mode="bilinear", align_corners=False
    )[0]
    found = []
    for probability, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        query, output = divmod(place, probabilities.shape[1])
        mask = logits[query] > 0
        if mask.any():
            score = probability * float(logits[query][mask].sigmoid().mean())
            found.append((output, np.asarray(mask.cpu()), score))
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file())


def _safe(folder: Path) -> dict[str, Any]:
    """How everything is read: from this folder, and without running code that lies in it."""
    return {"pretrained_model_name_or_path": str(folder), "local_files_only": True, "trust_remote_code": False}


def _library(method: str) -> Any:
    try:
        import transformers
    except ImportError:
        raise missing_extra("transformers", "hf", method) from None
    library: Any = transformers
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


def _finds_masks(config: Any) -> bool:
    """Whether the network's logits are those of masks and not of pixels."""
    architectures = getattr(config, "architectures", None) or [""]
    return "SemanticSegmentation" not in architectures[0]


def _maker(transformers: Any, config: Any, method: str) -> Any:
    """What builds the network of a configuration. Raises UserError for one that segments nothing."""
    makers = (
        transformers.AutoModelForUniversalSegmentation,
        transformers.AutoModelForInstanceSegmentation,
        transformers.AutoModelForSemanticSegmentation,
    )
    for maker in makers if _finds_masks(config) else makers[::-1]:
        if type(config) in maker._model_mapping:
            return maker
    told = ", ".join(getattr(config, "architectures", None) or [config.model_type])
    raise UserError(f"{method}: {told} is no network for segmentation")
