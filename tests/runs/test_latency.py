"""Timing a fitted method: one image at a time, and the batch that suits it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from segbench.baselines.threshold import Threshold
from segbench.baselines.unet import UNet
from segbench.datasets.isbi2012 import ISBI2012
from segbench.runs import latency
from segbench.runs.latency import MAX_IMAGES, measure_latency
from segbench.types import Prediction, Uint8
from small_stack import context, samples, write_stack


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"), 32)


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as a run of a user has, of which those of other tests have a part."""
    monkeypatch.setattr(latency, "_BUDGET_S", 1.0)


@dataclass
class Clock:
    """What timing takes for the time: it goes on where a method says that it works, however busy the machine is."""

    seconds: float = 0.0

    def perf_counter(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(latency, "time", made)
    return made


class Starting(Threshold):
    """Takes 8 ms to start and 1 ms per image; more than four images at once do not fit into its memory."""

    calls: list[int]
    clock: Clock

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        self.calls.append(len(images))
        if len(images) > 4:
            raise MemoryError
        self.clock.seconds += 0.008 + 0.001 * len(images)
        return [Prediction(labels=np.zeros(image.shape[:2], np.uint8)) for image in images]


def test_a_start_is_shared_by_the_images_of_a_batch(dataset: ISBI2012, clock: Clock) -> None:
    method = Starting(Starting.info.defaults)
    method.calls, method.clock = [], clock
    found = measure_latency(method, dataset, dataset.ids("train"))
    assert found.predict_ms_per_image is not None
    assert found.predict_ms_per_image == 9
    assert found.best_batch == 4
    assert found.best_batch_ms_per_image is not None
    assert found.best_batch_ms_per_image < 0.6 * found.predict_ms_per_image
    assert found.macs_per_image is None
    assert method.calls[: MAX_IMAGES + 1] == [1] * (MAX_IMAGES + 1)


def test_a_slow_method_is_not_asked_often(dataset: ISBI2012, clock: Clock) -> None:
    class Slow(Starting):
        def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
            self.clock.seconds += 0.4
            return super().predict(images)

    method = Slow(Slow.info.defaults)
    method.calls, method.clock = [], clock
    found = measure_latency(method, dataset, dataset.ids("train"))
    assert len(method.calls) <= 5
    assert found.best_batch in (1, 2)


def test_ctrl_c_ends_it(dataset: ISBI2012, clock: Clock) -> None:
    method = Starting(Starting.info.defaults)
    method.calls, method.clock = [], clock
    with pytest.raises(KeyboardInterrupt):
        measure_latency(method, dataset, dataset.ids("train"), lambda: len(method.calls) >= 2)
    assert method.calls == [1, 1]


@pytest.mark.slow
def test_a_network_counts_its_operations(dataset: ISBI2012, tmp_path: Path) -> None:
    tiny = {"size": None, "base_channels": 2, "depth": 1, "epochs": 1, "iterations_per_epoch": 1, "precision": "fp32"}
    method = UNet({**UNet.info.defaults, **tiny})
    method.fit(samples(dataset, "train", 2), samples(dataset, "val", 0), context(dataset, tmp_path))
    found = measure_latency(method, dataset, dataset.ids("test"))
    # 3x3 convolutions 1-2-2 at full size, 2-4-4 at half; up 4-2 by 2x2; join 4-2-2; last 1x1.
    full, half = 32 * 32, 16 * 16
    assert found.macs_per_image == full * 9 * (2 + 4) + half * 9 * (8 + 16) + full * 8 + full * 9 * (8 + 4) + full * 2
