"""`compute_metrics` in the real Trainer of Hugging Face, on a Segformer that is built from its configuration."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toy_segmentation import CLASSES, VOID, toy_loader, toy_samples

from segbench import Evaluator, UserError
from segbench.integrations.huggingface import compute_metrics

transformers = pytest.importorskip("transformers", reason="pip install 'segbench[integrations]'")


@pytest.mark.slow
def test_the_trainer_reports_official_scores_with_intervals(tmp_path: Path) -> None:
    config = transformers.SegformerConfig(
        num_labels=CLASSES,
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 8, 8],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        semantic_loss_ignore_index=VOID,
    )
    torch.manual_seed(0)
    model = transformers.SegformerForSemanticSegmentation(config)
    samples = toy_samples()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), label_names=["labels"], per_device_eval_batch_size=2, report_to=[], use_cpu=True
    )
    evaluator = Evaluator(num_classes=CLASSES, ignore_index=VOID)

    base: Any = transformers.Trainer

    class Trainer(base):  # type: ignore[misc]
        """With a loader of its own: the Trainer's would take the folder `datasets` of this checkout for the package."""

        def get_eval_dataloader(self, eval_dataset: object = None) -> object:
            del eval_dataset
            return toy_loader(2)

    trainer = Trainer(model=model, args=arguments, eval_dataset=samples, compute_metrics=compute_metrics(evaluator))
    found = trainer.evaluate()
    direct = Evaluator(num_classes=CLASSES, ignore_index=VOID)
    model.eval()
    with torch.inference_mode():
        for number, batch in enumerate(toy_loader(2)):  # in the trainer's batches: processors round one image apart
            logits = model(pixel_values=batch["pixel_values"]).logits
            whole = F.interpolate(logits, batch["labels"].shape[1:], mode="bilinear", align_corners=False)
            direct.update(whole, batch["labels"], [2 * number + place for place in range(len(whole))])
    score = direct.scores()["miou"]
    assert [found[f"eval_miou{end}"] for end in ("", "_low", "_high")] == pytest.approx(
        [score.value, score.low, score.high], abs=1e-6
    )


def test_what_is_no_segmentation_is_told() -> None:
    computed = compute_metrics(Evaluator(num_classes=CLASSES))
    wrong = SimpleNamespace(predictions=np.zeros((4, CLASSES)), label_ids=np.zeros(4))
    with pytest.raises(UserError, match=r"predictions are of shape \(4, 3\).*expected logits \(N, C, h, w\)"):
        computed(wrong)


def test_every_evaluation_begins_anew() -> None:
    evaluator = Evaluator(num_classes=2)
    labels = np.array([[[0, 1]], [[1, 1]]])
    logits = np.stack([1 - labels, labels], axis=1).astype(np.float32)
    computed = compute_metrics(evaluator)
    first = computed(SimpleNamespace(predictions=(logits, "hidden states"), label_ids=labels))
    assert first["miou"] == 1
    assert computed(SimpleNamespace(predictions=logits, label_ids=labels)) == first
    assert len(evaluator) == 2
