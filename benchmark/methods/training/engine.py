"""One training loop for every learned method: plain PyTorch, resumable to the bit at epoch borders.

It runs alone, or in each of the processes that `accelerate launch` has started: then each computes its part of every
batch, and all of them hold the same weights after every step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ...errors import UserError
from ...runs.devices import out_of_memory
from ...types import FitContext, Samples
from .augmentation import ViewKey, augment
from .checkpoint import discard_checkpoint, load_checkpoint, save_checkpoint
from .class_weights import class_pixels, class_weights
from .config import TrainingConfig
from .ghost_batches import GhostBatches
from .loading import PairLoader, loader
from .losses import IGNORE, Loss, Whole, make_loss
from .networks import NetworkWithLoss, reflect_up
from .precision import Compute, Stepper, algorithms
from .schedule import Forecast, Pace, learning_rate_factor
from .state import State, average, checkpoint_of, identity_of, initial_state, load, restore, weights_of
from .transfer import hold_frozen

Validate = Callable[[nn.Module], float]
"""Scores a model on the validation samples; higher is better."""

_REPORT_SECONDS = 0.5


def train(
    model: nn.Module,
    outputs: int,
    samples: Samples,
    config: TrainingConfig,
    context: FitContext,
    compute: Compute,
    validate: Validate | None = None,
    *,
    stride: int = 1,
) -> nn.Module:
    """Fit a model that maps (B, C, H, W) images in 0..1 to (B, outputs, H, W) logits.

    A `NetworkWithLoss` is trained by what its `training_loss` returns, others by `loss(model(images), targets)`. Every
    epoch's samples and dropout follow from (seed, epoch) alone, and each view of a sample from (seed, epoch, sample),
    so a run resumed from a checkpoint ends on the CPU with the weights of one that was never stopped (as long as no
    time limit shaped its schedule).

    Parameters
    ----------
    model : on the CPU, its initial weights already drawn.
    outputs : channels of its logits: 1 for a binary task, else the number of classes.
    samples : training samples with image and labels.
    config, context, compute : see their types.
    validate : needed for `select: best` and for `patience`.
    stride : what the sides of the model's input have to be multiples of. Images are filled up to them by reflection,
        targets with `IGNORE`, so that any size and crop can be trained on.

    Returns
    -------
    The same model on the device of `compute`, holding the selected weights (averaged ones when `ema` is on), in
    evaluation mode.

    Raises
    ------
    UserError : nothing to learn from, a loss that does not fit the task, a checkpoint of another configuration, a loss
        that is not finite, or a batch that does not fit into memory: the message names the size that does.
    KeyboardInterrupt : `context.stop()` said so; the checkpoint of the last whole epoch stays.
    """
    if len(samples) == 0:
        raise UserError(f"the training split of '{context.dataset.name}' is empty, so there is nothing to learn from")
    if config.selects and validate is None:
        context.warn("select=best needs validation samples and there are none: the last weights are kept")
    make_loss(config, outputs)  # before anything is read: the message for a loss that does not fit
    state = initial_state(compute.place(model, training=True), config, compute.scaler())
    identity = identity_of(samples, config, context)
    stepper = Stepper(compute, state.model, state.optimizer, config.clip_norm, state.scaler)
    if context.resume:
        restore(state, load_checkpoint(context.folder, identity), context)
    elif stepper.rank == 0:
        discard_checkpoint(context.folder)
    stepper.wait()
    with (
        algorithms(deterministic=config.deterministic, one_size=bool(config.crop or config.size)),
        compute.arithmetic(),
        loader(samples, config, context.dataset, context.workers, context.warn) as pairs,
    ):
        weights = _class_weights(pairs, config, outputs, context)
        loss = make_loss(config, outputs, weights, Whole(stepper.count, stepper.add))
        loop = _Loop(state, pairs, config, context, stepper, loss, identity, stride)
        loop.run(validate if config.selects else None)
    if state.cut:
        context.warn(_cut_message(state, config, len(samples)))
    load(state.model, state.best or state.ema)
    return state.model.eval()


def _class_weights(
    pairs: PairLoader, config: TrainingConfig, outputs: int, context: FitContext
) -> Sequence[float] | None:
    """Of the training labels as they are prepared, which one pass reads (and keeps as far as there is room)."""
    if config.class_weights == "none":
        return None
    read = pairs.batches([[index] for index in range(len(pairs))])
    weights = class_weights(class_pixels((pair.target for [pair] in read), max(2, outputs)), config.class_weights)
    context.log(f"class weights ({config.class_weights}): {', '.join(f'{weight:.3g}' for weight in weights)}")
    return [float(weight) for weight in weights]


class TrainingStep(nn.Module):
    """Forward pass and loss as one module, which is what several processes share."""

    def __init__(self, model: nn.Module, loss: Loss, compute: Compute, compiled: bool, stride: int) -> None:
        super().__init__()
        self.model, self.loss, self.compute, self.stride = model, loss, compute, stride
        self.own = model.training_loss if isinstance(model, NetworkWithLoss) else None
        self.call: Callable[[torch.Tensor], torch.Tensor] = torch.compile(model) if compiled else model

    def forward(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        down, right = (-side % self.stride for side in targets.shape[-2:])
        images = reflect_up(images, self.stride)
        targets = F.pad(targets, (0, right, 0, down), value=IGNORE)
        with self.compute.autocast():
            if self.own is not None:
                return self.own(images, targets, self._of_logits)
            logits = self.call(images)
        return self._of_logits(logits, targets)

    def _of_logits(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        # In full precision also where a model asks for it within its own forward pass.
        with torch.autocast(self.compute.device.type, enabled=False):
            return self.loss(logits.float(), targets)


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
        stepper: Stepper,
        loss: Loss,
        identity: dict[str, Any],
        stride: int,
    ) -> None:
        self.state, self.pairs, self.config, self.context = state, pairs, config, context
        self.stepper, self.compute, self.identity = stepper, stepper.compute, identity
        self.forward = stepper.prepare(TrainingStep(state.model, loss, self.compute, config.compile, stride))
        # Each of several processes is a ghost batch already.
        parts = 1 if stepper.count > 1 else min(config.ghost_batches, config.batch_size)
        self.ghosts = GhostBatches(self.forward, parts) if parts > 1 else None
        self.per_epoch = iterations_per_epoch(config, len(pairs))
        self.pace = Pace(config.epochs * self.per_epoch, config.time_limit_minutes, state.seconds, state.cut)
        self.forecast, self.reported = Forecast(self.pace), 0.0
        self.measured: list[tuple[int, torch.Tensor, float]] = []
        if config.batch_size % stepper.count:
            raise UserError(
                f"batch_size={config.batch_size} cannot be shared by {stepper.count} processes: "
                "set a multiple of their number."
            )

    def run(self, validate: Validate | None) -> None:
        """All epochs that are left."""
        with self.ghosts or nullcontext():
            self._run(validate)

    def _run(self, validate: Validate | None) -> None:
        state, config = self.state, self.config
        while state.epoch < config.epochs and not self._over() and not self._stale():
            seed = epoch_seed(self.context.seed, state.epoch)
            with torch.random.fork_rng(devices=_cuda_devices(self.compute.device)):
                torch.manual_seed(seed + self.stepper.rank)
                try:
                    loss = self._epoch(seed)
                except UserError:
                    self._track({})  # what led to it, such as a loss that grew without bound
                    raise
            state.epoch += 1
            note, scores = f"epoch {state.epoch}/{config.epochs}: loss {loss:.4f}", {"epoch": float(state.epoch)}
            if validate is not None:
                scores["validation_score"] = self._select(validate)
                note += f", validation score {scores['validation_score']:.4f}"
            self.context.log(note)
            self._track(scores)
            state.seconds, state.cut = self.pace.elapsed(), self.pace.cut
            if self.stepper.rank == 0:
                save_checkpoint(self.context.folder, checkpoint_of(state, self.identity))
        self.stepper.wait()

    def _over(self) -> bool:
        return self.stepper.agree(self.pace.fraction(self.state.step)) >= 1

    def _stale(self) -> bool:
        """Whether the last `patience` epochs brought no better score."""
        patience, state = self.config.patience, self.state
        if patience is None or state.score is None or state.epoch - state.best_epoch < patience:
            return False
        self.context.log(f"no better validation score since epoch {state.best_epoch}: training ends")
        return True

    def _epoch(self, seed: int) -> float:
        """One epoch (less when the time is up); the mean loss."""
        self.state.model.train()
        hold_frozen(self.state.model)
        total, steps = torch.zeros((), device=self.compute.device), 0
        plan = _draw(len(self.pairs), self.config.batch_size, self.per_epoch, seed)
        plan = [keys[self.stepper.rank :: self.stepper.count] for keys in plan]
        batches = self.pairs.batches([[key.sample for key in keys] for keys in plan])
        for keys, pairs in zip(plan, batches, strict=True):
            if self.stepper.agree(float(self.context.stop())):
                raise KeyboardInterrupt
            fraction = self.stepper.agree(self.pace.fraction(self.state.step))
            if fraction >= 1:
                break
            images = [self.compute.move(pair.image).permute(2, 0, 1) for pair in pairs]
            targets = [self.compute.move(pair.target) for pair in pairs]
            _check_sizes(targets, self.config)
            loss = self._step(images, targets, keys, fraction)
            total, steps = total + loss, steps + 1
            if self.context.track is not None:
                rate = max(group["lr"] for group in self.state.optimizer.param_groups)
                self.measured.append((self.state.step, loss, rate))
            self._report(loss)
        return _finite(total, self.state.step) / max(steps, 1)

    def _track(self, scores: Mapping[str, float]) -> None:
        """Log every step since the last time, and the scores of the last of them."""
        if self.context.track is None or not self.measured:
            return
        losses = torch.stack([loss for _, loss, _ in self.measured]).tolist()
        rows = [
            (step, {"loss": loss, "learning_rate": rate})
            for (step, _, rate), loss in zip(self.measured, losses, strict=True)
        ]
        rows[-1][1].update(scores)
        self.measured = []
        self.context.track(rows)

    def _step(
        self, images: Sequence[torch.Tensor], targets: Sequence[torch.Tensor], keys: Sequence[ViewKey], fraction: float
    ) -> torch.Tensor:
        state, config = self.state, self.config
        factor = learning_rate_factor(config.schedule, config.warmup, fraction)
        for group in state.optimizer.param_groups:
            group["lr"] = config.learning_rate * factor * group.get("factor", 1.0)
        state.optimizer.zero_grad(set_to_none=True)
        loss = None
        try:
            loss = self._backward(images, targets, keys)
            self.stepper.step()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        if loss is None:
            # Outside of the handler, which would hold on to the failed pass's memory.
            raise UserError(self._smaller_batch(images, targets, keys))
        state.step += 1
        if state.ema:
            average(state.ema, state.model, config.ema, state.step)
        return loss

    def _backward(
        self, images: Sequence[torch.Tensor], targets: Sequence[torch.Tensor], keys: Sequence[ViewKey]
    ) -> torch.Tensor:
        """Gradients of a batch; its loss."""
        if self.ghosts is None:
            loss, _ = self._loss(images, targets, keys, self.forward)
            self.stepper.scale(loss).backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        count = len(self.ghosts.models)
        parts = [
            partial(self._loss, images[first::count], targets[first::count], keys[first::count])
            for first in range(min(count, len(keys)))
        ]
        return self.ghosts.gradients(parts, self.stepper.scale)

    def _loss(
        self,
        images: Sequence[torch.Tensor],
        targets: Sequence[torch.Tensor],
        keys: Sequence[ViewKey],
        forward: nn.Module,
    ) -> tuple[torch.Tensor, int]:
        """The mean loss of some samples' views, and how many they are."""
        views, labels = augment(images, targets, self.config, keys)
        return forward(self.compute.images(views, training=True), labels), len(keys)

    def _smaller_batch(
        self, images: Sequence[torch.Tensor], targets: Sequence[torch.Tensor], keys: Sequence[ViewKey]
    ) -> str:
        """What to set when a batch does not fit into memory: half of it is tried, and half of that."""
        size = len(images)
        if self.stepper.count > 1:
            # A part of the processes cannot try: the others would wait for it.
            return f"memory ran out: batch_size={self.config.batch_size} does not fit. Set a smaller one with --set."
        while size > 1:
            size //= 2
            self.state.optimizer.zero_grad(set_to_none=True)
            if self.compute.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                self._backward(images[:size], targets[:size], keys[:size])
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                continue
            return f"memory ran out: batch_size={self.config.batch_size} does not fit. Use --set batch_size={size}."
        height, width = (self.config.crop,) * 2 if self.config.crop else targets[0].shape
        return f"memory ran out: not even one image of {height} x {width} fits. Lower crop or size with --set."

    def _report(self, loss: torch.Tensor) -> None:
        forecast = self.forecast.message(self.state.step)
        if forecast is not None and self.stepper.rank == 0:
            self.context.say(forecast)
        now = time.monotonic()
        if now - self.reported < _REPORT_SECONDS and self.state.step < self.pace.steps:
            return
        self.reported = now
        text = f"loss {_finite(loss, self.state.step):.4f}"
        self.context.progress(self.state.step, self.pace.steps, text, self.forecast.seconds_left(self.state.step))

    def _select(self, validate: Validate) -> float:
        """Validate the weights that would be kept, and keep them when they are the best so far."""
        state = self.state
        current = weights_of(state.model)
        load(state.model, state.ema)
        score = self.stepper.agree(validate(state.model.eval()))
        # An undefined score (NaN) is not greater than anything, so it is never the best.
        if score > (-math.inf if state.score is None else state.score):
            state.score, state.best, state.best_epoch = score, weights_of(state.model), state.epoch
        load(state.model, current)
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


def _cut_message(state: State, config: TrainingConfig, count: int) -> str:
    planned = config.epochs * iterations_per_epoch(config, count)
    return (
        f"the time limit of {config.time_limit_minutes:g} minutes shaped the training ({state.step} of {planned} "
        "iterations): the result depends on this machine's speed"
    )


def _cuda_devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
