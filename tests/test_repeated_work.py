"""Work that is not done again for every item: what is counted here grows as the input does, and no faster."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from PIL import Image

from places import ROOT
from segbench.data.importing import recognition
from segbench.diagnosis import misassigned
from segbench.diagnosis.sampled_pixels import Truth, agreement
from segbench.types import Array, Float64

CODE = [path for room in ("benchmark", "datasets", "baselines") for path in sorted((ROOT / room).rglob("*.py"))]


def _made_anew(tree: ast.AST) -> Iterator[int]:
    """Lines of comprehensions that ask for membership in a collection that they make for every item."""
    for node in ast.walk(tree):
        for generator in getattr(node, "generators", ()):
            for asked in (each for test in generator.ifs for each in ast.walk(test) if isinstance(each, ast.Compare)):
                asks = zip(asked.ops, asked.comparators, strict=True)
                made = [within for op, within in asks if isinstance(op, ast.In | ast.NotIn)]
                calls = [each for each in made if isinstance(each, ast.Call) and each.args]
                if {ast.unparse(each.func) for each in calls} & {"set", "frozenset", "list", "tuple", "sorted", "dict"}:
                    yield asked.lineno


def test_no_comprehension_makes_a_collection_for_every_item() -> None:
    assert list(_made_anew(ast.parse("[a for a in b if a not in set(c)]"))) == [1]
    assert list(_made_anew(ast.parse("[a for a in b if a not in c]"))) == []
    found = [f"{path}:{line}" for path in CODE for line in _made_anew(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []


def _labelme(folder: Path, files: int) -> Path:
    folder.mkdir()
    for number in range(files):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / f"{number}.png")
        (folder / f"{number}.json").write_text(json.dumps({"shapes": [], "imagePath": f"{number}.png"}))
    return folder


def _coco(folder: Path, files: int) -> Path:
    folder.mkdir()
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    for number in range(files):
        (folder / f"{number}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("write", [_labelme, _coco])
def test_every_json_file_is_read_once_to_tell_whose_it_is(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[Path] = Counter()
    said = recognition._said

    def counted(path: Path, words: frozenset[bytes]) -> frozenset[bytes]:
        reads[path] += 1
        return said(path, words)

    monkeypatch.setattr(recognition, "_said", counted)
    assert recognition.recognised(write(tmp_path / "source", 5)) == [write.__name__.strip("_")]
    assert list(reads.values()) == [1] * 5


@pytest.mark.parametrize("write", [_labelme, _coco])
def test_paths_are_looked_up_as_often_as_there_are_files(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def counted(name: str) -> None:
        plain = getattr(PurePath, name)

        def call(*given: object) -> object:
            nonlocal calls
            calls += 1
            return plain(*given)

        monkeypatch.setattr(PurePath, name, call)

    sources = {files: write(tmp_path / f"{files}", files) for files in (40, 80)}
    counted("__hash__")
    counted("__eq__")
    work = {}
    for files, source in sources.items():
        before = calls
        recognition.open_source(source)
        work[files] = calls - before
    assert work[80] <= 2 * work[40] + 10


class Counting(tuple[Truth, ...]):
    """Samples that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        Counting.looks += 1
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[Truth]:
        for truth in super().__iter__():
            Counting.looks += 1
            yield truth


def _truths(n: int) -> Counting:
    """Samples that are half of one class, each in a place of its own."""
    random = np.random.default_rng(0)
    return Counting(Truth(f"{k:04d}", (8, 8), random.integers(0, 2, (8, 8))) for k in range(n))


def test_samples_without_a_file_are_moved_without_looking_through_all_others() -> None:
    work = {}
    for n in (50, 100):
        truths = _truths(n)
        matching = {f"{k:04d}": k for k in range(0, n, 3)}
        Counting.looks = 0
        moved = misassigned._moved(truths, matching, 1, n)
        work[n] = Counting.looks
        assert moved["0000"] == 1
        assert moved["0002"] == 3  # by its neighbour's, 3
    assert work[100] <= 2 * work[50] + 10


def test_predictions_that_fit_their_samples_are_not_held_against_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    truths = _truths(3 * misassigned.MAX_COMPARED)
    matrices = compared = 0

    def exchanged_in(cost: Float64) -> tuple[Array, list[int]]:
        nonlocal matrices
        matrices += 1
        return np.arange(len(cost)), []

    def counted(*given: Any) -> float:
        nonlocal compared
        compared += 1
        return agreement(*given)

    monkeypatch.setattr(misassigned, "_exchanged", exchanged_in)
    monkeypatch.setattr(misassigned, "agreement", counted)
    grids = [truth.labels for truth in truths]
    matching = {truth.id: k for k, truth in enumerate(truths)}
    own = np.ones(len(truths))
    assert not list(misassigned._swapped(grids, [], truths, matching, own))
    assert matrices == 0
    assert compared <= 5 * len(truths)
    exchanged = [grids[1], grids[0], *grids[2:]]
    assert not list(misassigned._swapped(exchanged, [], truths, matching, own))
    assert matrices == 1  # where one fits another sample better, as before
