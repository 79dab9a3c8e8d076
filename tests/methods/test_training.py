"""The shared training loop: augmentation laws, schedule, checkpoints, resume to the bit, stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_trainings import TINY, fit

from segbench.baselines.unet import UNet, UNetConfig, build_network
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.methods.training.precision import Compute, algorithms
from segbench.methods.training.schedule import Forecast, Pace, learning_rate_factor
from segbench.runs.devices import resolve_device
from small_stack import context, samples, write_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


def test_the_layout_on_a_processor_changes_logits_by_rounding_alone() -> None:
    torch.manual_seed(0)
    network = build_network(UNetConfig.model_validate({"base_channels": 8, "depth": 3})).eval()
    images = torch.rand(3, 1, 96, 64)
    compute = Compute.choose("cpu", "fp32")
    with torch.inference_mode():
        plain = network(images)
        placed = compute.place(network)(compute.images(images))
    kernels = [weights for weights in network.parameters() if weights.dim() == 4]
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    assert (plain - placed).abs().max() <= 1e-5


@pytest.mark.parametrize(("processor", "channels_last"), [("AVX2", False), ("AVX512", True), ("DEFAULT", True)])
def test_the_layout_of_training_is_that_of_the_processors_backward_pass(
    processor: str, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    compute = Compute.choose("cpu", "fp32")
    network = torch.nn.Conv2d(3, 4, 3)
    images = torch.rand(2, 3, 8, 8)

    def last(kernels: torch.Tensor) -> bool:
        return kernels.is_contiguous(memory_format=torch.channels_last)

    assert last(next(compute.place(network, training=True).parameters())) is channels_last
    assert last(compute.images(images, training=True)) is channels_last
    assert last(next(compute.place(network).parameters()))
    assert last(compute.images(images))


def test_cosine_schedule() -> None:
    assert learning_rate_factor("cosine", 0.1, 0.05) == pytest.approx(0.5)
    assert learning_rate_factor("cosine", 0.1, 0.1) == 1
    assert learning_rate_factor("cosine", 0.1, 0.55) == pytest.approx(0.5)
    assert learning_rate_factor("cosine", 0.1, 1.0) == pytest.approx(0, abs=1e-12)
    assert learning_rate_factor("constant", 0.0, 0.7) == 1


def test_the_clock_takes_over_when_the_machine_is_slow() -> None:
    slow = Pace(100, limit_minutes=1, seconds_before=30)
    assert slow.fraction(10) == pytest.approx(0.5, abs=0.01)
    assert slow.cut
    fast = Pace(100, limit_minutes=1, seconds_before=5)
    assert fast.fraction(1) == 0.01
    assert not fast.cut
    assert Pace(100, limit_minutes=1, seconds_before=61).fraction(10) == 1


def test_how_long_it_takes_is_said_once_and_without_the_first_step() -> None:
    now = 0.0
    forecast = Forecast(Pace(1001, None), lambda: now)
    said = []
    for step in range(1, 100):
        now += 60.0 if step == 1 else 0.13
        said.append(forecast.message(step))
    (text,) = [text for text in said if text is not None]
    assert "about 2 min 5 s more" in text
    assert "--resume" in text


@pytest.mark.parametrize(
    ("seconds", "limit", "expected"),
    [(0.13, None, "about 2 min 5 s more"), (1.0, None, "about 16 min more"), (10.0, 4.0, "about 4 min more")],
)
def test_a_forecast_follows_the_machine_and_the_limit(seconds: float, limit: float | None, expected: str) -> None:
    now = 0.0
    forecast = Forecast(Pace(1000, limit), lambda: now)
    said = []
    for step in range(1, 60):
        now += seconds
        said.append(forecast.message(step))
    (text,) = [text for text in said if text is not None]
    assert expected in text


def test_it_is_said_that_the_limit_and_not_the_steps_will_end_training() -> None:
    now = 0.0
    forecast = Forecast(Pace(2_000, 8.5), lambda: now)
    said = []
    for step in range(1, 60):
        now += 1.7
        said.append(forecast.message(step))
    (text,) = [text for text in said if text is not None]
    # The pace's own clock stands still here: 510 s are left, which is 300 steps after the sixth one.
    assert "takes about 8 min 30 s more: on this machine its time limit ends it after about 306 of 2,000" in text
    assert "would take 56 min (--set time_limit_minutes=null)" in text
    assert forecast.seconds_left(60) == pytest.approx(510, abs=1)


@pytest.mark.parametrize("limit", [None, 60.0])
def test_where_the_steps_end_training_the_time_left_follows_from_them(limit: float | None) -> None:
    now = 0.0
    forecast = Forecast(Pace(2_000, limit), lambda: now)
    assert forecast.seconds_left(1) is None
    for step in range(1, 60):
        now += 1.0
        assert "2000" not in (forecast.message(step) or "")
    assert forecast.seconds_left(60) is None


def test_a_short_training_says_nothing() -> None:
    now = 0.0
    forecast = Forecast(Pace(50, None), lambda: now)
    for step in range(1, 51):
        now += 0.3
        assert forecast.message(step) is None


def test_the_time_limit_ends_training_with_a_warning(dataset: ISBI2012, tmp_path: Path) -> None:
    method = UNet({**UNet.info.defaults, **TINY, "epochs": 100000, "time_limit_minutes": 0.02})
    warnings: list[str] = []
    situation = context(dataset, tmp_path)
    situation.warn = warnings.append
    method.fit(samples(dataset, "train", 5), samples(dataset, "val", 0), situation)
    assert "the time limit of 0.02 minutes shaped the training" in warnings[0]


def test_progress_reports_the_loss_and_ends_complete(dataset: ISBI2012, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    situation = context(dataset, tmp_path)
    situation.progress = lambda done, total, text="", *_: seen.append((done, total, text))
    UNet({**UNet.info.defaults, **TINY}).fit(samples(dataset, "train", 5), samples(dataset, "val", 0), situation)
    assert seen[-1][:2] == (12, 12)
    assert seen[-1][2].startswith("loss 0.")


@pytest.mark.parametrize(
    ("values", "message"),
    [({"learning_rate": 1e30, "clip_norm": 0.0, "ema": 0.0, "epochs": 30}, "training diverged")],
)
def test_a_diverging_run_is_a_message(dataset: ISBI2012, tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit(dataset, tmp_path, **values)


def test_an_empty_training_split_is_a_message(dataset: ISBI2012, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to learn from"):
        UNet(UNet.info.defaults).fit(samples(dataset, "train", 0), samples(dataset, "val"), context(dataset, tmp_path))


def test_best_without_validation_samples_warns(dataset: ISBI2012, tmp_path: Path) -> None:
    warnings: list[str] = []
    situation = context(dataset, tmp_path)
    situation.warn = warnings.append
    method = UNet({**UNet.info.defaults, **TINY, "select": "best", "epochs": 1})
    method.fit(samples(dataset, "train", 2), samples(dataset, "val", 0), situation)
    assert "select=best needs validation samples" in warnings[0]


@pytest.mark.parametrize("number", ["99", "\u00b2", "9" * 5000, "x", "-1"])
def test_a_number_of_no_device_is_a_message(number: str) -> None:
    with pytest.raises(UserError, match=r"PyTorch finds [0-9]+ such devices"):
        resolve_device(f"cuda:{number}", learned=True)


def test_a_device_that_is_not_there_is_a_message() -> None:
    with pytest.raises(UserError, match="Try --device cpu"):
        Compute.choose("warp-drive", "auto")


@pytest.mark.parametrize(
    ("exact", "one_size", "tried"), [(False, True, True), (False, False, False), (True, True, False)]
)
def test_fast_algorithms_are_tried_where_all_batches_are_of_one_size(exact: bool, one_size: bool, tried: bool) -> None:
    before = torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    with algorithms(deterministic=exact, one_size=one_size):
        assert (torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()) == (tried, exact)
    assert (torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()) == before
