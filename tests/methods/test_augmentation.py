"""Views of training images: warps, lights and crops, which follow from the seed alone."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
import torch
from tiny_trainings import settings

from segbench.methods.training.augmentation import ViewKey, augment
from segbench.methods.training.engine import _draw, epoch_seed
from segbench.methods.training.losses import IGNORE

pytestmark = pytest.mark.slow

Pairs: TypeAlias = tuple[list[torch.Tensor], list[torch.Tensor]]
"""Images and their targets."""
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


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def view_keys(seed: int = 0, count: int = 3) -> list[ViewKey]:
    return [ViewKey(seed, sample) for sample in range(count)]


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
