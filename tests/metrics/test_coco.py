"""COCO: run-length encodings, and average precision against pycocotools and hotcoco."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as mask_api

from places import SHARED
from random_coco import INFO, THINGS, Pairs, as_coco, official, random_pairs
from segbench.errors import UserError
from segbench.evaluation.class_scores import find_score
from segbench.io.images.rle import check_rle, decode_rle, encode_rle
from segbench.metrics.coco import COCOAveragePrecision
from segbench.testing import check_metric
from segbench.types import Object, Prediction, Sample, Statistic

METRIC = COCOAveragePrecision()
STATS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100")
# pycocotools.mask.decode under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Masks = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1))


# Run-length encodings


@given(Masks)
def test_encoding_equals_pycocotools_and_comes_back(mask: Any) -> None:
    rle = encode_rle(mask)
    assert rle["counts"].encode() == mask_api.encode(np.asfortranarray(mask))["counts"]
    assert json.loads(json.dumps(rle)) == rle
    assert np.array_equal(decode_rle(rle, "x"), mask)
    assert np.array_equal(mask_api.decode(dict(check_rle(rle, "x"))), mask)


@given(Masks, st.data())
def test_plain_run_lengths_with_empty_runs(mask: Any, data: st.DataObject) -> None:
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = [0] * int(flat[0]) + np.diff([0, *edges, flat.size]).tolist()
    place = data.draw(st.integers(0, len(runs)))
    if len(runs) <= flat.size:
        runs[place:place] = [0, 0]
    rle = {"size": list(mask.shape), "counts": runs}
    assert np.array_equal(decode_rle(rle, "x"), mask)
    assert check_rle(rle, "x")["counts"] == mask_api.encode(np.asfortranarray(mask))["counts"]


@pytest.mark.parametrize(
    ("size", "counts", "words"),
    [
        ([2, 3], [2, 3], "cover 5 pixels"),
        ([2, 3], [2, 5], "cover 7 pixels"),
        ([2, 3], [7, -1], "not negative"),
        ([2, 3], [], "'counts' is"),
        ([2, 3], [1.0, 5], "'counts' is"),
        ([2, 3], [True, 5], "'counts' is"),
        ([2, 3], [0] * 50 + [6], "'counts' is"),
        ([2, 3], [10**30], "'counts' is"),
        ([2, 3], None, "'counts' is None"),
        ([2, 3], "", "'counts' is"),
        ([2, 3], "\x00", "no run-length encoding has"),
        ([2, 3], "p", "no run-length encoding has"),
        ([2, 3], "é6", "'counts' is"),
        ([2, 3], "R", "middle of a number"),
        ([2, 3], "ooooooo0", "too large"),
        ([2, 3], "oooooo0", "too large"),
        ([2, 3], "ooooo?", "a run of 536870911 pixels"),
        ([2, 3], "O6", "a run of -1 pixels"),
        ([2, 3], "5", "cover 5 pixels"),
        ([2, 3], "0" * 200, "'counts' is"),
        ([0, 3], "0", "'size' is"),
        ([-2, -3], "6", "'size' is"),
        ([2], "6", "'size' is"),
        ([2.0, 3], "6", "'size' is"),
        ([True, 6], "6", "'size' is"),
        ([10**6, 10**6], "6", "'size' is"),
        ([10**5000, 1], "6", "'size' is"),
        (None, "6", "'size' is None"),
    ],
)
def test_unsound_encodings_are_refused(size: Any, counts: Any, words: str) -> None:
    with pytest.raises(UserError, match=r"results\.json") as caught:
        decode_rle({"size": size, "counts": counts}, "results.json: entry 3")
    assert words in str(caught.value)


@settings(max_examples=300)
@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.text(st.characters(min_codepoint=48, max_codepoint=111)))
def test_any_text_is_refused_or_decoded_as_pycocotools_does(size: tuple[int, int], counts: str) -> None:
    rle = {"size": list(size), "counts": counts}
    try:
        mask = decode_rle(rle, "x")
    except UserError:
        return
    assert np.array_equal(mask, mask_api.decode(rle))


def test_the_real_annotations_of_stuff_decode_as_in_pycocotools() -> None:
    path = SHARED / "data/coco_sample/cocostuff/stuff_examples.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: real data is not part of the project (set SEGBENCH_TEST_DATA)")
    annotations = json.loads(path.read_text())["annotations"]
    assert len(annotations) == 17
    for annotation in annotations:
        rle = annotation["segmentation"]
        mask = decode_rle(rle, "x")
        assert np.array_equal(mask, mask_api.decode(rle))
        assert encode_rle(mask)["counts"] == rle["counts"]
        assert mask.sum() == annotation["area"]


# Average precision


def _measured(pairs: Pairs) -> list[Statistic]:
    return [METRIC.measure(sample, prediction, INFO) for sample, prediction in pairs]


def _same(mine: float, theirs: float) -> bool:
    return mine == theirs or (math.isnan(mine) and theirs == -1)


@pytest.mark.parametrize("seed", range(16))
def test_average_precision_equals_pycocotools_bit_for_bit(seed: int) -> None:
    # Of the tiny images, IoUs are often equal, and often exactly a threshold.
    size = (120, 160) if seed % 2 else (6, 8)
    pairs = random_pairs(seed, 14, classes=1 + seed % 5, most=1 + seed % 9, ties=seed % 3 > 0, size=size)
    statistics = _measured(pairs)
    evaluation = official(*as_coco(pairs))
    scores = METRIC.compute(statistics, INFO)
    assert list(scores) == list(STATS)
    for name, value in zip(STATS, evaluation.stats[:9].tolist(), strict=True):
        assert _same(scores[name], value), name
    table = METRIC.per_class(statistics, INFO)
    assert len(table) == 80
    for number, category in enumerate(evaluation.params.catIds):
        own = evaluation.eval["precision"][:, :, number, 0, 2]
        assert _same(table[INFO.classes[number].name]["ap"], np.mean(own))
        assert _same(table[INFO.classes[number].name]["ap50"], np.mean(own[0]))
        assert INFO.classes[number].id == category - 1
        for name, theirs in (("ap", own), ("ap50", own[0])):
            called = f"{name}@{INFO.classes[number].name}"
            known = find_score([METRIC], INFO, called)
            assert known is not None
            assert _same(known[0].compute(statistics, INFO)[called], np.mean(theirs))


def _outcomes(pairs: Pairs) -> dict[tuple[int, int, int], Any]:
    """Bits by image, category and area range: matched and ignored detections (2, T, D), ignored true objects."""
    found = {}
    for statistic in _measured(pairs):
        columns = statistic.columns
        for label in np.unique(columns["label"]).tolist():
            mine, dets = columns["label"] == label, columns["rank"] >= 0
            for area in range(4):
                bits = np.left_shift(np.int64(1), np.arange(10 * area, 10 * area + 10))[:, None]
                rows = [(columns[c][mine & dets] & bits) != 0 for c in ("matched", "ignored")]
                true = np.sort((columns["ignored"][mine & ~dets] & bits[0]) != 0).astype(int)
                found[int(statistic.sample_id), label + 1, area] = (np.array(rows), true.tolist())
    return found


@pytest.mark.parametrize("seed", range(6))
def test_matches_equal_those_of_pycocotools_image_by_image(seed: int) -> None:
    pairs = random_pairs(seed, 10, classes=2, most=8, size=(120, 160) if seed % 2 else (6, 8))
    mine = _outcomes(pairs)
    evaluation = official(*as_coco(pairs))
    theirs = [entry for entry in evaluation.evalImgs if entry is not None]
    assert len(mine) == len(theirs) > 20
    for entry in theirs:
        area = evaluation.params.areaRng.index(entry["aRng"])
        rows, true = mine[entry["image_id"], entry["category_id"], area]
        assert np.array_equal(rows[0], entry["dtMatches"] > 0)
        assert np.array_equal(rows[1], entry["dtIgnore"])
        assert true == np.asarray(entry["gtIgnore"], int).tolist()


def test_only_100_detections_of_a_class_count() -> None:
    mask = np.zeros((20, 20), bool)
    mask[:10, :10] = True
    truth = Object(0, encode_rle(mask), area=100.0)
    noise = [Object(0, encode_rle(~mask), 0.9)] * 100
    pairs: Pairs = [(Sample("7", "g", 0, objects=(truth,)), Prediction(objects=(*noise, Object(0, mask, 0.5))))]
    assert METRIC.compute(_measured(pairs), INFO)["ar_100"] == 0.0
    fewer = Prediction(objects=(*noise[1:], Object(0, mask, 0.5)))
    assert METRIC.compute(_measured([(pairs[0][0], fewer)]), INFO)["ar_100"] == 1.0


def test_more_than_255_objects_of_one_image_give_the_scores_of_pycocotools() -> None:
    """pycocotools' own `area` overflows when it is given as many at once under NumPy 2."""
    sample, prediction = Sample("7", "g", 0, objects=()), Prediction(objects=())
    for place in range(300):
        mask = np.zeros((40, 40), bool)
        mask[place // 20 * 2 : place // 20 * 2 + 2, place % 20 * 2 : place % 20 * 2 + 2] = True
        label = THINGS[place % len(THINGS)]
        true, found = Object(label, encode_rle(mask), area=4.0), Object(label, encode_rle(mask), (place % 37) / 37)
        sample = replace(sample, objects=(*(sample.objects or ()), true))
        prediction = replace(prediction, objects=(*(prediction.objects or ()), found))
    evaluation = official(*as_coco([(sample, prediction)]))
    scores = METRIC.compute(_measured([(sample, prediction)]), INFO)
    for name, value in zip(STATS, evaluation.stats[:9].tolist(), strict=True):
        assert _same(scores[name], value), name


def test_hand_counted_precision() -> None:
    mask = np.zeros((20, 20), bool)
    mask[:10, :10] = True
    two = (Object(0, mask), Object(0, np.roll(mask, 10, 1)))
    found = (Object(0, ~mask, 0.9), Object(0, mask, 0.8))  # a false positive, then one of the two
    scores = METRIC.compute(_measured([(Sample("a", "g", 0, objects=two), Prediction(objects=found))]), INFO)
    assert scores["ap"] == pytest.approx(51 * 0.5 / 101, abs=1e-15)  # precision 1/2 up to recall 1/2
    assert (scores["ar_1"], scores["ar_10"]) == (0.0, 0.5)
    assert scores["ap_small"] == scores["ap"]
    assert math.isnan(scores["ap_large"])


@pytest.mark.parametrize("seed", range(4))
def test_laws(seed: int, tmp_path: Path) -> None:
    check_metric(METRIC, random_pairs(seed, 9, ties=bool(seed % 2)), INFO, tmp_path)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 3), min_size=6, max_size=6), st.booleans())
def test_resampling_equals_scoring_repeated_samples(seed: int, weights: list[int], ties: bool) -> None:
    statistics = _measured(random_pairs(seed, 6, classes=2, most=6, ties=ties, size=(24, 32)))
    drawn = METRIC.resample(statistics, INFO, np.array([weights, [1] * 6]))
    repeated = [
        Statistic(s.metric, f"{s.sample_id}{copy}", s.group, s.index, s.columns)
        for s, times in zip(statistics, weights, strict=True)
        for copy in range(times)
    ]
    for row, chosen in enumerate((repeated, statistics)):
        for name, value in METRIC.compute(chosen, INFO).items():
            assert np.allclose(drawn[name][row], value, rtol=1e-12, atol=1e-12, equal_nan=True), name


def test_images_are_ordered_by_their_number_as_in_pycocotools() -> None:
    pairs = random_pairs(5, 14, classes=1, most=6)
    short = [(Sample(str(int(s.id)), "g", 0, objects=s.objects), p) for s, p in pairs]
    assert METRIC.compute(_measured(short[::-1]), INFO) == METRIC.compute(_measured(pairs), INFO)


def test_without_true_objects_all_is_undefined() -> None:
    mask = np.ones((3, 4), bool)
    statistics = _measured([(Sample("a", "g", 0, objects=()), Prediction(objects=(Object(0, mask, 0.5),)))])
    assert all(math.isnan(value) for value in METRIC.compute(statistics, INFO).values())
    assert all(math.isnan(value) for value in METRIC.compute([], INFO).values())


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ((Object(0, np.ones((3, 5), bool), 0.5),), "[3, 5]"),
        ((Object(100, np.ones((3, 4), bool), 0.5),), "label 100"),
        ((Object(0, np.ones((3, 4), bool), math.nan),), "score is nan"),
        ((Object(0, {"size": [3, 4], "counts": "5"}, 0.5),), "cover 5 pixels"),
    ],
)
def test_impossible_objects_are_refused_by_name(objects: tuple[Object, ...], words: str) -> None:
    truth = (Object(0, np.ones((3, 4), bool)),)
    with pytest.raises(UserError, match="predicted object 0 of sample 'image-7'") as caught:
        METRIC.measure(Sample("image-7", "g", 0, objects=truth), Prediction(objects=objects), INFO)
    assert words in str(caught.value)


@pytest.mark.slow
def test_hotcoco_agrees_bit_for_bit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """hotcoco 1.3 is a peer only: it says the same, many times quicker, but keeps nothing that merges per sample."""
    for seed in range(6):
        pairs = random_pairs(seed, 12, classes=3, most=8, size=(120, 160) if seed % 2 else (6, 8))
        truth, results = as_coco(pairs)
        (tmp_path / "truth.json").write_text(json.dumps(truth))
        (tmp_path / "results.json").write_text(json.dumps(results))
        dataset = hotcoco.COCO(str(tmp_path / "truth.json"))
        peer = hotcoco.COCOeval(dataset, dataset.load_res(str(tmp_path / "results.json")), "segm")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
        evaluation = official(truth, results)
        assert np.array_equal(peer.stats, evaluation.stats)
        known = {(e["image_id"], e["category_id"], tuple(e["aRng"])): e for e in evaluation.evalImgs if e}
        found = [e for e in peer.eval_imgs if e]
        assert len(found) == len(known)
        for entry in found:
            other = known[entry["image_id"], entry["category_id"], tuple(entry["aRng"])]
            for name in ("dtMatches", "dtIgnore", "dtScores", "gtIgnore"):
                assert np.array_equal(np.asarray(entry[name], float), np.asarray(other[name], float)), name
    capfd.readouterr()
