"""The doctor recognises label maps of another coding: ids, colours, scales, and classes that were merged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels as official_labels
from numpy.typing import NDArray
from PIL import Image

from diagnosed_cases import (
    Case,
    Map,
    Maps,
    first,
    recode,
    write,
    write_each,
)
from places import shared
from segbench.io.images.read import palette_color
from segbench.registry import dataset_class


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", np.uint8), (".npy", np.int64)])
def test_train_ids_of_cityscapes(suffix: str, dtype: type[np.generic], cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    table = {entry.id: entry.trainId for entry in official_labels if entry.id >= 0}
    change = recode(table)
    folder = write_each(tmp_path / "p", case.predictions, lambda values: change(values).astype(dtype), suffix)
    finding = first(case, folder, "train_ids")
    assert "in 12 of 12 files all are of this coding" in finding.evidence[0]
    assert "19 classes" in finding.evidence[0]


def test_train_ids_of_the_golden_predictions(tmp_path: Path) -> None:
    folder = shared("golden/cityscapes")
    table = np.array([entry.trainId % 256 for entry in official_labels if entry.id >= 0])
    case = Case("cityscapes", folder, {})
    (tmp_path / "p").mkdir()
    for path in (folder / "predictions").iterdir():
        Image.fromarray(table[np.asarray(Image.open(path))].astype(np.uint8)).save(tmp_path / "p" / path.name)
    found = case.diagnose(tmp_path / "p")
    assert [f.kind for f in found.findings] == ["train_ids"]
    # Ignored ids become 255 and then 'unlabeled': false negatives either way.
    assert found.findings[0].score_after == case.score(shutil.copytree(folder / "predictions", tmp_path / "right"))


def test_ids_converted_twice(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    table = {entry.trainId: entry.id for entry in official_labels if 0 <= entry.trainId < 255}
    folder = write_each(tmp_path / "p", case.predictions, recode(table, 0))
    assert first(case, folder, "train_ids", exact=False).estimate


@pytest.mark.parametrize(
    ("name", "shift", "words"),
    [
        ("cocostuff", 1, "one too high"),
        ("cocostuff", -1, "one too low"),
        ("voc", -1, "one too low"),
        ("voc", 1, "high"),
    ],
)
def test_label_values_off_by_one(name: str, shift: int, words: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: (values.astype(int) + shift).astype(np.uint8))
    assert words in first(case, folder, "off_by_one").summary


def test_ids_with_0_for_unlabeled_and_183_for_other(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cocostuff"]
    predictions = {i: values.copy() for i, values in case.predictions.items()}
    for values in predictions.values():
        values[:20, :20] = 11  # a removed id: no class was predicted there
    right = Case(case.dataset, case.root, predictions)
    ids = {i: (values + 1).astype(np.uint8) for i, values in predictions.items()}
    for values in ids.values():
        values[:20, :10], values[:20, 10:20] = 0, 183
    assert "0 kept for 'unlabeled'" in first(right, write(tmp_path / "p", ids), "off_by_one").summary


@pytest.mark.parametrize("start", [0, 1])
def test_contiguous_numbers_of_the_171_classes(start: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cocostuff"]
    table = {c.id: n for n, c in enumerate(dataset_class("cocostuff").info.classes, start)}
    folder = write_each(tmp_path / "p", case.predictions, recode(table))
    assert "existing classes" in first(case, folder, "train_ids").summary


def palette_of(case: Case) -> NDArray[np.uint8]:
    colours = np.array([palette_color(n) for n in range(256)], np.uint8)
    for c in dataset_class(case.dataset).info.classes:
        colours[c.id] = c.color
    return colours


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voc", "cityscapes", "cocostuff"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_class_colours_in_place_of_labels(name: str, order: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    colours = palette_of(case)[:, :: 1 if order == "RGB" else -1]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: colours[values])
    finding = first(case, folder, "palette")
    assert finding.score_before is None
    assert "100.0%" in " ".join(finding.evidence)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voc", "isbi"])
def test_grey_saved_as_colour(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: np.repeat(values[:, :, None], 3, axis=2))
    assert "channels are equal" in " ".join(first(case, folder, "palette").evidence)


@pytest.mark.parametrize("name", ["voc", "cityscapes"])
def test_the_luma_of_class_colours(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    palette = palette_of(case)

    def grey(values: Map) -> Map:
        image = Image.fromarray(values)
        image.putpalette(palette.tobytes())
        return np.asarray(image.convert("L"))

    finding = first(case, write_each(tmp_path / "p", case.predictions, grey), "luma")
    # In the VOC palette, classes 1 and 16 have the same luma; class 1 occurs here.
    assert finding.estimate == (name == "voc")


@pytest.mark.parametrize(
    ("factor", "name"), [(10, "voc"), (255 / 20, "voc"), (7, "cityscapes"), (255 / 33, "cityscapes")]
)
def test_scaled_label_maps(factor: float, name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: np.round(values * factor).astype(np.uint8))
    assert f"multiplied by {factor:g}" in first(case, folder, "scaled").summary


@pytest.mark.slow
def test_a_mask_of_0_and_128(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    found = first(case, write_each(tmp_path / "p", case.predictions, lambda values: values // 255 * 128), "scaled")
    assert found.evidence[0] == "the values that occur (0, 128) are multiples of 127.5, rounded"


@pytest.mark.slow
def test_two_mistakes_at_once(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    train_ids = recode({entry.id: entry.trainId for entry in official_labels if entry.id >= 0})
    folder = write_each(tmp_path / "padded", case.predictions, lambda v: np.pad(train_ids(v), ((0, 24), (0, 24))))
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["size", "train_ids"]
    assert found.findings[-1].score_after == case.undamaged
    names = list(case.predictions)
    moved = {i: train_ids(case.predictions[names[n - 1]]) for n, i in enumerate(names)}
    found = case.diagnose(write(tmp_path / "moved", moved))
    assert {f.kind for f in found.findings} == {"train_ids", "stems"}
    assert found.findings[1].score_before == found.findings[0].score_after
    assert found.findings[-1].score_after == case.undamaged


def merged_things(case: Case) -> Maps:
    """Stuff as it is, every thing written as 182: 'other' of the stuff challenges, less 1."""
    things = [c.id for c in dataset_class("cocostuff").info.classes if c.kind == "thing"]
    return {i: np.where(np.isin(v, things), 182, v).astype(np.uint8) for i, v in case.predictions.items()}


@pytest.mark.slow
def test_things_merged_into_other(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cocostuff"]
    maps = merged_things(case)
    removed = dataset_class("cocostuff").info.unscored[0].id
    stuff = {i: np.where(v == 182, removed, v).astype(np.uint8) for i, v in maps.items()}
    found = case.diagnose(write(tmp_path / "p", maps))
    assert [f.kind for f in found.findings] == ["merged"]
    finding = found.findings[0]
    assert finding.estimate
    assert finding.score_before is None
    # What can be had: the stuff, with false negatives in place of all things.
    assert finding.score_after == case.score(write(tmp_path / "stuff", stuff))
    evidence = " ".join(finding.evidence)
    assert "no thing has its own" in evidence
    assert "count as false negatives" in evidence
    assert "cannot be restored" in finding.remedy
    # The same with ids from 1 on: one mistake more, and the loss is told as well.
    plus = {i: (v + 1).astype(np.uint8) for i, v in maps.items()}
    found = case.diagnose(write(tmp_path / "plus", plus))
    assert found.findings[0].kind == "off_by_one"
    assert found.findings[0].estimate
    assert "hold 183 ('other')" in " ".join(found.findings[0].evidence)


def test_182_that_lies_anywhere_is_not_taken_for_other(cases: dict[str, Case], tmp_path: Path) -> None:
    case, random = cases["cocostuff"], np.random.default_rng(8)

    def spoil(values: Map) -> Map:
        return np.where(random.random(values.shape) < 0.1, 182, values).astype(np.uint8)

    found = case.diagnose(write_each(tmp_path / "p", case.predictions, spoil))
    assert [f.kind for f in found.findings] == ["unscorable"]
