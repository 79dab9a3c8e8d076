"""Joint counting: exact whatever the labels, their layout, their type and the path that counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from engines import COMPILED, ENGINES, using
from segbench.io import native
from segbench.metrics import joint_counts as counting
from segbench.metrics.joint_counts import joint_counts


@pytest.fixture(autouse=True, params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """What counts in this test: portable code too."""
    with using(request.param):
        yield request.param


DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i4"]


def _one_by_one(first: NDArray[Any], second: NDArray[Any]) -> list[tuple[int, int, int]]:
    pairs = Counter(zip(map(int, first.ravel().tolist()), map(int, second.ravel().tolist()), strict=True))
    return sorted((a, b, n) for (a, b), n in pairs.items())


def _check(first: NDArray[Any], second: NDArray[Any]) -> None:
    found = joint_counts(first, second)
    assert all(part.dtype == np.int64 for part in found)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == _one_by_one(first, second)


def _labels(random: np.random.Generator, shape: tuple[int, int], kind: str, most: int, dtype: str) -> NDArray[Any]:
    if kind == "noise":
        values = random.integers(0, most, shape)
    else:
        steps = random.random(shape) < (0.02 if kind == "pieces" else 0.1)
        values = random.integers(0, most, shape).ravel()[np.maximum.accumulate(np.arange(steps.size) * steps.ravel())]
        values = values.reshape(shape)
    return values.astype(dtype)


@pytest.mark.parametrize("kind", ["noise", "pieces", "borders"])
@pytest.mark.parametrize("most", [1, 2, 3, 19, 256, 1000, 60_000])
@pytest.mark.parametrize(
    "dtypes", [("u1", "u1"), ("u1", "u2"), ("i4", "u1"), ("i8", "i8"), ("u2", "u2"), ("bool", "u1")]
)
def test_every_path_counts_exactly(kind: str, most: int, dtypes: tuple[str, str]) -> None:
    random = np.random.default_rng(most)
    first, second = (
        _labels(random, (97, 211), kind, min(most, np.iinfo(d).max + 1 if d != "bool" else 2), d) for d in dtypes
    )
    _check(first, second)
    _check(first[::2, 3:], second[::2, 3:])
    _check(first.T, second.T)
    _check(np.asfortranarray(first), second)
    _check(first[:, ::-1], second)


@pytest.mark.slow
@settings(max_examples=120)
@given(st.data())
def test_any_labels_are_counted(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40))
    kinds = [np.dtype(data.draw(st.sampled_from(DTYPES))) for _ in range(2)]
    arrays = []
    for kind in kinds:
        few = hnp.from_dtype(kind, max_value=2**63 - 1) if kind == np.uint64 else hnp.from_dtype(kind)
        arrays.append(data.draw(hnp.arrays(kind, shape, elements=few)))
    _check(*arrays)


@pytest.mark.parametrize("low", [-300, -128, -5, 0, 7, 2**31 - 3, 2**40, -(2**62)])
def test_shifted_labels_keep_their_values(low: int) -> None:
    random = np.random.default_rng(3)
    for span in (1, 2, 100, 256, 257, 5000):
        first = random.integers(0, span, (40, 60)) + low
        second = np.repeat(random.integers(0, span, (40, 6)), 10, axis=1) + low
        _check(first, second)
        _check(second, first)
    _check(np.full((40, 60), low), np.full((40, 60), low))


def test_labels_at_both_ends_of_their_type() -> None:
    ends = np.array([[-(2**63), 2**63 - 1, 0, -1] * 5] * 3)
    _check(ends, ends[:, ::-1])
    _check(ends.astype("u8") // 2, ends)
    with pytest.raises(ValueError, match="int64"):
        joint_counts(np.array([2**63], np.uint64), np.array([0]))
    with pytest.raises(ValueError, match="shapes"):
        joint_counts(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


def test_nothing_gives_nothing() -> None:
    for shape in ((0,), (0, 5), (3, 0)):
        assert [part.size for part in joint_counts(np.zeros(shape, np.uint8), np.zeros(shape, np.int32))] == [0, 0, 0]


@pytest.mark.parametrize("size", [*range(1, 12), 1023, 1024, 1025, 1027, 16_383, 16_385, 17_001])
def test_any_number_of_pixels(size: int) -> None:
    random = np.random.default_rng(size)
    for most in (2, 5):
        _check(*random.integers(0, most, (2, size), dtype=np.uint8))
        _check(*(np.arange(size) // 50 % most + random.integers(0, 2, (2, 1))).astype(np.uint8))


@pytest.mark.parametrize("kind", ["noise", "pieces"])
def test_blocks_add_up(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    random = np.random.default_rng(8)
    pairs = [
        [_labels(random, (100, 130), kind, most, dtype) for _ in range(2)]
        for most, dtype in ((2, "u1"), (19, "u1"), (9000, "i4"))
    ]
    whole = [joint_counts(*pair) for pair in pairs]
    monkeypatch.setattr(counting, "_BLOCK", 1001)
    for pair, expected in zip(pairs, whole, strict=True):
        _check(*pair)
        assert all(np.array_equal(a, b) for a, b in zip(joint_counts(*pair), expected, strict=True))


def test_counts_above_what_single_precision_holds() -> None:
    first = np.zeros((4100, 4200), np.uint8)
    first[0, :5] = 3
    second = first.copy()
    second[-1, -1] = 3
    # 17 220 000 pixels: more than 2**24, of which a float32 counter would lose some.
    for kind in (np.uint8, np.int32):
        rows, columns, pixels = joint_counts(first.astype(kind), second)
        assert list(zip(rows.tolist(), columns.tolist(), pixels.tolist(), strict=True)) == [
            (0, 0, first.size - 6),
            (0, 3, 1),
            (3, 3, 5),
        ]
    masks = joint_counts(first > 0, second > 0)
    assert masks[2].tolist() == [first.size - 6, 1, 5]


def test_threads_do_not_disturb_each_other() -> None:
    random = np.random.default_rng(2)
    pairs = [
        [_labels(random, (200, 300), kind, 19, "u1") for _ in range(2)] for kind in ("noise", "pieces", "borders") * 6
    ]
    expected = [joint_counts(*pair) for pair in pairs]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            found = pool.map(lambda pair: joint_counts(*pair), pairs)
            for one, other in zip(expected, found, strict=True):
                assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_engine_is_the_one_asked_for(engine: str) -> None:
    found = native.engine()
    assert found == "numpy" if engine == "numpy" else found.startswith("native")
    assert engine != "portable" or found == "native (portable)"


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "i8"])
def test_noise_begins_and_ends_anywhere(dtype: str) -> None:
    """Stretches of noise, of runs and of one pair in turn, of lengths around those that are looked at together."""
    random = np.random.default_rng(5)
    for most in (2, 19, 256, 3000):
        if most > 256 and dtype == "u1":
            continue
        pieces = []
        for length in (1, 63, 64, 65, 128, 4095, 4096, 4097, 200):
            pieces.append(random.integers(0, most, (2, length)))
            pieces.append(np.repeat(random.integers(0, most, (2, 1)), length, axis=1))
            pieces.append(np.repeat(random.integers(0, most, (2, length // 8 + 1)), 8, axis=1)[:, :length])
        pairs = np.concatenate([pieces[n] for n in random.permutation(len(pieces))], axis=1).astype(dtype)
        _check(*pairs)
        _check(pairs[0], pairs[1].astype(np.uint8) if most <= 256 else pairs[1].astype(np.int64))


@pytest.mark.slow
def test_stripes_and_checks_are_counted() -> None:
    """Every pixel ends a run, in each way in which that can be."""
    y, x = np.indices((130, 259))
    for first in (x % 2, y % 2, (x + y) % 2, x % 3 * 100, x // 2 % 256):
        for second in (x % 2, np.zeros_like(x), y * 1000 + x // 5):
            _check(first.astype(np.uint8), second.astype(np.uint8))
            _check(first.astype(np.uint16), second.astype(np.int32))


def test_a_label_beside_smaller_ones_is_not_cut_off() -> None:
    """Wide labels that fit into 8 bits almost everywhere."""
    for dtype in ("u2", "i2", "u4", "i4", "u8", "i8"):
        labels = np.zeros(20_000, dtype)
        labels[::7] = 5
        other = labels.astype(np.uint8)
        for place in (0, 4095, 4096, 19_999):
            labels[place] = 256 + 5
        if labels.dtype.kind == "i":
            labels[10_000] = -1
        _check(labels, other)
        _check(other, labels)


@pytest.mark.slow
def test_very_many_pairs_are_counted_too() -> None:
    """More of them than the compiled part keeps apart: 300 000, then 1 000 000 in a map that begins with few."""
    for size in (300_000, 1_000_000):
        first = np.arange(size)
        first[: size // 2] //= 1000
        rows, columns, pixels = joint_counts(first, first % 1009)
        keys = first * 1009 + first % 1009
        known, counts = np.unique(keys, return_counts=True)
        assert np.array_equal(rows * 1009 + columns, known)
        assert np.array_equal(pixels, counts)


@pytest.mark.skipif(not COMPILED, reason="segbench._native is not built here")
def test_the_compiled_part_takes_nothing_else() -> None:
    """It is called by our own code alone; yet what it is given is held to what it can read."""
    from segbench import _native  # type: ignore[attr-defined]

    grey = np.zeros((4, 6), np.uint8)
    wrong: list[tuple[object, object, type[Exception] | tuple[type[Exception], ...]]] = [
        (grey, grey[:3], ValueError),
        (grey, grey[:, ::2], (BufferError, ValueError)),
        (grey, grey.astype(np.float32), TypeError),
        (grey, grey.astype("c16"), TypeError),
        (grey.astype(">u2"), grey, TypeError),
        (grey, None, TypeError),
        (np.frombuffer(bytes(17), np.uint8)[1:].view(np.uint32), np.zeros(4, np.uint8), ValueError),
    ]
    for first, second, error in wrong:
        with pytest.raises(error):
            _native.joint_counts(first, second)
    with pytest.raises(TypeError):
        _native.joint_counts(grey)
    assert [len(column) for column in _native.joint_counts(b"", b"")] == [0, 0, 0]
