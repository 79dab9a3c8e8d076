"""What changes while a network is trained: where it begins, how it is kept in a checkpoint and taken up again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ...errors import UserError
from ...types import FitContext, Samples
from .augmentation import DRAWS
from .checkpoint import Checkpoint, Tensors
from .config import TrainingConfig
from .transfer import parameter_groups

_NUMBERS = ("step", "score", "best_epoch", "seconds", "cut")
"""What of the state a checkpoint keeps beside tensors and epoch."""
_GROUPS = frozenset({"model", "optimizer", "ema", "best"})


@dataclass
class State:
    """All that changes while training. `score` is the best validation score so far (None: not validated),
    of `best_epoch`. `scaler` is what float16 needs, None where nothing is scaled."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Tensors
    best: Tensors = field(default_factory=dict)
    score: float | None = None
    best_epoch: int = 0
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    cut: bool = False
    scaler: torch.amp.GradScaler | None = None


def initial_state(model: nn.Module, config: TrainingConfig, scaler: torch.amp.GradScaler | None = None) -> State:
    learned = parameter_groups(model, config)
    rate, decay = config.learning_rate, config.weight_decay
    optimizer: torch.optim.Optimizer
    if config.optimizer == "sgd":
        optimizer = torch.optim.SGD(learned, lr=rate, momentum=config.momentum, weight_decay=decay)
    else:
        # With weight decay 0, AdamW is Adam.
        # One pass over the weights instead of a dozen: on a processor half the time of a step.
        on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
        optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=decay, fused=on_cpu or None)
    return State(model, optimizer, weights_of(model) if config.ema else {}, scaler=scaler)


def weights_of(model: nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def load(model: nn.Module, weights: Tensors) -> None:
    """Take weights over; an empty mapping changes nothing."""
    if weights:
        model.load_state_dict(weights)


@torch.no_grad()
def average(ema: Tensors, model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of weights and batch norm statistics, following closely while it is young."""
    current = model.state_dict()
    names = [name for name, tensor in ema.items() if tensor.is_floating_point()]
    young = (1 + step) / (10 + step)
    torch._foreach_lerp_([ema[n] for n in names], [current[n] for n in names], 1 - min(decay, young))


def identity_of(samples: Samples, config: TrainingConfig, context: FitContext) -> dict[str, Any]:
    ids = hashlib.sha256("\n".join(samples.ids).encode()).hexdigest()
    data = {"dataset": context.dataset.name, "dataset version": context.dataset.version, "training ids": ids}
    # How samples are loaded changes nothing, so that a run may resume in another way.
    settings = config.model_dump(exclude={"loading", "cache_gb", "init"})
    return settings | data | {"seed": context.seed, "draws of augmentation": DRAWS}


def checkpoint_of(state: State, identity: dict[str, Any]) -> Checkpoint:
    moments = state.optimizer.state_dict()["state"]
    optimizer = {
        f"{index}/{name}": value for index, slot in moments.items() for name, value in slot.items() if value is not None
    }
    groups = {"model": state.model.state_dict(), "optimizer": optimizer, "ema": state.ema, "best": state.best}
    numbers = {name: getattr(state, name) for name in _NUMBERS}
    if state.scaler is not None:
        numbers["scaler"] = state.scaler.state_dict()
    return Checkpoint(identity, state.epoch, groups, numbers)


def restore(state: State, checkpoint: Checkpoint | None, context: FitContext) -> None:
    """Take up what a checkpoint says. Raises UserError for one that lacks a part."""
    if checkpoint is None:
        context.log("no checkpoint to resume from: training starts at the beginning")
        return
    missing = [*(_GROUPS - checkpoint.tensors.keys()), *(name for name in _NUMBERS if name not in checkpoint.numbers)]
    if missing:
        raise UserError(f"the checkpoint in '{context.folder}' lacks '{missing[0]}'. Delete it to start again.")
    device = next(state.model.parameters()).device
    load(state.model, checkpoint.tensors["model"])
    moments: dict[int, Tensors] = {}
    learned = [weight for group in state.optimizer.param_groups for weight in group["params"]]
    for key, tensor in checkpoint.tensors["optimizer"].items():
        index, name = key.split("/")
        # In the layout of its weights, as fused optimizers expect it.
        like = learned[int(index)]
        moments.setdefault(int(index), {})[name] = torch.empty_like(like).copy_(tensor) if tensor.dim() else tensor
    state.optimizer.load_state_dict(state.optimizer.state_dict() | {"state": moments})
    state.ema = {name: tensor.to(device) for name, tensor in checkpoint.tensors["ema"].items()}
    state.best = {name: tensor.to(device) for name, tensor in checkpoint.tensors["best"].items()}
    state.epoch, numbers = checkpoint.epoch, checkpoint.numbers
    for name in _NUMBERS:
        setattr(state, name, numbers[name])
    # Checkpoints of older versions lack it: then the scale is found again.
    if state.scaler is not None and "scaler" in numbers:
        state.scaler.load_state_dict(numbers["scaler"])
    context.earlier_s = state.seconds
    context.log(f"resumed after epoch {state.epoch}")
