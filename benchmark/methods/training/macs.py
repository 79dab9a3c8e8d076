"""The number of multiply-accumulate operations (MACs) of a prediction."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...errors import UserError
from .config import TrainingConfig
from .inference import averaged_views
from .precision import Compute


def macs_of_prediction(network: nn.Module, shape: tuple[int, int], config: TrainingConfig, stride: int) -> int | None:
    """Multiply-accumulate operations of one image's prediction: all views, all windows, what is padded included.

    They are those of convolutions, matrix products and attention; a product and its sum are one operation. The network
    is run on the meta device, where shapes are computed and numbers are not.

    Parameters
    ----------
    shape : (height, width) of the image, used where `config.size` names none.

    Returns
    -------
    None for a network whose operations depend on the numbers themselves.
    """
    height, width = config.size or shape
    images = torch.empty(1, 1 if config.input == "grey" else 3, height, width, device="meta")
    compute = Compute(torch.device("meta"), torch.float32)
    return counted_macs(
        lambda: averaged_views(copy.deepcopy(network).to("meta").eval(), images, config, compute, stride)
    )


def counted_macs(run: Callable[[], object]) -> int | None:
    """Multiply-accumulate operations of what is run; None where an operation cannot be counted, or run in this way."""
    try:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            run()
    except (RuntimeError, NotImplementedError, TypeError, AttributeError, UserError):
        return None
    return int(counter.get_total_flops()) // 2
