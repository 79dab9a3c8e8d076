"""The hook for MMEngine, in its real Runner: official scores beside those of its own evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_segmentation import CLASSES, VOID, Toy, expected_scores, toy_loader

from segbench import Evaluator

pytest.importorskip("mmengine", reason="pip install 'segbench[integrations]'")
pytestmark = pytest.mark.slow


def test_the_runner_logs_official_scores_after_every_validation(tmp_path: Path) -> None:
    from mmengine.evaluator import BaseMetric
    from mmengine.evaluator import Evaluator as TheirEvaluator
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    from segbench.integrations.mmengine import ScoreHook

    class Model(BaseModel):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = Toy()

        def forward(self, pixel_values: Any, labels: Any, ids: Any, mode: str) -> Any:
            if mode == "loss":
                return {"loss": self.net.loss(pixel_values, labels)}
            return [
                {"prediction": scores, "target": target, "id": name}
                for scores, target, name in zip(self.net(pixel_values), labels, ids.tolist(), strict=True)
            ]

    class Nothing(BaseMetric):  # type: ignore[misc]
        def process(self, data_batch: Any, data_samples: Any) -> None:
            del data_batch, data_samples
            self.results.append(0)

        def compute_metrics(self, results: Any) -> dict[str, float]:
            del results
            return {"own": 1.0}

    def take(data_batch: Any, outputs: Any) -> Any:
        del data_batch
        return tuple([sample[key] for sample in outputs] for key in ("prediction", "target", "id"))

    seen: list[dict[str, float]] = []
    hook = ScoreHook(Evaluator(num_classes=CLASSES, ignore_index=VOID), take=take)
    loader = toy_loader(2)
    model = Model()
    runner = Runner(
        model=model,
        work_dir=str(tmp_path),
        train_dataloader=loader,
        val_dataloader=loader,
        val_evaluator=TheirEvaluator([Nothing()]),
        train_cfg={"by_epoch": True, "max_epochs": 1},
        val_cfg={},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        custom_hooks=[hook],
        log_level="ERROR",
    )
    runner.train()
    seen.append(runner.val_loop.run())
    wanted = expected_scores(model.net)["miou"]
    found = [seen[-1][f"segbench/miou{end}"] for end in ("", "_low", "_high")]
    assert found == pytest.approx([wanted.value, wanted.low, wanted.high], abs=1e-6)
    assert seen[-1]["own"] == 1.0
    logged = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "segbench/miou" in logged


def test_data_samples_of_mmsegmentation_are_taken() -> None:
    from mmengine.structures import BaseDataElement, PixelData

    from segbench.integrations.mmengine import of_data_samples

    sample = BaseDataElement(metainfo={"img_path": "a.png"})
    truth = torch.tensor([[[0, 1], [2, 255]]])
    sample.set_data({"pred_sem_seg": PixelData(data=truth % 3), "gt_sem_seg": PixelData(data=truth)})
    predictions, targets, names = of_data_samples(None, [sample])
    assert np.array_equal(targets[0], [[0, 1], [2, 255]])
    assert np.array_equal(predictions[0], [[0, 1], [2, 0]])
    assert names == ["a.png"]
