"""One training loop for every learned method: plain PyTorch, one device, resumable to the bit at epoch borders."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import UserError
from ..types import FitContext, Samples
from .augmentation import DRAWS, ViewKey, augment
from .checkpoint import Checkpoint, Tensors, discard_checkpoint, load_checkpoint, save_checkpoint
from .compute import Compute
from .config import TrainingConfig
from .loading import PairLoader, loader
from .losses import Loss, make_loss
from .schedule import Pace, learning_rate_factor

Validate = Callable[[nn.Module], float]
"""Scores a model on the validation samples; higher is better."""

_REPORT_SECONDS = 0.5


@dataclass
class State:
    """All that changes while training. `score` is the best validation score so far (None: not validated)."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Tensors
    best: Tensors = field(default_factory=dict)
    score: float | None = None
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    cut: bool = False


def train(
    model: nn.Module,
    samples: Samples,
    config: TrainingConfig,
    context: FitContext,
    compute: Compute,
    validate: Validate | None = None,
) -> nn.Module:
    """Fit a model that maps (B, C, H, W) images in 0..1 to (B, H, W) logits.

    Every epoch's samples and dropout follow from (seed, epoch) alone, and each view of a sample from (seed, epoch,
    sample), so a run resumed from a checkpoint ends on the CPU with the weights of one that was never stopped (as long
    as no time limit shaped its schedule).

    Parameters
    ----------
    model : on the CPU, its initial weights already drawn.
    samples : training samples with image and labels.
    config, context, compute : see their types.
    validate : needed for `select: best`.

    Returns
    -------
    The same model on the device of `compute`, holding the selected weights (averaged ones when `ema` is on), in
    evaluation mode.

    Raises
    ------
    UserError : nothing to learn from, a checkpoint of another configuration, or a loss that is not finite.
    KeyboardInterrupt : `context.stop()` said so; the checkpoint of the last whole epoch stays.
    """
    if len(samples) == 0:
        raise UserError(f"the training split of '{context.dataset.name}' is empty, so there is nothing to learn from")
    if config.select == "best" and validate is None:
        context.warn("select=best needs validation samples and there are none: the last weights are kept")
    state = _initial_state(compute.place(model), config)
    identity = _identity(samples, config, context)
    if context.resume:
        _restore(state, load_checkpoint(context.folder, identity), context)
    else:
        discard_checkpoint(context.folder)
    with loader(samples, config, context.dataset, context.workers, context.warn) as pairs:
        _Loop(state, pairs, config, context, compute, identity).run(validate if config.select == "best" else None)
    if state.cut:
        context.warn(_cut_message(state, config, len(samples)))
    _load(state.model, state.best or state.ema)
    return state.model.eval()


def iterations_per_epoch(config: TrainingConfig, count: int) -> int:
    """As configured, or one pass over `count` samples."""
    return config.iterations_per_epoch or -(-count // config.batch_size)


class _Loop:
    """The loop itself: epochs of steps, each epoch ending in a checkpoint."""

    def __init__(
        self,
        state: State,
        pairs: PairLoader,
        config: TrainingConfig,
        context: FitContext,
        compute: Compute,
        identity: dict[str, Any],
    ) -> None:
        self.state, self.pairs, self.config, self.context = state, pairs, config, context
        self.compute, self.identity = compute, identity
        self.loss: Loss = make_loss(config)
        self.forward: Callable[[torch.Tensor], torch.Tensor] = (
            torch.compile(state.model) if config.compile else state.model
        )
        self.per_epoch = iterations_per_epoch(config, len(pairs))
        self.pace = Pace(config.epochs * self.per_epoch, config.time_limit_minutes, state.seconds, state.cut)
        self.reported = 0.0

    def run(self, validate: Validate | None) -> None:
        while self.state.epoch < self.config.epochs and not self.pace.over(self.state.step):
            seed = epoch_seed(self.context.seed, self.state.epoch)
            with torch.random.fork_rng(devices=_cuda_devices(self.compute.device)):
                torch.manual_seed(seed)
                loss = self._epoch(seed)
            self.state.epoch += 1
            note = f"epoch {self.state.epoch}/{self.config.epochs}: loss {loss:.4f}"
            if validate is not None:
                note += f", validation score {self._select(validate):.4f}"
            self.context.log(note)
            self.state.seconds, self.state.cut = self.pace.elapsed(), self.pace.cut
            save_checkpoint(self.context.folder, _checkpoint(self.state, self.identity))

    def _epoch(self, seed: int) -> float:
        """One epoch (less when the time is up); the mean loss."""
        self.state.model.train()
        total, steps = torch.zeros((), device=self.compute.device), 0
        plan = _draw(len(self.pairs), self.config.batch_size, self.per_epoch, seed)
        batches = self.pairs.batches([[key.sample for key in keys] for keys in plan])
        for keys, pairs in zip(plan, batches, strict=True):
            if self.context.stop():
                raise KeyboardInterrupt
            if self.pace.over(self.state.step):
                break
            images = [torch.from_numpy(pair.image).to(self.compute.device).permute(2, 0, 1) for pair in pairs]
            targets = [torch.from_numpy(pair.target).to(self.compute.device) for pair in pairs]
            _check_sizes(targets, self.config)
            loss = self._step(*augment(images, targets, self.config, keys))
            total, steps = total + loss, steps + 1
            self._report(loss)
        return _finite(total, self.state.step) / max(steps, 1)

    def _step(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        state, config = self.state, self.config
        factor = learning_rate_factor(config.schedule, config.warmup, self.pace.fraction(state.step))
        for group in state.optimizer.param_groups:
            group["lr"] = config.learning_rate * factor
        state.optimizer.zero_grad(set_to_none=True)
        with self.compute.autocast():
            logits = self.forward(self.compute.images(images))
        loss = self.loss(logits.float(), targets)
        self.compute.backward(loss, state.model, config.clip_norm)
        state.optimizer.step()
        state.step += 1
        if state.ema:
            _average(state.ema, state.model, config.ema, state.step)
        return loss.detach()

    def _report(self, loss: torch.Tensor) -> None:
        now = time.monotonic()
        if now - self.reported < _REPORT_SECONDS and self.state.step < self.pace.steps:
            return
        self.reported = now
        self.context.progress(self.state.step, self.pace.steps, f"loss {_finite(loss, self.state.step):.4f}")

    def _select(self, validate: Validate) -> float:
        """Validate the weights that would be kept, and keep them when they are the best so far."""
        state = self.state
        current = _weights(state.model)
        _load(state.model, state.ema)
        score = validate(state.model.eval())
        # An undefined score (NaN) is not greater than anything, so it is never the best.
        if score > (-math.inf if state.score is None else state.score):
            state.score, state.best = score, _weights(state.model)
        _load(state.model, current)
        return score


def _finite(loss: torch.Tensor, step: int) -> float:
    value = float(loss)
    if not math.isfinite(value):
        advice = "Lower learning_rate, or set precision=fp32."
        raise UserError(f"training diverged: the loss is {value} at iteration {step}. {advice}")
    return value


def epoch_seed(seed: int, epoch: int) -> int:
    """A 63-bit seed that follows from the run's seed and the epoch alone."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _draw(count: int, batch_size: int, batches: int, seed: int) -> list[list[ViewKey]]:
    """The views of each batch: whole permutations of the samples one after the other, so that all come equally often.

    Which views come, and in which order, does not depend on the size of the batches that they are cut into.
    """
    generator = np.random.default_rng(seed)
    showings = range(-(-batch_size * batches // count))
    views = [ViewKey(seed, int(sample), showing) for showing in showings for sample in generator.permutation(count)]
    return [views[start * batch_size : (start + 1) * batch_size] for start in range(batches)]


def _check_sizes(targets: Sequence[torch.Tensor], config: TrainingConfig) -> None:
    shapes = sorted({tuple(target.shape) for target in targets})
    if config.crop is None and len(shapes) > 1:
        raise UserError(f"training images differ in size ({shapes[0]}, {shapes[1]}): set crop, or size")


def _initial_state(model: nn.Module, config: TrainingConfig) -> State:
    # With weight decay 0, AdamW is Adam.
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return State(model, optimizer, _weights(model) if config.ema else {})


def _weights(model: nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _load(model: nn.Module, weights: Tensors) -> None:
    """Take weights over; an empty mapping changes nothing."""
    if weights:
        model.load_state_dict(weights)


@torch.no_grad()
def _average(ema: Tensors, model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of weights and batch norm statistics, following closely while it is young."""
    current = model.state_dict()
    names = [name for name, tensor in ema.items() if tensor.is_floating_point()]
    young = (1 + step) / (10 + step)
    torch._foreach_lerp_([ema[n] for n in names], [current[n] for n in names], 1 - min(decay, young))


def _identity(samples: Samples, config: TrainingConfig, context: FitContext) -> dict[str, Any]:
    ids = hashlib.sha256("\n".join(samples.ids).encode()).hexdigest()
    data = {"dataset": context.dataset.name, "dataset version": context.dataset.version, "training ids": ids}
    # How samples are loaded changes nothing, so that a run may go on in another way.
    settings = config.model_dump(exclude={"loading", "cache_gb"})
    return settings | data | {"seed": context.seed, "draws of augmentation": DRAWS}


def _checkpoint(state: State, identity: dict[str, Any]) -> Checkpoint:
    moments = state.optimizer.state_dict()["state"]
    optimizer = {f"{index}/{name}": value for index, slot in moments.items() for name, value in slot.items()}
    groups = {"model": state.model.state_dict(), "optimizer": optimizer, "ema": state.ema, "best": state.best}
    numbers = {"step": state.step, "score": state.score, "seconds": state.seconds, "cut": state.cut}
    return Checkpoint(identity, state.epoch, groups, numbers)


def _restore(state: State, checkpoint: Checkpoint | None, context: FitContext) -> None:
    if checkpoint is None:
        context.log("no checkpoint to resume from: training starts at the beginning")
        return
    device = next(state.model.parameters()).device
    _load(state.model, checkpoint.tensors["model"])
    moments: dict[int, Tensors] = {}
    for key, tensor in checkpoint.tensors["optimizer"].items():
        index, name = key.split("/")
        moments.setdefault(int(index), {})[name] = tensor
    state.optimizer.load_state_dict(state.optimizer.state_dict() | {"state": moments})
    state.ema = {name: tensor.to(device) for name, tensor in checkpoint.tensors["ema"].items()}
    state.best = {name: tensor.to(device) for name, tensor in checkpoint.tensors["best"].items()}
    state.epoch, numbers = checkpoint.epoch, checkpoint.numbers
    state.step, state.score = numbers["step"], numbers["score"]
    state.seconds, state.cut = numbers["seconds"], numbers["cut"]
    context.earlier_s = state.seconds
    context.log(f"resumed after epoch {state.epoch}")


def _cut_message(state: State, config: TrainingConfig, count: int) -> str:
    planned = config.epochs * iterations_per_epoch(config, count)
    return (
        f"the time limit of {config.time_limit_minutes:g} minutes shaped the training ({state.step} of {planned} "
        "iterations): the result depends on this machine's speed"
    )


def _cuda_devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
