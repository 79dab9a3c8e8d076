"""`smp:<Architecture>/<encoder>`: all decoders of segmentation_models_pytorch on all its encoders, timm's included.

`smp:Unet/resnet18`, `smp:Segformer/mit_b0`, `smp:UPerNet/tu-convnext_tiny`, `smp:DPT/tu-vit_small_patch16_224` and so
on. Names are the library's, in any case; encoders of timm are written `tu-<name>`. `arguments` are further arguments
of the architecture's class (and of timm's model), such as `--set "arguments={decoder_channels: [64, 32, 16, 8, 4]}"`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from segbench.errors import UserError
from segbench.methods import LearnedMethod, TrainingConfig
from segbench.methods.training.config import Weights, named_file
from segbench.text import unknown
from segbench.types import MethodInfo

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES = (
    "DPT",
    "DeepLabV3",
    "DeepLabV3Plus",
    "FPN",
    "Linknet",
    "MAnet",
    "PAN",
    "PSPNet",
    "Segformer",
    "UPerNet",
    "Unet",
    "UnetPlusPlus",
)
"""The library's architectures, without importing it."""

_OURS = frozenset({"self", "encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params"})
_REFUSALS = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What the libraries raise for an architecture and an encoder that do not fit."""


class SMPConfig(TrainingConfig):
    """Training settings plus the network's own."""

    weights: Weights = Field(default=None, json_schema_extra={"expected": "imagenet, or the path of a run or a file"})
    """Weights that training starts from: imagenet for those of the encoder, or a run or a file as for init; null is
    random ones.
    """
    depth: Literal[3, 4, 5] | None = None
    """Number of times that the encoder halves the image; null is the architecture's own."""
    output_stride: Literal[8, 16, 32] | None = None
    """Distance in pixels of the encoder's last features, kept by dilation; null is the architecture's own."""
    arguments: dict[str, Any] = Field(default={})
    """Further arguments of the architecture's class, and of timm's model."""


class SMPModel(LearnedMethod):
    """A network of segmentation_models_pytorch; `named` gives the method of one architecture and encoder."""

    prefix: ClassVar[str] = "smp"
    architecture: ClassVar[str] = ""
    encoder: ClassVar[str] = ""
    info = MethodInfo(
        name="smp:<Architecture>/<encoder>",
        family="learned",
        summary="any architecture of segmentation_models_pytorch on any encoder, timm's (tu-...) included",
        reference="Iakubovskii: Segmentation Models Pytorch, 2019, https://github.com/qubvel-org/segmentation_models.pytorch",
        settings=SMPConfig,
        tasks=("binary", "multiclass"),
    )

    @classmethod
    def named(cls, rest: str) -> type[SMPModel]:
        """The method `<Architecture>/<encoder>`. Raises UserError with near names."""
        architecture, slash, encoder = rest.partition("/")
        known = {name.lower(): name for name in ARCHITECTURES}
        if architecture.lower() not in known:
            raise UserError(unknown("smp architecture", architecture, ARCHITECTURES))
        if not slash or not encoder:
            raise UserError(f"'smp:{rest}' names no encoder: write smp:{known[architecture.lower()]}/resnet34, say")
        check_encoder(encoder)
        return _method(known[architecture.lower()], encoder)

    def init_file(self) -> str | None:
        """Also a file that `weights` names."""
        return named_file(self.settings, ("imagenet",))

    def stride(self, settings: SMPConfig) -> int:
        """How often the encoder halves; the few that need more fill up inside."""
        depth = settings.depth or (3 if self.architecture == "PSPNet" else 5)
        return 32 if self.architecture == "DPT" else int(min(2**depth, settings.output_stride or 32))

    def build(self, settings: SMPConfig, channels: int, outputs: int, *, pretrained: bool) -> nn.Module:  # noqa: ARG002
        """The network; `channels` may be 1 or 3."""
        arguments = dict(settings.arguments)
        if settings.depth is not None:
            arguments["encoder_depth"] = settings.depth
            if self.architecture == "PSPNet":
                arguments["upsampling"] = 2**settings.depth
        if settings.output_stride is not None:
            arguments["encoder_output_stride"] = settings.output_stride
        weights = settings.weights if pretrained and settings.weights == "imagenet" else None
        return build_network(self.architecture, self.encoder, outputs, weights, arguments)


@cache
def _method(architecture: str, encoder: str) -> type[SMPModel]:
    info = MethodInfo(
        name=f"smp:{architecture}/{encoder}",
        family="learned",
        summary=f"segmentation_models_pytorch: {architecture} on {encoder}",
        reference=SMPModel.info.reference,
        settings=SMPConfig,
        tasks=SMPModel.info.tasks,
    )
    members = {"architecture": architecture, "encoder": encoder, "info": info, "__module__": __name__}
    return type("SMPModel", (SMPModel,), members)


@cache
def check_encoder(name: str) -> None:
    """Raise UserError, with near names, for an encoder that neither smp nor timm has."""
    from segmentation_models_pytorch.encoders import encoders

    if name in encoders:
        return
    import timm

    if name.startswith("tu-"):
        known = timm.list_models()
        if timm.is_model(name.removeprefix("tu-")):
            return
        near = [f"tu-{other}" for other in difflib.get_close_matches(name.removeprefix("tu-"), known, n=3)]
    else:
        near = difflib.get_close_matches(name, encoders, n=3)
        near += [f"tu-{name}"] if timm.is_model(name) else []
    hint = f" Did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
    raise UserError(
        f"Unknown smp encoder '{name}'.{hint} smp has {len(encoders)} of its own ({', '.join(list(encoders)[:4])}, "
        "...) and every model of timm as tu-<name>."
    )


def build_network(
    architecture: str, encoder: str, outputs: int, weights: str | None, arguments: Mapping[str, Any]
) -> nn.Module:
    """An smp network between images in 0..1 and logits of their size.

    Raises
    ------
    UserError
        For an argument that the architecture does not have, an encoder that does not fit it, or weights that cannot be
        fetched.
    """
    from segbench.methods.training.networks import IMAGENET_MEAN, IMAGENET_STD, Segmenter

    check_encoder(encoder)
    _check_arguments(architecture, encoder, arguments)
    looks: Mapping[str, Any] = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    if encoder.startswith("tu-"):
        network = _on_timm(architecture, encoder, outputs, weights, arguments)
        if weights:
            import timm

            looks = vars(timm.get_pretrained_cfg(encoder.removeprefix("tu-")))
    else:
        network = _make(architecture, encoder, outputs, None, arguments)
        if weights:
            from segbench.methods.training.weights import smp_weights

            tensors, looks = smp_weights(encoder)
            network.encoder.load_state_dict(tensors)
    multiple, minimum = _sides(architecture, network)
    return Segmenter(network, multiple=multiple, minimum=minimum, mean=looks["mean"], std=looks["std"])


def _sides(architecture: str, network: Any) -> tuple[int, int]:
    """What an image's sides must be multiples of, and their least length."""
    stride = int(network.encoder.output_stride)
    # DPT halves the transformer's last features once more, and PAN pools them three times.
    return {"DPT": (2 * stride, 1), "PAN": (stride, 8 * stride)}.get(architecture, (stride, 1))


def _make(architecture: str, encoder: str, outputs: int, weights: Any, arguments: Mapping[str, Any]) -> Any:
    import segmentation_models_pytorch as smp

    make = getattr(smp, architecture)
    try:
        return make(encoder_name=encoder, encoder_weights=weights, in_channels=3, classes=outputs, **arguments)
    except _REFUSALS as error:
        raise UserError(f"smp:{architecture}/{encoder} cannot be built: {error}") from error


def _on_timm(architecture: str, encoder: str, outputs: int, weights: str | None, arguments: Mapping[str, Any]) -> Any:
    """A network on a timm encoder that takes images of any size: some have to be told so."""
    weighted: dict[str, Any] = {}
    if weights:
        from segbench.methods.training.weights import timm_file

        weighted = {"pretrained_cfg_overlay": {"file": str(timm_file(encoder.removeprefix("tu-")))}}
    first: UserError | None = None
    for flexible in ({}, {"dynamic_img_size": True}, {"strict_img_size": False}):
        try:
            every = {**flexible, **weighted, **arguments}
            network = _make(architecture, encoder, outputs, True if weights else None, every)
            _try(network, architecture, encoder)
            return network
        except UserError as error:
            first = first or error
    assert first is not None
    raise first


def _try(network: Any, architecture: str, encoder: str) -> None:
    """Run a small image of an uncommon size: an encoder for one size only is found before training begins."""
    import torch

    multiple, minimum = _sides(architecture, network)
    least = max(2 * multiple, minimum)
    images = torch.zeros(1, 3, least, least + multiple, device=next(network.parameters()).device)
    try:
        with torch.no_grad():
            network.eval()(images)
    except _REFUSALS as error:
        raise UserError(
            f"smp:{architecture}/{encoder} does not take images of {least}x{least + multiple} pixels: {error}"
        ) from error
    network.train()


def _check_arguments(architecture: str, encoder: str, arguments: Mapping[str, Any]) -> None:
    """smp passes what it does not know to timm, and drops it without a word where there is no timm."""
    import segmentation_models_pytorch as smp

    known = set(inspect.signature(getattr(smp, architecture).__init__).parameters) - _OURS - {"kwargs"}
    for name in arguments:
        if name in _OURS or (name not in known and not encoder.startswith("tu-")):
            raise UserError(unknown(f"argument of smp:{architecture}/{encoder}", name, known))
