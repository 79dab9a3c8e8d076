"""Blocks of neighbours: films of which there are too few to draw, whose frames are alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commands import Run, printed_json
from places import ROOT
from segbench.evaluation.comparison import Paired
from segbench.evaluation.resampling import Units
from segbench.metrics.overlap import Overlap
from segbench.registry import dataset_class
from segbench.types import Float64, Statistic, UserError

RECORDS = ROOT / "leaderboards" / "records"
CAMVID = [str(RECORDS / name) for name in ("camvid-kmeans-68482788", "camvid-watershed-ef059138")]
INFO = dataset_class("camvid").info
METRIC = Overlap()
MIOU = next(score for score in METRIC.scores if score.name == "pixel_accuracy")


def film(right: Float64, name: str = "one") -> list[Statistic]:
    """Frames of 10 000 pixels with this part (n,) of them right."""
    found = []
    for number, part in enumerate(right.tolist()):
        pixels = np.array([round(10_000 * part), 10_000 - round(10_000 * part)])
        columns = {"truth": np.array([0, 0]), "prediction": np.array([0, 1]), "pixels": pixels}
        found.append(Statistic(METRIC.name, f"{name}-{number:04d}", name, number, columns))
    return found


def test_blocks_are_neighbours_of_one_film() -> None:
    frames = [*film(np.full(7, 0.5), "a"), *film(np.full(4, 0.5), "b")]
    mixed = [frames[place] for place in np.random.default_rng(0).permutation(11)]
    blocks = Units.in_blocks(METRIC, mixed, 2)
    named = {each.sample_id: block for each, block in zip(mixed, blocks.member.tolist(), strict=True)}
    members = {name: [i for i in sorted(named) if named[i] == name] for name in named.values()}
    assert sorted(members.values()) == [
        ["a-0000", "a-0001"], ["a-0002", "a-0003"], ["a-0004", "a-0005"], ["a-0006"],
        ["b-0000", "b-0001"], ["b-0002", "b-0003"],
    ]  # fmt: skip


def test_where_whole_groups_are_drawn_and_of_too_few_blocks_it_is_refused() -> None:
    many = [each for name in "abcde" for each in film(np.full(2, 0.5), name)]
    with pytest.raises(UserError, match="are of 5 groups, which are drawn as they are"):
        Units.in_blocks(METRIC, many, 2)
    with pytest.raises(UserError, match="--blocks 4: makes 3 blocks of these samples, and intervals need 5"):
        Units.in_blocks(METRIC, film(np.full(12, 0.5)), 4)


def test_samples_that_stand_alone_have_no_neighbours() -> None:
    """As in a flat folder, where each image is a group of its own: blocks of one would change nothing, in silence."""
    alone = [replace(each, group=each.sample_id) for each in film(np.full(40, 0.5))]
    with pytest.raises(UserError, match="stands alone"):
        Units.in_blocks(METRIC, alone, 10)


def test_of_frames_that_are_alike_blocks_call_no_more_different_than_they_should() -> None:
    """Two equal methods, whose difference drifts over 12 frames: one by one half of the films call them different."""
    random = np.random.default_rng(1)
    called = {None: 0, 30: 0}
    for _ in range(120):
        drift = np.convolve(random.normal(size=311), np.ones(12) / 12, "valid")[:300]
        sides = tuple(tuple(film(0.6 + sign * 0.1 * drift)) for sign in (1, -1))
        for blocks in called:
            paired = Paired(METRIC, INFO, MIOU, sides, resamples=200, blocks=blocks)
            called[blocks] += paired.p_value(0, 1) < 0.05
    assert called[None] > 40
    assert called[30] <= 15


def test_the_command_says_what_samples_of_two_films_are_worth(bench: Run) -> None:
    alone = bench("compare", *CAMVID)
    assert "these 233 samples are of 2 groups, too few to draw" in " ".join(alone.stdout.split())
    single, together = (printed_json(bench("compare", *CAMVID, "--json", *more)) for more in ([], ["--blocks", "20"]))
    assert (single["few_groups"], single["blocks"], single["units"]) == (2, None, 233)
    assert (together["few_groups"], together["blocks"], together["units"]) == (None, 20, 13)
    assert single["differences"][0]["p"] < 0.05 < 0.3 < together["differences"][0]["p"]
    told = " ".join(bench("compare", *CAMVID, "--blocks", "20").stdout.split())
    assert "by swapping whole blocks of 20 consecutive samples" in told
    assert "too few to draw" not in told
