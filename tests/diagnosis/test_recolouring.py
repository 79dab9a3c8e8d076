"""The doctor recognises label maps in colours of any other palette, and only where the truth proves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from diagnosed_cases import Case, Map, first, write_each
from segbench.registry import dataset_class
from segbench.types import DatasetInfo

# The first eight of matplotlib's tab10, which a label map gets from `pyplot.imsave(path, labels, cmap="tab10")`.
TAB10 = ["1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b", "e377c2", "7f7f7f", "bcbd22", "17becf"]
VIRIDIS_ENDS = ((68, 1, 84), (253, 231, 37))


def _palette(seed: int) -> Map:
    """256 different colours, the first of them matplotlib's."""
    random = np.random.default_rng(seed)
    others = random.choice(2**24, 246, replace=False)
    tab10 = [int(color, 16) for color in TAB10]
    packed = np.array([*tab10, *others])
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)


@pytest.mark.parametrize("name", ["voc", "cityscapes"])
def test_colours_of_another_palette(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case, colours = cases[name], _palette(0)
    folder = write_each(tmp_path / "p", case.predictions, lambda values: colours[values])
    finding = first(case, folder, "palette")
    assert "colours that are not those of the classes" in finding.summary
    assert finding.score_before is None
    label = max(set(np.concatenate([np.unique(each) for each in case.predictions.values()]).tolist()) & set(range(10)))
    named = next(c.name for c in (*_info(case).classes, *_info(case).unscored) if c.id == label)
    assert f"#{TAB10[label]} is {label} ({named})" in " ".join(finding.evidence)
    assert f"{tuple(colours[label].tolist())}: {label}" in finding.remedy


def _info(case: Case) -> DatasetInfo:
    info: DatasetInfo = dataset_class(case.dataset).info
    return info


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 2, 1), (1, 2, 0)])
def test_class_colours_with_channels_in_another_order(
    order: tuple[int, int, int], cases: dict[str, Case], tmp_path: Path
) -> None:
    case = cases["cityscapes"]
    colours = np.zeros((256, 3), np.uint8)
    for c in (*_info(case).classes, *_info(case).unscored):
        colours[c.id] = c.color
    first(
        case, write_each(tmp_path / "p", case.predictions, lambda values: colours[values][..., list(order)]), "palette"
    )


@pytest.mark.parametrize("name", ["isbi", "medaka"])
@pytest.mark.parametrize("alpha", [False, True])
def test_masks_in_two_colours(name: str, alpha: bool, cases: dict[str, Case], tmp_path: Path) -> None:
    """As matplotlib's `imsave` writes a mask, with an alpha channel."""
    masks = {
        i: np.where(values > (127 if name == "isbi" else 0), 255, 0) for i, values in cases[name].predictions.items()
    }
    case = replace(cases[name], predictions={i: mask.astype(np.uint8) for i, mask in masks.items()})
    colours = np.array([(*color, *([255] if alpha else [])) for color in VIRIDIS_ENDS], np.uint8)
    folder = write_each(tmp_path / "p", case.predictions, lambda values: colours[values // 255])
    finding = first(case, folder, "palette")
    assert "#440154 is 0" in " ".join(finding.evidence)


def _jpeg(values: Map) -> Map:
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(values[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 60])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]


def _anything(values: Map) -> Map:
    return np.random.default_rng(int(values.sum())).integers(0, 10, values.shape).astype(np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: _jpeg(_palette(0)[values]),
        lambda values: _palette(0)[_anything(values)],
        lambda values: np.random.default_rng(0).integers(0, 256, (*values.shape, 3)).astype(np.uint8),
        lambda values: _palette(0)[np.zeros_like(values)],
        lambda values: _palette(int(values.sum()))[::-1][values],
    ],
    ids=["compressed", "random labels", "noise", "one colour", "other colours in every file"],
)
def test_colours_that_stand_for_nothing_are_not_explained(
    change: Callable[[Map], Map], cases: dict[str, Case], tmp_path: Path
) -> None:
    case = cases["voc"]
    found = case.diagnose(write_each(tmp_path / "p", case.predictions, change))
    assert "palette" not in {finding.kind for finding in found.findings}


def test_an_own_folder_whose_masks_have_colours(tmp_path: Path) -> None:
    """Truth in the colours of classes.yaml, predictions in those of another palette."""
    root, random = tmp_path / "mine", np.random.default_rng(0)
    (root / "masks").mkdir(parents=True)
    (tmp_path / "p").mkdir()
    (root / "classes.yaml").write_text(
        "classes:\n"
        "  - {id: 0, name: background, color: [0, 0, 0]}\n"
        "  - {id: 1, name: cell, color: [255, 0, 0]}\n"
        "  - {id: 2, name: nucleus, color: [0, 0, 255]}\n"
        "masks: colors\n"
    )
    own, other = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8), _palette(0)[[0, 1, 2]]
    for n in range(8):
        labels = np.zeros((60, 80), np.uint8)
        x, y = random.integers(5, 30, 2)
        labels[y : y + 20, x : x + 30], labels[y + 5 : y + 12, x + 5 : x + 15] = 1, 2
        Image.fromarray(own[labels]).save(root / f"masks/s{n}.png")
        found = np.where(random.random(labels.shape) < 0.05, 0, np.roll(labels, 1, 1))
        Image.fromarray(other[found]).save(tmp_path / f"p/s{n}.png")
    (finding,) = Case("folder", root, {}, "all").diagnose(tmp_path / "p").findings
    assert finding.kind == "palette"
    assert "#1f77b4 is 0 (background), #ff7f0e is 1 (cell), #2ca02c is 2 (nucleus)" in " ".join(finding.evidence)
    assert finding.score_after is not None
    assert finding.score_after > 0.7
