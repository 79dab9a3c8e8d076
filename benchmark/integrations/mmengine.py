"""A hook for MMEngine's Runner that logs official scores, with their intervals, after every validation epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..evaluation.evaluator import Evaluator
from . import named_scores

Taken = tuple[Any, Any, Sequence[str | int]]


def of_data_samples(data_batch: Any, outputs: Sequence[Any]) -> Taken:
    """Predicted and true label maps, (H, W) each, and names, of MMSegmentation's data samples."""
    del data_batch
    maps = {key: [s.get(key).data.squeeze(0).cpu().numpy() for s in outputs] for key in ("pred_sem_seg", "gt_sem_seg")}
    return maps["pred_sem_seg"], maps["gt_sem_seg"], [sample.metainfo["img_path"] for sample in outputs]


class ScoreHook(Hook):  # type: ignore[misc]
    """Counts what the model predicts in validation; `custom_hooks=[ScoreHook(Evaluator(…))]` of a Runner.

    Parameters
    ----------
    evaluator : Evaluator
        With the classes of the targets, such as `Evaluator(num_classes=19, ignore_index=255)`.
    take : callable
        From a batch and the model's outputs: predictions, targets, and a name for each sample.
    prefix : of the names that are logged.
    """

    priority = "NORMAL"  # before the hook that logs

    def __init__(
        self, evaluator: Evaluator, take: Callable[[Any, Any], Taken] = of_data_samples, prefix: str = "segbench/"
    ) -> None:
        self.evaluator, self.take, self.prefix = evaluator, take, prefix

    def before_val_epoch(self, runner: Runner) -> None:
        """Forget the samples of the epoch before."""
        del runner
        self.evaluator.reset()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count a batch, one image after another, as they may differ in size."""
        del runner, batch_idx
        for prediction, target, name in zip(*self.take(data_batch, outputs), strict=True):
            self.evaluator.update(prediction, target, name)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add every score to those that the runner has, logs, and may choose the best checkpoint by."""
        for name, value in named_scores(self.evaluator, self.prefix).items():
            runner.message_hub.update_scalar(f"val/{name}", value)
            if metrics is not None:
                metrics[name] = value
