"""Gradients of a batch that is cut into ghost batches: parts with batch statistics of their own, side by side.

A processor computes small layers faster as two parts on a core each than as one batch on two cores, whose threads wait
for each other after every layer; and it keeps doing so where other programs take their share of a core.

Reference
---------
Hoffer, Hubara, Soudry: Train longer, generalize better, 2017, section 4 (ghost batch normalization).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .transfer import hold_frozen

Part = Callable[[nn.Module], tuple[torch.Tensor, int]]
"""The mean loss of one part of a batch under a model, and how many images it is of."""

_Found = tuple[torch.Tensor, int, Sequence[torch.Tensor | None]]


class GhostBatches:
    """Models that share their weights and differ in their batch statistics, one for each part of a batch.

    Which part a sample is in, what is computed of it and the order in which gradients are summed do not depend on the
    machine: on a GPU, on one core, and where a network draws random numbers (dropout) from the one generator that all
    share, the parts take turns.

    Parameters
    ----------
    model : on its device, with the weights to start from. It takes the first part of each batch, and after every step
        holds the mean of the parts' running statistics.
    count : parts of a batch, at least 2.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        self._shared = [weight for weight in model.parameters() if weight.requires_grad]
        memo = {id(weight): weight for weight in model.parameters()}
        self.models = [model, *(copy.deepcopy(model, dict(memo)).train() for _ in range(count - 1))]
        for twin in self.models[1:]:
            hold_frozen(twin)
        norms = [[layer for layer in twin.modules() if isinstance(layer, _BatchNorm)] for twin in self.models]
        self._norms = list(zip(*norms, strict=True))
        self._threads = torch.get_num_threads()
        on_cpu = all(weight.device.type == "cpu" for weight in self._shared)
        self._may_be_parallel: bool | None = None if on_cpu and self._threads > 1 else False
        """None: not known before the first batch."""
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> GhostBatches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            torch.set_num_threads(self._threads)

    def gradients(self, parts: Sequence[Part], scale: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Put the gradients of the mean loss over all images into the weights' `grad`; the loss itself, a scalar.

        parts : at most `count`. scale : applied to each loss before its gradients are taken.
        """
        jobs = list(zip(self.models, parts, strict=False))
        if self._may_be_parallel is None:
            self._may_be_parallel = not _draws_numbers(*jobs[0])
        if self._may_be_parallel:
            found = list(self._threads_of_parts().map(lambda job: self._of_part(job[0], job[1], scale), jobs))
        else:
            found = [self._of_part(model, part, scale) for model, part in jobs]
        images = sum(count for _, count, _ in found)
        shares = [count / images for _, count, _ in found]
        for weight, grads in zip(self._shared, zip(*(grads for _, _, grads in found), strict=True), strict=True):
            weight.grad = _weighted_sum(grads, shares)
        self._join_statistics(len(jobs))
        loss = _weighted_sum([loss for loss, _, _ in found], shares)
        assert loss is not None
        return loss

    def _of_part(self, model: nn.Module, part: Part, scale: Callable[[torch.Tensor], torch.Tensor]) -> _Found:
        loss, images = part(model)
        return loss.detach(), images, torch.autograd.grad(scale(loss), self._shared, allow_unused=True)

    def _threads_of_parts(self) -> ThreadPoolExecutor:
        """A thread for each part, as far as there are cores; torch's operations have a share of the cores in each."""
        if self._pool is None:
            side_by_side = min(len(self.models), self._threads)
            share = self._threads // side_by_side
            self._pool = ThreadPoolExecutor(
                side_by_side, "ghost-batch", initializer=torch.set_num_threads, initargs=(share,)
            )
            # Also between the parts: a thread that waits for another spins, for long where a core is taken away.
            torch.set_num_threads(share)
        return self._pool

    def _join_statistics(self, used: int) -> None:
        """Give every model the mean of the running statistics of those that were used."""
        for layers in self._norms:
            for name in ("running_mean", "running_var"):
                values: list[torch.Tensor] = [getattr(layer, name) for layer in layers]
                if values[0] is None:
                    continue
                mean = torch.stack(values[:used]).mean(0)
                for value in values:
                    value.copy_(mean)


def _draws_numbers(model: nn.Module, part: Part) -> bool:
    """Whether a forward pass in training draws from the global generator; leaves it and the model's buffers alone."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        part(model)
        drawn = not torch.equal(before, torch.get_rng_state())
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])
    return drawn


def _weighted_sum(terms: Sequence[torch.Tensor | None], weights: Sequence[float]) -> torch.Tensor | None:
    """The sum in the order of the terms; those that are None are left out, and None is the sum of nothing."""
    total: torch.Tensor | None = None
    for term, weight in zip(terms, weights, strict=True):
        if term is not None:
            total = term * weight if total is None else total.add_(term, alpha=weight)
    return total
