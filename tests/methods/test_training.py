"""The shared training loop: augmentation laws, schedule, checkpoints, resume to the bit, stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch

from segbench.baselines.unet import UNet, UNetConfig, build_network
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.cocostuff import COCOStuff
from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.methods.targets import prepare_image, prepare_target, resize_probabilities
from segbench.methods.training import checkpoint as checkpoints
from segbench.methods.training.augmentation import ViewKey, augment
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.engine import _draw, epoch_seed
from segbench.methods.training.losses import IGNORE
from segbench.methods.training.precision import Compute, algorithms
from segbench.methods.training.schedule import Forecast, Pace, learning_rate_factor
from segbench.runs.devices import resolve_device
from segbench.types import ClassInfo, DatasetInfo
from small_stack import context, samples, write_stack

pytestmark = pytest.mark.slow

Pairs: TypeAlias = tuple[list[torch.Tensor], list[torch.Tensor]]
"""Images and their targets."""

OFF: dict[str, Any] = {
    "flip": False, "rotate90": False, "rotation": 0.0, "zoom": 0.0, "shift": 0.0, "shear": 0.0, "elastic": 0.0,
}  # fmt: skip
WARPS: list[dict[str, Any]] = [
    {"flip": True},
    {"rotate90": True},
    {"rotation": 1.0},
    {"zoom": 0.3},
    {"shift": 0.3},
    {"shear": 0.5},
    {"elastic": 3.0, "elastic_spacing": 8},
    {"flip": True, "rotate90": True, "rotation": 1.0, "zoom": 0.2, "shift": 0.1, "shear": 0.2, "elastic": 2.0},
]
LIGHTS = [{"brightness": 0.3}, {"contrast": 0.5}, {"gamma": 0.5}, {"color": 0.3}, {"noise": 0.1}]

TINY: dict[str, Any] = {
    "size": None, "crop": 32, "batch_size": 2, "epochs": 4, "iterations_per_epoch": 3, "base_channels": 4, "depth": 2,
    "ema": 0.9, "noise": 0.05, "elastic": 1.0,
}  # fmt: skip


def settings(**values: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"size": None, **OFF, **values})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def view_keys(seed: int = 0, count: int = 3) -> list[ViewKey]:
    return [ViewKey(seed, sample) for sample in range(count)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


@pytest.fixture
def pairs() -> Pairs:
    """Images whose first channel is the target itself (0, 100 or 255), so that image and target can be compared."""
    values = torch.tensor([0, 100, IGNORE], dtype=torch.uint8)
    targets = [values[torch.randint(3, (24, 32), generator=generator(seed))] for seed in range(3)]
    return [target[None].repeat(3, 1, 1) for target in targets], targets


def test_nothing_switched_on_changes_nothing(pairs: Pairs) -> None:
    images, targets = augment(pairs[0], pairs[1], settings(), view_keys())
    assert torch.equal(targets, torch.stack(pairs[1]))
    assert torch.allclose(images, torch.stack(pairs[0]) / 255, atol=1e-4)


@pytest.mark.parametrize("warp", WARPS)
def test_warps_change_the_view_and_keep_label_values(pairs: Pairs, warp: dict[str, Any]) -> None:
    images, targets = augment(pairs[0], pairs[1], settings(**warp), view_keys(1))
    assert set(targets.flatten().tolist()) <= {0, 100, IGNORE}
    assert images.shape == (3, 3, 24, 32)
    assert targets.dtype == torch.uint8
    assert not torch.equal(targets, torch.stack(pairs[1]))
    assert images.min() >= 0
    assert images.max() <= 1


@pytest.mark.parametrize("warp", WARPS)
def test_image_and_target_move_together(warp: dict[str, Any]) -> None:
    """On a smooth ramp whose target is the rounded ramp they must still agree to a grey value."""
    ramp = torch.arange(32).repeat(32, 1) * 7
    target = [ramp.to(torch.uint8)]
    images, targets = augment([target[0][None]], target, settings(**warp), view_keys(2, 1))
    assert (images[0, 0] * 255 - targets[0]).abs().max() <= 7


def test_flips_and_quarter_turns_only_move_pixels(pairs: Pairs) -> None:
    square = [[image[:, :, :24] for image in pairs[0]], [target[:, :24] for target in pairs[1]]]
    images, targets = augment(square[0], square[1], settings(flip=True, rotate90=True), view_keys(3))
    for image, target, original in zip(images, targets, square[1], strict=True):
        assert torch.allclose(image[0] * 255, target.float(), atol=1e-2)
        views = [original.rot90(turns).float() for turns in range(4)]
        views += [view.flip(-1) for view in views]
        assert any(torch.equal(target.float(), view) for view in views)


def test_horizontal_flips_keep_above_above() -> None:
    """Columns number the pixels, rows the tens: half of the views run from right to left, none from bottom to top."""
    target = (torch.arange(8)[:, None] * 10 + torch.arange(6)).to(torch.uint8)
    keys = [ViewKey(epoch_seed(0, 0), sample) for sample in range(200)]
    views = augment([target[None]] * 200, [target] * 200, settings(flip="horizontal"), keys)[1]
    mirrored = [torch.equal(view, target.flip(1)) for view in views]
    assert all(is_so or torch.equal(view, target) for view, is_so in zip(views, mirrored, strict=True))
    assert 70 < sum(mirrored) < 130


@pytest.mark.parametrize("light", LIGHTS)
def test_lights_leave_the_target_alone(pairs: Pairs, light: dict[str, float]) -> None:
    images, targets = augment(pairs[0], pairs[1], settings(**light), view_keys())
    assert torch.equal(targets, torch.stack(pairs[1]))
    assert (images - torch.stack(pairs[0]) / 255).abs().max() > 0.01
    assert images.min() >= 0
    assert images.max() <= 1


def test_a_view_follows_from_its_seed_epoch_sample_and_showing(pairs: Pairs) -> None:
    def view(seed: int = 5, epoch: int = 2, sample: int = 1, showing: int = 0) -> torch.Tensor:
        key = ViewKey(epoch_seed(seed, epoch), sample, showing)
        return augment(pairs[0][:1], pairs[1][:1], settings(**WARPS[-1], noise=0.1, crop=16), [key])[0]

    assert torch.equal(view(), view())
    others = [view(seed=6), view(epoch=3), view(sample=2), view(showing=1)]
    seen = [view(), *others]
    assert not any(torch.equal(one, other) for n, one in enumerate(seen) for other in seen[:n])


@pytest.mark.parametrize("crop", [None, 16, 33, 77], ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_view_is_the_same_to_the_bit_in_every_batch(crop: int | None, threads: int) -> None:
    """Alone, in pairs, in reverse order, or among images of other sizes; with odd sizes, for vectors have a rest."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        config = settings(**WARPS[-1], **{name: value for light in LIGHTS for name, value in light.items()}, crop=crop)
        shapes = [(91, 75)] * 5 if crop is None else [(91, 75), (91, 75), (40, 120), (91, 75), (17, 90)]
        images = [
            torch.randint(256, (3, *shape), generator=generator(n)).to(torch.uint8) for n, shape in enumerate(shapes)
        ]
        targets = [(image[0] > 99).to(torch.uint8) for image in images]
        keys = view_keys(7, 5)

        def batch(order: list[int]) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
            made = augment([images[n] for n in order], [targets[n] for n in order], config, [keys[n] for n in order])
            return {n: (made[0][place], made[1][place]) for place, n in enumerate(order)}

        alone = {n: batch([n])[n] for n in range(5)}
        for order in ([0, 1], [1, 0], [0, 1, 3], [4, 3, 2, 1, 0]):
            for n, (image, target) in batch(order).items():
                assert torch.equal(image, alone[n][0])
                assert torch.equal(target, alone[n][1])
    finally:
        torch.set_num_threads(before)


def test_switching_one_augmentation_on_moves_no_draw_of_another(pairs: Pairs) -> None:
    plain, noisy = (augment(*pairs, settings(**WARPS[-1], noise=noise), view_keys(4)) for noise in (0.0, 0.05))
    assert torch.equal(plain[1], noisy[1])
    assert 0 < (plain[0] - noisy[0]).abs().mean() < 0.05


def test_draws_are_spread_evenly() -> None:
    """Over many keys: half of the views are mirrored, every crop position comes, lights have their mean and range."""
    ramp = torch.arange(12, dtype=torch.uint8).repeat(12, 1) * 20
    keys = [ViewKey(epoch_seed(0, epoch), sample) for epoch in range(40) for sample in range(25)]
    many = ([ramp[None]] * 1000, [ramp] * 1000)
    mirrored = augment(*many, settings(flip=True), keys)[1]
    assert 440 < int((mirrored[:, 0, 0] > mirrored[:, 0, -1]).sum()) < 560
    corners = augment(*many, settings(crop=8), keys)[1][:, 0, 0].bincount(minlength=81)[::20]
    assert len(corners) == 5
    assert corners.min() > 140
    middle = augment(*many, settings(brightness=0.2), keys)[0][:, 0, 0, 6] - 120 / 255
    assert middle.mean() == pytest.approx(0, abs=0.02)
    assert middle.abs().max() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 8])
def test_the_batch_size_changes_neither_views_nor_their_order(batch_size: int) -> None:
    drawn = [key for batch in _draw(5, batch_size, 24 // batch_size, epoch_seed(3, 1)) for key in batch]
    assert drawn == [key for batch in _draw(5, 24, 1, epoch_seed(3, 1)) for key in batch]
    assert len(set(drawn)) == 24
    for start in range(0, 20, 5):
        assert sorted(key.sample for key in drawn[start : start + 5]) == list(range(5))
        assert {key.showing for key in drawn[start : start + 5]} == {start // 5}


def test_crops_are_windows_of_the_image(pairs: Pairs) -> None:
    _, targets = augment(pairs[0], pairs[1], settings(crop=8), view_keys())
    for crop, target in zip(targets, pairs[1], strict=True):
        windows = target.unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 8, 8)
        assert (windows == crop).all(dim=(1, 2)).any()


def test_crops_of_images_of_several_sizes_one_smaller_than_the_crop() -> None:
    targets = [torch.full(shape, value, dtype=torch.uint8) for shape, value in (((40, 20), 1), ((7, 5), 0))]
    images, labels = augment([target[None] for target in targets], targets, settings(crop=16), view_keys(count=2))
    assert images.shape == (2, 1, 16, 16)
    assert (labels[0] == 1).all()
    assert (labels[1] == 0).all()


def test_targets_of_ignored_pixels_and_of_a_foreground_that_is_not_1(dataset: ISBI2012) -> None:
    info = replace(dataset.info, foreground=7, ignore_label=9)
    target = prepare_target(np.array([[0, 7, 9]]), settings(), info)
    assert target.tolist() == [[0, 1, IGNORE]]
    wide = prepare_target(np.array([[0, 7, 9]]).repeat(10, axis=1), settings(size=[8, 17]), info)
    assert set(np.unique(wide)) == {0, 1, IGNORE}


def test_unscored_labels_of_two_classes_are_ignored_as_their_pixels_are_not_scored() -> None:
    info = replace(ISBI2012.info, foreground=7, ignore_label=9, unscored=(ClassInfo(3, "blur", (0, 0, 0)),))
    assert prepare_target(np.array([[0, 7, 9, 3]]), settings(), info).tolist() == [[0, 1, IGNORE, IGNORE]]


@pytest.mark.parametrize("info", [VOC2012.info, COCOStuff.info, Cityscapes.info], ids=lambda info: info.name)
def test_targets_of_many_classes_are_positions_and_void_is_ignored(info: DatasetInfo) -> None:
    for dtype in (np.uint8, np.int32) if min(info.void) >= 0 else (np.int32,):
        values = np.array([*(c.id for c in info.classes), *sorted(info.void)], dtype=dtype)
        target = prepare_target(values[None], settings(), info)
        assert target.dtype == np.uint8
        assert target[0].tolist() == [*range(len(info.classes)), *[IGNORE] * len(info.void)]
    labels = np.array([[info.classes[3].id, *info.void]], dtype=np.int16).repeat(20, axis=1)
    wide = prepare_target(labels, settings(size=[9, 37]), info)
    assert wide.shape == (9, 37)
    assert set(np.unique(wide)) == {3, IGNORE}


def test_unsigned_labels_of_a_dataset_with_a_negative_void_value() -> None:
    """Cityscapes' license plate is -1 in its table; the files hold unsigned values."""
    info = replace(Cityscapes.info, ignore_label=-1)
    labels = np.array([[7, 33, 0]], dtype=np.uint8)
    assert prepare_target(labels, settings(), info).tolist() == [[0, 18, IGNORE]]
    assert prepare_target(labels.astype(np.int16) * 0 - 1, settings(), info).tolist() == [[IGNORE] * 3]


@pytest.mark.parametrize("value", [21, 254, 300, -1])
def test_a_label_value_that_is_no_class_is_a_message(value: int) -> None:
    with pytest.raises(UserError, match=rf"label value {value} is neither a class nor void of 'voc2012'"):
        prepare_target(np.array([[0, value]]), settings(), VOC2012.info)


def test_more_classes_than_a_target_can_tell_from_void_are_refused() -> None:
    classes = tuple(ClassInfo(n, f"class {n}", (0, 0, 0)) for n in range(IGNORE + 1))
    info = replace(VOC2012.info, classes=classes, ignore_label=None)
    with pytest.raises(UserError, match="256 classes; at most 255"):
        prepare_target(np.zeros((2, 2), np.uint8), settings(), info)
    fits = replace(info, classes=classes[:IGNORE])
    assert prepare_target(np.array([[254]]), settings(), fits).tolist() == [[254]]


@pytest.mark.parametrize(("kind", "shape"), [("grey", (8, 12, 1)), ("rgb", (8, 12, 3))])
def test_images_are_prepared_alike_from_grey_and_colour(kind: str, shape: tuple[int, ...]) -> None:
    config = settings(input=kind, size=[8, 12])
    grey = np.full((30, 30), 77, dtype=np.uint8)
    from_grey, from_color = prepare_image(grey, config), prepare_image(np.dstack([grey] * 3), config)
    assert from_grey.shape == shape
    assert (from_grey == 77).all()
    assert np.array_equal(from_grey, from_color)


@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 3)])
def test_an_image_that_must_not_be_written_to_is_copied(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    image.flags.writeable = False
    prepared = prepare_image(image, settings(input="grey" if len(shape) == 2 else "rgb"))
    assert prepared.flags.writeable
    assert prepared.flags.c_contiguous
    assert not np.shares_memory(prepared, image)


def test_resized_probabilities_stay_in_range() -> None:
    small = np.random.default_rng(0).random((5, 9), dtype=np.float32)
    large = resize_probabilities(small, (31, 17))
    assert large.shape == (31, 17)
    assert small.min() <= large.min()
    assert large.max() <= small.max()


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


def test_a_short_training_says_nothing() -> None:
    now = 0.0
    forecast = Forecast(Pace(50, None), lambda: now)
    for step in range(1, 51):
        now += 0.3
        assert forecast.message(step) is None


def fit(
    dataset: ISBI2012, folder: Path, resume: bool = False, stop: Callable[[], bool] | None = None, **values: Any
) -> UNet:
    method = UNet({**UNet.info.defaults, **TINY, **values})
    situation = context(dataset, folder, resume=resume)
    situation.stop = stop or situation.stop
    method.fit(samples(dataset, "train", 5), samples(dataset, "val", 2), situation)
    return method


def weights(method: UNet) -> dict[str, torch.Tensor]:
    return method._fitted()[0].state_dict()


def stop_after(asked: int) -> Callable[[], bool]:
    """A user's interrupt at the n-th time that the loop asks."""
    remaining = iter(range(asked))
    return lambda: next(remaining, None) is None


@pytest.mark.parametrize("values", [{"select": "last"}, {"select": "best"}, {"ghost_batches": 2}])
def test_resume_is_exact_to_the_bit(dataset: ISBI2012, tmp_path: Path, values: dict[str, Any]) -> None:
    whole = weights(fit(dataset, tmp_path / "whole", **values))
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "parts", stop=stop_after(2 * 3 + 1), **values)
    left = checkpoints.load_tensors(tmp_path / "parts" / checkpoints.FILE)[1]
    assert left["epoch"] == 2
    resumed = weights(fit(dataset, tmp_path / "parts", resume=True, **values))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_training_leaves_the_global_generator_alone(dataset: ISBI2012, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    fit(dataset, tmp_path, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_a_stop_in_the_first_epoch_leaves_a_folder_to_start_again_from(dataset: ISBI2012, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path, stop=lambda: True)
    assert list(tmp_path.iterdir()) == []
    fit(dataset, tmp_path, resume=True, epochs=1)


def test_how_samples_are_loaded_changes_no_weight_and_may_change_on_resume(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    whole = weights(fit(dataset, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "parts", stop=stop_after(2 * 3 + 1))
    resumed = weights(fit(dataset, tmp_path / "parts", resume=True, cache_gb=1.0))
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 5
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_a_checkpoint_of_other_draws_is_not_gone_on_from(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(dataset, tmp_path, epochs=1)
    monkeypatch.setattr("segbench.methods.training.state.DRAWS", 2)
    with pytest.raises(UserError, match="draws of augmentation is 2 now and was 1"):
        fit(dataset, tmp_path, epochs=1, resume=True)


def test_resume_refuses_another_configuration(dataset: ISBI2012, tmp_path: Path) -> None:
    fit(dataset, tmp_path, epochs=1)
    with pytest.raises(UserError, match=r"learning_rate is 0.5 now and was 0.001"):
        fit(dataset, tmp_path, resume=True, epochs=1, learning_rate=0.5)


def test_a_finished_run_resumes_to_itself(dataset: ISBI2012, tmp_path: Path) -> None:
    first, again = weights(fit(dataset, tmp_path, epochs=1)), weights(fit(dataset, tmp_path, resume=True, epochs=1))
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


def test_a_damaged_checkpoint_is_a_message(dataset: ISBI2012, tmp_path: Path) -> None:
    fit(dataset, tmp_path, epochs=1)
    path = tmp_path / checkpoints.FILE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="Delete it to start again"):
        fit(dataset, tmp_path, resume=True, epochs=1)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"method": "unet", "outputs": 1}, "'config' is missing"),
        ({"method": "unet", "outputs": 1, "config": [1]}, "'config' is wrong"),
        ({"config": {}, "outputs": 1}, "'method' is missing"),
        ({"method": "unet", "outputs": 1, "config": {"depht": 2}}, "Did you mean 'depth'"),
        ([1], "no JSON object"),
        ({}, "'method' is missing, 'config' is missing, 'outputs' is missing"),
    ],
)
def test_a_foreign_file_of_a_network_is_a_message(dataset: ISBI2012, tmp_path: Path, header: Any, said: str) -> None:
    checkpoints.save_tensors(tmp_path / "model.safetensors", {"w": torch.ones(1)}, header)
    with pytest.raises(UserError, match=said) as caught:
        UNet(UNet.info.defaults).load(tmp_path, dataset.info, "cpu")
    assert "model.safetensors" in str(caught.value)


@pytest.mark.parametrize("lost", ["identity", "epoch", "groups", "numbers", "group", "number", "tensor"])
def test_a_checkpoint_that_lacks_a_part_is_a_message(dataset: ISBI2012, tmp_path: Path, lost: str) -> None:
    fit(dataset, tmp_path, epochs=1)
    tensors, header = checkpoints.load_tensors(tmp_path / checkpoints.FILE)
    if lost in header:
        del header[lost]
    elif lost == "number":
        del header["numbers"]["step"]
    elif lost == "tensor":
        tensors["x"] = tensors.popitem()[1]
    else:
        header["groups"].remove("ema")
    checkpoints.save_tensors(tmp_path / checkpoints.FILE, tensors, header)
    with pytest.raises(UserError, match="Delete it to start again"):
        fit(dataset, tmp_path, epochs=1, resume=True)


@pytest.mark.parametrize("known", [True, False])
def test_a_resumed_run_in_float16_scales_as_one_that_was_not_stopped(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """On a processor, which computes in float16 though no setting takes it; older checkpoints do not know the scale."""
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(
        torch.amp, "GradScaler", lambda device: scaler(device, init_scale=2.0, growth_factor=4.0, growth_interval=2)
    )
    half = Compute(torch.device("cpu"), torch.float16)
    monkeypatch.setattr(Compute, "choose", lambda *_: half)

    def state(name: str) -> dict[str, Any]:
        return dict(checkpoints.load_tensors(tmp_path / name / checkpoints.FILE)[1]["numbers"])

    whole = weights(fit(dataset, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "parts", stop=stop_after(2 * 3 + 1))
    if not known:
        tensors, header = checkpoints.load_tensors(tmp_path / "parts" / checkpoints.FILE)
        del header["numbers"]["scaler"]
        checkpoints.save_tensors(tmp_path / "parts" / checkpoints.FILE, tensors, header)
    resumed = weights(fit(dataset, tmp_path / "parts", resume=True))
    assert state("whole")["scaler"]["scale"] > 2
    assert (state("parts")["scaler"] == state("whole")["scaler"]) is known
    assert not known or all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_a_half_written_checkpoint_is_never_seen(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill just before the new file takes its place: the old one is still whole, and training goes on from it."""
    whole = weights(fit(dataset, tmp_path / "whole"))
    written = iter(range(2))
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if next(written, None) is None:
            raise SystemExit("killed")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(SystemExit):
            fit(dataset, tmp_path / "killed")
    resumed = weights(fit(dataset, tmp_path / "killed", resume=True))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


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
    situation.progress = lambda done, total, text="": seen.append((done, total, text))
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


def test_a_full_disk_is_named_and_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no file size limits to stand for a full disk")
    path = tmp_path / "weights.safetensors"
    checkpoints.save_tensors(path, {"w": torch.ones(10)}, {})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"weights\.safetensors: cannot be written"):
            checkpoints.save_tensors(path, {"w": torch.ones(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("exact", "one_size", "tried"), [(False, True, True), (False, False, False), (True, True, False)]
)
def test_fast_algorithms_are_tried_where_all_batches_are_of_one_size(exact: bool, one_size: bool, tried: bool) -> None:
    before = torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    with algorithms(deterministic=exact, one_size=one_size):
        assert (torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()) == (tried, exact)
    assert (torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()) == before
