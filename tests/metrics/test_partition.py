"""V_Rand and V_Info against the official evaluation, and the laws they obey."""

from __future__ import annotations

import json
import math
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import places
from segbench.io import native
from segbench.metrics.partition import official_thresholds, slice_counts, thin_borders
from stack_scores import stack_scores

pytestmark = pytest.mark.usefixtures("engine")

GOLDEN = json.loads((places.GOLDEN / "isbi2012" / "scores.json").read_text())["cases"]
TINY = [case for case in GOLDEN if case["kind"] == "tiny"]
STACKS = [case for case in GOLDEN if case["kind"] != "tiny"]


def _check(case: dict[str, Any], labels: Any, proposals: Any) -> None:
    v_rand, v_info = stack_scores(list(labels), list(proposals))
    official = case["official_stack"]
    assert v_rand == pytest.approx(official["V_Rand_thinned"], abs=1e-12)
    assert v_info == pytest.approx(official["V_Info_thinned"], abs=1e-12)
    for page, per_slice in enumerate(case["official_per_slice"]):
        counts = slice_counts(labels[page], proposals[page])
        for mine, theirs in zip(counts, per_slice["per_threshold"], strict=False):
            assert mine.v_rand == pytest.approx(theirs["V_Rand"], abs=1e-12)
            assert mine.v_info == pytest.approx(theirs["V_Info"], abs=1e-12)
            assert mine.s_ab / mine.s_b == pytest.approx(theirs["precision"], abs=1e-12)
            assert mine.s_ab / mine.s_a == pytest.approx(theirs["recall"], abs=1e-12)


@pytest.mark.parametrize("case", [c for c in TINY if c["name"] != "tiny_gt_empty"], ids=lambda c: c["name"])
def test_tiny_cases_equal_the_official_scores(case: dict[str, Any]) -> None:
    labels = np.array([case["label"]]) > 0
    _check(case, labels, np.array([case["proposal"]], np.float32))


def test_an_empty_truth_is_undefined_where_the_official_code_says_0() -> None:
    case = next(c for c in TINY if c["name"] == "tiny_gt_empty")
    assert case["official_stack"]["V_Rand_thinned"] == 0.0
    scores = stack_scores([np.array(case["label"]) > 0], [np.array(case["proposal"], np.float32)])
    assert all(math.isnan(value) for value in scores)


@pytest.mark.slow
@pytest.mark.parametrize("case", STACKS, ids=lambda c: c["name"])
def test_stacks_equal_the_official_scores(case: dict[str, Any], golden_isbi: Path) -> None:
    labels, proposals = (
        np.reshape(stack, (-1, *stack.shape[-2:]))
        for stack in (tifffile.imread(golden_isbi / case["files"][name]) for name in ("labels", "prediction"))
    )
    if proposals.dtype == np.uint8:
        proposals = proposals.astype(np.float32) / np.float32(255)
    _check(case, labels > 0, proposals)


def test_thresholds_are_summed_up_in_doubles() -> None:
    thresholds = official_thresholds()
    assert len(thresholds) == 11
    assert thresholds[3] == 0.1 + 0.1 + 0.1 != 0.3
    assert thresholds[10] < 1.0


def _queue_thinning(proposal: Any) -> Any:
    """The definition, pixel by pixel, as an oracle for the wave-by-wave code."""
    from scipy import ndimage

    if not proposal.any():
        return np.ones(proposal.shape, int)
    labels, _ = ndimage.label(proposal)
    height, width = proposal.shape
    queued = proposal.copy()
    queue: deque[tuple[int, int]] = deque()

    def around(x: int, y: int) -> list[tuple[int, int]]:
        near = [(x - 1, y), (x, y - 1), (x + 1, y), (x, y + 1)]
        return [(a, b) for a, b in near if 0 <= a < width and 0 <= b < height]

    for x in range(width):
        for y in range(height):
            if not proposal[y, x] and any(proposal[b, a] for a, b in around(x, y)):
                queue.append((x, y))
                queued[y, x] = True
    while queue:
        x, y = queue.popleft()
        found = {labels[b, a] for a, b in around(x, y)} - {0}
        if len(found) == 1:
            labels[y, x] = found.pop()
        for a, b in around(x, y):
            if not queued[b, a]:
                queued[b, a] = True
                queue.append((a, b))
    return labels


def _same_partition(first: Any, second: Any) -> bool:
    pairs = set(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) and all(
        (a == 0) == (b == 0) for a, b in pairs
    )


@settings(max_examples=150)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.booleans()))
def test_thinning_equals_the_queue_definition(proposal: Any) -> None:
    assert _same_partition(thin_borders(proposal), _queue_thinning(proposal))


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3])
def test_thinning_of_wide_borders_equals_the_queue_definition(share: float) -> None:
    proposal = np.random.default_rng(3).random((90, 70)) < share
    assert _same_partition(thin_borders(proposal), _queue_thinning(proposal))


@settings(max_examples=40)
@given(hnp.arrays(bool, (9, 11), elements=st.booleans()))
def test_truth_as_prediction_scores_1(truth: Any) -> None:
    counts = slice_counts(truth, truth.astype(np.float32))[0]
    if truth.any():
        assert counts.v_rand == 1.0
        assert counts.s_a == counts.s_b == counts.s_ab
    else:
        assert math.isnan(counts.v_rand)


def test_the_compiled_part_takes_framed_images_alone() -> None:
    if native._native is None:
        pytest.skip("NumPy does the work")
    numbers, waiting = np.zeros((4, 5), np.int32), np.zeros((4, 5), bool)
    for place in ((0, 2), (3, 2), (2, 0), (1, 4)):
        framed = waiting.copy()
        framed[place] = True
        with pytest.raises(ValueError, match="frame"):
            native.grow_segments(numbers, framed)
    for wrong in (numbers[:3], numbers.astype(np.int64)):
        with pytest.raises(ValueError, match="no image"):
            native._native.grow_segments(wrong, waiting.view(np.uint8), 4, 5)
