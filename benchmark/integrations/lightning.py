"""A callback for Lightning that logs official scores, with their intervals, after every validation epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from ..errors import UserError
from ..evaluation.evaluator import Evaluator
from . import named_scores

_EXPECTED = "validation_step to return a mapping with 'prediction', 'target' and 'ids'"


class ScoreCallback(Callback):  # type: ignore[misc]
    """Counts what `validation_step` returns: a mapping with `prediction`, `target` and, of several processes, `ids`.

    Parameters
    ----------
    evaluator : Evaluator
        With the classes of the targets, such as `Evaluator(num_classes=19, ignore_index=255)`. `prediction` and
        `target` have the shapes that its `update` takes: logits (N, C, H, W) or labels (N, H, W).
    prefix : str
        Stands before the names that are logged: `val/miou`, `val/miou_low`, `val/miou_high`.
    """

    def __init__(self, evaluator: Evaluator, prefix: str = "val/") -> None:
        self.evaluator, self.prefix = evaluator, prefix

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the samples of the epoch before."""
        del trainer, pl_module
        self.evaluator.reset()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *place: int
    ) -> None:
        """Count a batch. Raises UserError where the step returned something else."""
        del trainer, pl_module, batch, place
        if not isinstance(outputs, Mapping) or not {"prediction", "target"} <= set(outputs):
            raise UserError(f"ScoreCallback: expected {_EXPECTED}, found {type(outputs).__name__}")
        self.evaluator.update(outputs["prediction"], outputs["target"], outputs.get("ids"))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log every score; not of the few batches of the sanity check."""
        if not trainer.sanity_checking:
            for name, value in named_scores(self.evaluator, self.prefix).items():
                # Gathered already: the same on every process.
                pl_module.log(name, value, sync_dist=False, rank_zero_only=False)
