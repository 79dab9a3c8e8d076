"""What a GPU has to do, where there is one: train every network, predict as a processor does, stay within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.methods.training.augmentation import ViewKey, augment
from segbench.methods.training.config import TrainingConfig
from segbench.registry import make_method
from segbench.types import FitContext, Samples
from small_settings import SMALL
from small_stack import write_stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA GPU here"),
]

SHORT: dict[str, Any] = {"epochs": 2, "iterations_per_epoch": 3, "batch_size": 2, "size": None, "crop": 32}


def _fitted(name: str, folder: Path, **settings: Any) -> tuple[Any, Samples, FitContext]:
    write_stack(folder)
    dataset = ISBI2012(folder)
    samples = Samples(dataset, dataset.ids("train"))
    (folder / "fit").mkdir(exist_ok=True)
    context = FitContext(dataset.info, "cuda", 0, folder / "fit", workers=2)
    method = make_method(name, {**SMALL.get(name, {}), **SHORT, **settings})
    method.fit(samples, Samples(dataset, dataset.ids("val")), context)
    return method, samples, context


@pytest.mark.parametrize("name", ["unet", *SMALL])
def test_what_a_gpu_has_trained_predicts_alike_on_a_processor(name: str, tmp_path: Path) -> None:
    method, samples, context = _fitted(name, tmp_path, precision="fp32")
    images = [image for sample in samples if (image := sample.image) is not None][:3]
    there = method.predict(images)
    method.save(tmp_path)
    method.load(tmp_path, context.dataset, "cpu")
    here = method.predict(images)
    for gpu, cpu in zip(there, here, strict=True):
        assert np.abs(gpu.probabilities - cpu.probabilities).max() < 2e-3


@pytest.mark.parametrize("precision", ["auto", "fp32", "tf32", "bf16", "fp16"])
def test_every_precision_trains(precision: str, tmp_path: Path) -> None:
    method, samples, _ = _fitted("unet", tmp_path, precision=precision, ema=0.9, base_channels=4)
    (prediction,) = method.predict([samples[0].image])
    assert np.isfinite(prediction.probabilities).all()


def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    _, samples, context = _fitted("unet", tmp_path, base_channels=4, epochs=1)
    method = make_method("unet", {**SHORT, "base_channels": 4, "epochs": 1})
    resumed = FitContext(context.dataset, "cuda", 0, context.folder, resume=True)
    said: list[str] = []
    resumed.log = said.append
    method.fit(samples, Samples(samples.dataset, ()), resumed)
    assert any("resumed after epoch 1" in line for line in said)


def test_a_batch_that_does_not_fit_is_named_with_one_that_does(tmp_path: Path) -> None:
    whole = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(min(1.0, 1.5e9 / whole))
    try:
        with pytest.raises(UserError, match=r"batch_size=64 does not fit. Use --set batch_size=(1|2|4|8|16|32)\."):
            _fitted("unet", tmp_path, batch_size=64, crop=512, base_channels=16, precision="fp32")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def test_views_are_those_of_a_processor() -> None:
    config = TrainingConfig(
        crop=40, rotation=0.3, zoom=0.1, elastic=2.0, contrast=0.2, gamma=0.2, brightness=0.1, color=0.1, flip=True
    )
    random = np.random.default_rng(0)
    images = [torch.from_numpy(random.integers(0, 256, (3, 64, 64), dtype=np.uint8)) for _ in range(4)]
    targets = [torch.from_numpy(random.integers(0, 3, (64, 64), dtype=np.uint8)) for _ in range(4)]
    keys = [ViewKey(7, sample) for sample in range(4)]
    here = augment(images, targets, config, keys)
    there = augment([i.cuda() for i in images], [t.cuda() for t in targets], config, keys)
    assert torch.allclose(here[0], there[0].cpu(), atol=2e-3)
    assert (here[1] == there[1].cpu()).float().mean() > 0.998  # a pixel between two may round to the other
