"""The doctor recognises probabilities on another scale, logits, inverted masks, axes in another order and NaN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from diagnosed_cases import (
    Case,
    Map,
    first,
    logit,
    write,
    write_each,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_inverted_masks(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: (255 - values).astype(np.uint8))
    assert "correlation" in first(case, folder, "inverted").evidence[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isbi", "medaka"])
@pytest.mark.parametrize("part", ["one", "half", "all but one"])
def test_some_masks_are_inverted(name: str, part: str, cases: dict[str, Case], tmp_path: Path) -> None:
    """They are named, those that are not too, and nothing is advised that would be done to all."""
    case = cases[name]
    ids = list(case.predictions)
    wrong = {"one": ids[2:3], "half": ids[::2], "all but one": ids[1:]}[part]
    maps = {i: 255 - values if i in wrong else values for i, values in case.predictions.items()}
    found = case.diagnose(write(tmp_path / "p", maps))
    (finding,) = found.findings
    assert (finding.kind, finding.score_after) == ("inverted_in_part", None)
    assert finding.summary.startswith(f"{len(wrong)} of {len(ids)} masks are inverted, and {len(ids) - len(wrong)} are")
    told = [set(line.partition(": ")[2].split(", ")) for line in finding.evidence[:2]]
    assert [{Path(each).stem for each in names} for names in told] == [set(wrong), set(ids) - set(wrong)]
    assert "never all" in finding.remedy


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_weak_masks_are_not_inverted_ones(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    """Random blocks agree and disagree with their truth by chance, some of them clearly."""
    random = np.random.default_rng(11)
    for number in range(3):
        maps = {}
        for place, (i, values) in enumerate(cases[name].predictions.items()):
            height, width = values.shape
            blocks = random.integers(0, 2, (4, 4)).repeat(-(-height // 4), 0).repeat(-(-width // 4), 1)
            maps[i] = values if place == number else (255 * blocks[:height, :width]).astype(np.uint8)
        found = cases[name].diagnose(write(tmp_path / f"{number}", maps))
        assert "inverted_in_part" not in {finding.kind for finding in found.findings}


def test_0_and_1_in_8_bits(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["isbi"]
    masks = {i: np.where(values > 127, 255, 0).astype(np.uint8) for i, values in case.predictions.items()}
    case = Case(case.dataset, case.root, masks, case.split)
    folder = write_each(tmp_path / "p", masks, lambda values: values // 255)
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["probabilities"]
    # V_Rand takes its best threshold, and the lowest is 0; Dice shows the mistake.
    assert found.findings[0].score_after == case.score(write(tmp_path / "right", masks))
    assert "dice 0.0000 as it is" in " ".join(found.findings[0].evidence)


@pytest.mark.parametrize(("front", "off"), [(2, 1), (1, 2), (0, 1), (7, 9)])
def test_foreground_of_another_value(front: int, off: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    folder = write_each(
        tmp_path / "p", case.predictions, lambda values: np.where(values > 0, front, off).astype(np.uint8)
    )
    finding = first(case, folder, "renumbered" if {front, off} != {0, 1} else "inverted")
    assert finding.score_after == case.undamaged
    if {front, off} != {0, 1}:
        assert f"written as {front} and the background as {off}" in finding.summary


@pytest.mark.parametrize("how", [np.fliplr, np.flipud])
def test_inverted_and_turned(how: Callable[[Map], Map], cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["isbi"]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: how((255 - values).astype(np.uint8)))
    found = case.diagnose(folder)
    assert {finding.kind for finding in found.findings} == {"orientation", "inverted"}
    assert found.findings[-1].score_after == case.undamaged


def levels_of_16_bits(values: Map) -> Map:
    """Probabilities of 8 bits in 16, of which those near 0 and 1 are unsure: 0 and 65535 alone would be a mask."""
    unsure = 300 + 37 * (np.arange(values.size).reshape(values.shape) % 9)
    return np.clip(values.astype(np.int64) * 257, unsure, 65535 - unsure).astype(np.uint16)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (logit, "logits"),
        (lambda values: (values / 2.55).astype(np.float32), "per cent"),
        (lambda values: values.astype(np.float32), "0 to 255"),
        (levels_of_16_bits, "16-bit"),
        # As interpolation makes them: a sigmoid of such values is one everywhere.
        (lambda values: (values * (257.9 / 255) - 0.9).astype(np.float32), "0 to 255"),
        (lambda values: (values * (1.06 / 255) - 0.03).astype(np.float32), "beyond 0 to 1"),
    ],
)
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_probabilities_on_another_scale(
    name: str, change: Callable[[Map], Map], words: str, cases: dict[str, Case], tmp_path: Path
) -> None:
    case = cases[name]
    finding = first(case, write_each(tmp_path / "p", case.predictions, change, ".npy"), "probabilities", exact=False)
    assert words in finding.summary
    assert finding.score_before is None
    assert finding.score_after == pytest.approx(case.undamaged, abs=0.002)


@pytest.mark.slow
def test_black_and_white_of_16_bits_are_masks(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: values.astype(np.uint16) * 257, ".npy")
    found = case.diagnose(folder)
    assert found.findings == []
    assert found.score == case.undamaged


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "words"), [(255 * 255, "divided by 255 twice"), (255 / 0.34, "no probability reaches 0.5 (the highest")]
)
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_probabilities_that_never_reach_one_half(
    name: str, scale: float, words: str, cases: dict[str, Case], tmp_path: Path
) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: (values / scale).astype(np.float32), ".npy")
    finding = case.diagnose(folder).findings[0]
    assert words in finding.summary
    # V_Rand takes its best threshold, which may be right on any scale; Dice shows the mistake.
    assert finding.score_after == pytest.approx(case.undamaged, abs=0.01)


@pytest.mark.slow
def test_logits_of_classes(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write_each(
        tmp_path / "p",
        case.predictions,
        lambda values: np.stack([np.where(values == c, 3.5, -2) for c in range(21)]).astype(np.float16),
        ".npy",
    )
    assert first(case, folder, "probabilities").score_before is None


def test_classes_last(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write_each(
        tmp_path / "p",
        case.predictions,
        lambda values: np.stack([values == c for c in range(21)], axis=2).astype(np.float32),
        ".npy",
    )
    first(case, folder, "axes")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_nan_probabilities(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    maps = {i: (values / 255).astype(np.float32) for i, values in case.predictions.items()}
    zero = {i: values.copy() for i, values in maps.items()}
    for n, i in enumerate(maps):
        if n % 3 == 0:
            maps[i][:6] = np.nan
            zero[i][:6] = 0
    found = case.diagnose(write(tmp_path / "p", maps, ".npy"))
    assert [f.kind for f in found.findings] == ["probabilities"]
    finding = found.findings[0]
    assert "NaN share" in finding.evidence[0]
    assert "finite probabilities" in finding.remedy
    assert finding.score_before is None
    assert finding.estimate
    assert finding.score_after == case.score(write(tmp_path / "zero", zero, ".npy"))


@pytest.mark.slow
def test_nan_among_logits_and_scores_of_classes(cases: dict[str, Case], tmp_path: Path) -> None:
    logits = {i: logit(values) for i, values in cases["medaka"].predictions.items()}
    for values in logits.values():
        values[:2] = np.nan
    found = cases["medaka"].diagnose(write(tmp_path / "p", logits, ".npy"))
    assert [f.kind for f in found.findings] == ["probabilities"] * 2
    assert found.findings[1].score_after is not None

    def scores(values: Map) -> NDArray[np.float16]:
        hot = np.stack([values == c for c in range(21)]).astype(np.float16)
        hot[:, :3] = np.nan
        return hot

    found = cases["voc"].diagnose(write_each(tmp_path / "voc", cases["voc"].predictions, scores, ".npy"))
    assert [f.kind for f in found.findings] == ["probabilities"]
    assert "hold NaN" in found.findings[0].summary
