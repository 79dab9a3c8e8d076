"""Settings that make every network affordable in a test; torch is not imported for them."""

from __future__ import annotations

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "fcn": {"width": 0.0625, "dropout": 0.0},
    "fcn-resnet50": {},
    "parsenet": {"width": 0.0625, "batch_norm": True, "dropout": 0.0},
    "deconvnet": {"width": 0.125, "fc6_side": 1},
    "fpn": {"encoder": "resnet18", "pyramid_channels": 32, "segmentation_channels": 64, "dropout": 0.0},
    "deeplabv3": {
        "library": "smp",
        "encoder": "resnet18",
        "output_stride": 8,
        "rates": [1, 2, 3],
        "head_channels": 32,
        "dropout": 0.0,
    },
    "espnetv2": {"width": 0.5},
    "maskrcnn": {
        "encoder": "mobilenet_v3_large",
        "channels": 16,
        "box_features": 32,
        "anchors": [8, 16, 32, 64, 128],
        "proposals": 16,
        "objects": 4,
    },
    "smp:Unet/resnet18": {"arguments": {"decoder_channels": [32, 16, 16, 8, 8]}},
    "smp:Segformer/mit_b0": {"arguments": {"decoder_segmentation_channels": 32}},
    "torchvision:lraspp_mobilenet_v3_large": {},
}
"""Settings that make each method affordable in a test."""

ONE_STEP: dict[str, Any] = {
    "epochs": 1,
    "iterations_per_epoch": 1,
    "batch_size": 1,
    "size": [32, 32],
    "precision": "fp32",
}
"""Training that does no more than run."""


STEADY = (
    "{base_channels: 2, depth: 1, epochs: 2, iterations_per_epoch: 4, batch_size: 6, crop: 16, tta: none, rotation: 0, "
    "zoom: 0, shift: 0, shear: 0, elastic: 0.0, dropout: 0.0, norm: instance, background_weight: 1.0, loss: bce, "
    "precision: fp32, ema: 0.0}"
)
"""Of a U-Net in a suite: what it learns does not depend on how many processes share a batch, the last one uneven."""
