"""The lecture's 3 x 3 example: one foreground pixel, probabilities of exactly 0, 1/2 and 1, computed in float64."""

from __future__ import annotations

import math

import pytest
import torch

from segbench.errors import UserError
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.losses import (
    IGNORE,
    balanced_bce,
    cross_entropy,
    dice_loss,
    focal_loss,
    make_loss,
    tversky_loss,
    weighted_bce,
)

pytestmark = pytest.mark.slow

CERTAIN = 800.0
"""A logit whose sigmoid is 1 in float64, and 0 when negated."""

TRUTH = torch.zeros(1, 3, 3, dtype=torch.uint8)
TRUTH[0, 1, 1] = 1


def logits_of(*pixels: tuple[int, int]) -> torch.Tensor:
    """Certain foreground at `pixels`, certain background elsewhere."""
    logits = torch.full((1, 3, 3), -CERTAIN, dtype=torch.float64)
    for row, column in pixels:
        logits[0, row, column] = CERTAIN
    return logits


def logits_at(probability: float) -> torch.Tensor:
    return torch.full((1, 3, 3), math.log(probability / (1 - probability)), dtype=torch.float64)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [(logits_of((0, 0)), 2 / 3), (logits_of(), 0.5), (logits_of((1, 1)), 0.0)],
    ids=["at the wrong place", "nothing", "right"],
)
def test_dice_of_the_lecture(logits: torch.Tensor, expected: float) -> None:
    assert dice_loss(logits, TRUTH).item() == pytest.approx(expected, abs=1e-12)


def test_dice_is_the_mean_over_images() -> None:
    both = torch.cat([logits_of((0, 0)), logits_of()])
    assert dice_loss(both, TRUTH.repeat(2, 1, 1)).item() == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-12)


def test_balanced_bce_of_the_lecture() -> None:
    """beta = 7/8 on one foreground and eight background pixels: -(7/8 log p + 8/8 log(1-p)) / 9."""
    expected = -(7 / 8 * math.log(0.25) + 8 * (1 / 8) * math.log(0.75)) / 9
    assert balanced_bce(logits_at(0.25), TRUTH, beta=7 / 8).item() == pytest.approx(expected, rel=1e-12)


def test_balanced_bce_is_half_the_plain_one_at_one_half() -> None:
    plain = weighted_bce(logits_at(0.3), TRUTH)
    assert balanced_bce(logits_at(0.3), TRUTH, beta=0.5).item() == pytest.approx(plain.item() / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [(logits_of((1, 1)), 0.0), (logits_of(), 1.0), (logits_of((1, 1), (0, 0)), 1 - 1 / (1 + 1 / 8))],
    ids=["right", "nothing", "one false positive"],
)
def test_tversky_of_the_lecture(logits: torch.Tensor, expected: float) -> None:
    assert tversky_loss(logits, TRUTH, beta=1 / 8).item() == pytest.approx(expected, abs=1e-12)


def test_tversky_weighs_a_missed_pixel_seven_times_an_invented_one() -> None:
    truth = TRUTH.clone()
    truth[0, 2, 2] = 1
    missed = tversky_loss(logits_of((1, 1)), truth, beta=1 / 8)
    assert missed.item() == pytest.approx(1 - 1 / (1 + 7 / 8), abs=1e-12)


def test_weighted_bce_is_a_weighted_mean() -> None:
    """Membrane weight 3: (log-loss of one cell pixel + 3 times that of eight membrane pixels) / (1 + 24)."""
    expected = -(math.log(0.25) + 3 * 8 * math.log(0.75)) / 25
    loss = weighted_bce(logits_at(0.25), TRUTH, background_weight=3.0)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["dice", "ce", "bce", "balanced-bce", "tversky", "focal", "dice+bce"])
def test_ignored_pixels_change_neither_loss_nor_gradient(name: str) -> None:
    loss = make_loss(TrainingConfig.model_validate({"loss": name}))
    target = TRUTH.clone()
    target[0, 0] = IGNORE
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(1, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    other = one.detach().clone()
    other[0, 0] = 5.0
    assert loss(one, target).item() == loss(other, target).item()
    (gradient,) = torch.autograd.grad(loss(one, target), one)
    assert not gradient[0, 0].any()
    assert gradient[0, 1:].any()


@pytest.mark.parametrize("name", ["dice", "ce", "bce", "balanced-bce", "tversky", "focal"])
def test_nothing_to_count_is_finite(name: str) -> None:
    loss = make_loss(TrainingConfig.model_validate({"loss": name}))
    assert torch.isfinite(loss(logits_at(0.5), torch.full((1, 3, 3), IGNORE, dtype=torch.uint8)))


def test_a_sum_of_losses() -> None:
    config = TrainingConfig.model_validate({"loss": "dice+bce", "background_weight": 2.0})
    parts = dice_loss(logits_at(0.4), TRUTH) + weighted_bce(logits_at(0.4), TRUTH, background_weight=2.0)
    assert make_loss(config)(logits_at(0.4), TRUTH).item() == pytest.approx(parts.item(), rel=1e-12)


def test_low_precision_logits_are_computed_in_float32() -> None:
    assert dice_loss(logits_at(0.4).bfloat16(), TRUTH).dtype == torch.float32


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="must have equal B, H and W"):
        dice_loss(logits_of()[:, :2], TRUTH)


def many(seed: int, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Random logits (2, C, 5, 6) in float64 and a target in which the last class never occurs."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 5, 6, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes - 1, (2, 5, 6), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", ["ce", "dice", "tversky", "focal"])
def test_two_classes_are_the_binary_task_written_twice(name: str) -> None:
    """softmax over (0, x) is sigmoid(x): what counts both classes counts the mean of the task and its mirror image."""
    loss = make_loss(TrainingConfig.model_validate({"loss": name}), outputs=2)
    single = make_loss(TrainingConfig.model_validate({"loss": name}))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 5, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 2, (2, 5, 6), generator=generator, dtype=torch.uint8)
    both = loss(torch.stack([torch.zeros_like(x), x], 1), target).item()
    mirrored = (single(x, target) + single(-x, 1 - target)).item() / 2
    assert both == pytest.approx(mirrored, rel=1e-12)


def test_cross_entropy_of_many_classes() -> None:
    logits, target = many(0)
    target[0, 0] = IGNORE
    counted = target != IGNORE
    p = logits.softmax(1).gather(1, torch.where(counted, target, 0).long()[:, None])[:, 0]
    assert cross_entropy(logits, target).item() == pytest.approx(-p[counted].log().mean().item(), rel=1e-12)
    weight = torch.where(target == 0, 3.0, 1.0)[counted]
    expected = -(weight * p[counted].log()).sum() / weight.sum()
    assert cross_entropy(logits, target, [3.0, 1.0, 1.0]).item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 4])
def test_focal_without_focus_is_the_cross_entropy(outputs: int) -> None:
    logits, target = many(2)
    if outputs == 1:
        logits, target = logits[:, :1], (target > 1).to(torch.uint8)
    assert focal_loss(logits, target, 0.0).item() == pytest.approx(cross_entropy(logits, target).item(), rel=1e-12)
    assert focal_loss(logits, target, 2.0) < cross_entropy(logits, target)


def test_focal_of_one_probability() -> None:
    expected = -(0.75**2 * math.log(0.25) + 8 * 0.25**2 * math.log(0.75)) / 9
    assert focal_loss(logits_at(0.25), TRUTH, 2.0).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["dice", "ce", "tversky", "focal", "ce+dice"])
def test_ignored_pixels_of_many_classes(name: str) -> None:
    loss = make_loss(TrainingConfig.model_validate({"loss": name}), outputs=4)
    one, target = many(3)
    target[:, 0] = IGNORE
    one.requires_grad_()
    other = one.detach().clone()
    other[:, :, 0] = 5.0
    assert loss(one, target).item() == loss(other, target).item()
    (gradient,) = torch.autograd.grad(loss(one, target), one)
    assert not gradient[:, :, 0].any()
    assert gradient[:, :, 1:].any()
    assert torch.isfinite(loss(one, torch.full_like(target, IGNORE)))


@pytest.mark.parametrize("name", ["dice", "ce", "tversky", "focal"])
def test_certain_truth_costs_nothing(name: str) -> None:
    _, target = many(4)
    loss = make_loss(TrainingConfig.model_validate({"loss": name}), outputs=4)
    certain = torch.nn.functional.one_hot(target.long(), 4).permute(0, 3, 1, 2).double() * CERTAIN
    assert loss(certain, target).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["bce", "dice+balanced-bce"])
def test_losses_of_one_sigmoid_are_refused_for_many_classes(name: str) -> None:
    with pytest.raises(UserError, match="Set loss=ce"):
        make_loss(TrainingConfig.model_validate({"loss": name}), outputs=3)


@pytest.mark.parametrize("name", ["dyce", "dice+", "dice+dice", ""])
def test_unknown_losses_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="loss"):
        TrainingConfig.model_validate({"loss": name})
