"""The callback for Lightning, in its real Trainer: official scores of every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_segmentation import CLASSES, VOID, Toy, expected_scores, toy_loader, toy_samples

from segbench import Evaluator, UserError

lightning = pytest.importorskip("lightning", reason="pip install 'segbench[integrations]'")
pytestmark = pytest.mark.slow


Base: Any = lightning.LightningModule


class Module(Base):  # type: ignore[misc]
    """A network of one layer, as Lightning wants it."""

    def __init__(self, returns: str = "mapping") -> None:
        super().__init__()
        self.net, self.returns = Toy(), returns

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        del number
        return self.net.loss(batch["pixel_values"], batch["labels"])

    def validation_step(self, batch: Any, number: int) -> Any:
        del number
        logits = self.net(batch["pixel_values"])
        if self.returns != "mapping":
            return logits.mean()
        return {"prediction": logits, "target": batch["labels"], "ids": batch["ids"]}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.5)


def fit(module: Any, callback: Any, folder: Path, epochs: int) -> Any:
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    loader = toy_loader(3)
    trainer.fit(module, loader, loader)
    return trainer


def test_scores_are_logged_after_every_epoch(tmp_path: Path) -> None:
    from segbench.integrations.lightning import ScoreCallback

    module = Module()
    callback = ScoreCallback(Evaluator(num_classes=CLASSES, ignore_index=VOID))
    trainer = fit(module, callback, tmp_path, epochs=2)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    wanted = expected_scores(module.net)
    for name, score in wanted.items():
        if score.value is not None and score.low is not None and score.high is not None:
            found = [logged[f"val/{name}{end}"] for end in ("", "_low", "_high")]
            assert found == pytest.approx([score.value, score.low, score.high], abs=1e-6)
    assert len(callback.evaluator) == len(toy_samples())
    assert np.isfinite(logged["val/miou"])


def test_a_step_that_returns_something_else_is_told(tmp_path: Path) -> None:
    from segbench.integrations.lightning import ScoreCallback

    with pytest.raises(UserError, match=r"validation_step to return a mapping with 'prediction'.*found Tensor"):
        fit(Module("loss"), ScoreCallback(Evaluator(num_classes=CLASSES, ignore_index=VOID)), tmp_path, epochs=1)
