"""Betti numbers of volumes: of known bodies, by ranks of boundary matrices, and by scikit-image's Euler number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number
from volumes import data_set, save

from segbench.commands.evaluate import evaluate_files
from segbench.commands.import_data import ImportRequest, import_data
from segbench.datasets.folder import Folder
from segbench.evaluation.whole_groups import of_whole_groups
from segbench.io.reporter import Reporter
from segbench.metrics.topology import betti_numbers
from segbench.metrics.volume_topology import VolumeTopology, betti_numbers_of_volume, euler_characteristic
from segbench.registry import families
from segbench.runs.request import EvaluateRequest
from segbench.runs.stored import open_run
from segbench.runs.stored_scores import with_score
from segbench.testing import check_metric
from segbench.types import Array, ClassInfo, DatasetInfo, Prediction, Sample, Statistic, UserError, VolumeSlices

METRIC = VolumeTopology()
CLASSES = (
    ClassInfo(0, "background", (0, 0, 0), "background"),
    ClassInfo(1, "vessel", (255, 0, 0)),
    ClassInfo(5, "bone", (0, 255, 0)),
)
Pair = tuple[Array, Array]


def about(cases: Mapping[str, object], void: int | None = None) -> DatasetInfo:
    spacing = dict.fromkeys(cases, (3.0, 1.0, 1.0))
    return replace(Folder.info, classes=CLASSES, ignore_label=void, volumes=VolumeSlices(spacing_mm=spacing))


def pairs_of(case: str, pair: Pair) -> list[tuple[Sample, Prediction]]:
    return [
        (Sample(f"{case}-{z:02d}", case, z, labels=t), Prediction(labels=p))
        for z, (t, p) in enumerate(zip(*pair, strict=True))
    ]


def measured(cases: Mapping[str, Pair], info: DatasetInfo) -> list[Statistic]:
    parts = [METRIC.measure(s, p, info) for case, pair in cases.items() for s, p in pairs_of(case, pair)]
    return list(of_whole_groups(parts, [METRIC], info))


def grid(side: int = 25) -> tuple[Array, Array, Array]:
    z, y, x = np.mgrid[:side, :side, :side] - side // 2
    return z, y, x


def ball(radius: float) -> Array:
    z, y, x = grid()
    return np.asarray(z**2 + y**2 + x**2 <= radius**2)


def torus(tube: float, ring: float = 7) -> Array:
    z, y, x = grid()
    return np.asarray(z**2 + (np.hypot(y, x) - ring) ** 2 <= tube**2)


def rings() -> Array:
    """Two that are linked, as in a chain."""
    one, other = np.zeros((2, 11, 11, 16), bool)
    one[5, 1:10, 1:10] = True
    one[5, 2:9, 2:9] = False
    other[1:10, 5, 6:15] = True
    other[2:9, 5, 7:14] = False
    return one | other


def at_a_corner() -> Array:
    found = np.zeros((4, 4, 4), bool)
    found[:2, :2, :2] = found[2:, 2:, 2:] = True
    return found


BODIES: Mapping[str, tuple[Callable[[], Array], tuple[int, int, int]]] = {
    "nothing": (lambda: np.zeros((3, 4, 5), bool), (0, 0, 0)),
    "no voxels": (lambda: np.zeros((0, 4, 5), bool), (0, 0, 0)),
    "all": (lambda: np.ones((3, 4, 5), bool), (1, 0, 0)),
    "ball": (lambda: ball(8), (1, 0, 0)),
    "shell": (lambda: ball(8) & ~ball(5), (1, 0, 1)),
    "ball in a shell": (lambda: ball(11) & ~ball(8) | ball(4), (2, 0, 1)),
    "ring": (lambda: torus(3), (1, 1, 0)),
    "tube bent to a ring": (lambda: torus(4) & ~torus(2), (1, 2, 1)),
    "linked rings": (rings, (2, 2, 0)),
    "pieces that touch at a corner": (at_a_corner, (1, 0, 0)),
    "cavities that touch at a corner": (lambda: np.pad(~at_a_corner(), 1, constant_values=True), (1, 0, 2)),
    "a hole through all slices": (lambda: ~np.pad(np.ones((4, 1, 1), bool), ((0, 0), (1, 1), (1, 1))), (1, 1, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_known_bodies(name: str) -> None:
    make, expected = BODIES[name]
    mask = make()
    for turned in (mask, mask.transpose(2, 0, 1), mask[::-1, :, ::-1]):
        assert betti_numbers_of_volume(turned) == expected
        assert euler_characteristic(turned) == expected[0] - expected[1] + expected[2]


def by_ranks(mask: Array) -> list[int]:
    """Betti numbers of the union of closed cubes from the ranks of its boundary matrices modulo 2."""
    cells: list[set[tuple[int, ...]]] = [set() for _ in range(4)]
    for voxel in np.argwhere(mask).tolist():
        for step in itertools.product((-1, 0, 1), repeat=3):
            cells[3 - sum(map(abs, step))].add(tuple(2 * place + 1 + by for place, by in zip(voxel, step, strict=True)))
    number = [{cell: n for n, cell in enumerate(sorted(each))} for each in cells]
    ranks = [0]
    for dimension in (1, 2, 3):
        pivots: dict[int, int] = {}
        for cell in number[dimension]:
            row = 0
            for axis in (axis for axis in range(3) if cell[axis] % 2):
                for by in (-1, 1):
                    face = tuple(place + by * (n == axis) for n, place in enumerate(cell))
                    row ^= 1 << number[dimension - 1][face]
            while row and row.bit_length() in pivots:
                row ^= pivots[row.bit_length()]
            if row:
                pivots[row.bit_length()] = row
        ranks.append(len(pivots))
    ranks.append(0)
    return [len(cells[k]) - ranks[k] - ranks[k + 1] for k in range(3)]


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.floats(0.2, 0.9), st.tuples(*[st.integers(1, 5)] * 3))
def test_numbers_are_the_ranks_of_homology(seed: int, part: float, shape: tuple[int, int, int]) -> None:
    mask = np.random.default_rng(seed).random(shape) < part
    assert list(betti_numbers_of_volume(mask)) == by_ranks(mask)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.1, 0.9), st.floats(0, 2))
def test_the_euler_characteristic_is_that_of_scikit_image(seed: int, part: float, sigma: float) -> None:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(9, 14, 12)), sigma)
    mask = field < np.quantile(field, part)
    expected = euler_number(mask, connectivity=3)  # type: ignore[no-untyped-call]
    assert euler_characteristic(mask) == expected
    pieces, tunnels, cavities = betti_numbers_of_volume(mask)
    assert pieces - tunnels + cavities == expected


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(0.1, 0.9))
def test_a_volume_of_one_slice_is_an_image(seed: int, part: float) -> None:
    mask = np.random.default_rng(seed).random((12, 15)) < part
    pieces, holes = betti_numbers(mask)
    assert betti_numbers_of_volume(mask[None]) == (pieces, holes, 0)


def bodies(seed: int, shape: tuple[int, int, int] = (7, 16, 14)) -> Pair:
    random = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(random.normal(size=shape), 1.5)
    other = field + 0.4 * ndimage.gaussian_filter(random.normal(size=shape), 1)
    cuts = [np.quantile(field, part) for part in (0.6, 0.85)]
    return np.take([0, 1, 5], np.digitize(field, cuts)), np.take([0, 1, 5], np.digitize(other, cuts))


def test_scores_are_means_over_the_cases_that_hold_a_class_and_void_belongs_to_nothing() -> None:
    cases = {f"c{n}": bodies(n) for n in range(4)}
    cases["c0"][0][2:4, 3:6, 3:6] = 255
    for side in cases["c1"]:
        side[side == 5] = 1
    cases["c2"][1][cases["c2"][1] == 5] = 0
    info = about(cases, void=255)
    table = METRIC.per_class(measured(cases, info), info)
    assert list(table) == ["vessel", "bone"]
    names = [score.name for score in METRIC.scores]
    for each in CLASSES[1:]:
        errors = []
        for true, found in cases.values():
            masks = [(side == each.id) & (true != 255) for side in (true, found)]
            if any(mask.any() for mask in masks):
                numbers = np.array([betti_numbers_of_volume(mask) for mask in masks])
                signed = np.append(numbers[1] - numbers[0], (numbers[1] - numbers[0]) @ [1, -1, 1])
                errors.append(np.abs(signed))
        assert len(errors) == (4 if each.name == "vessel" else 3)
        assert [table[each.name][name] for name in names] == pytest.approx(np.mean(errors, axis=0).tolist(), abs=1e-15)
        assert np.mean(errors, axis=0)[[0, 3]].min() > 0
    for name, value in METRIC.compute(measured(cases, info), info).items():
        assert value == pytest.approx((table["vessel"][name] + table["bone"][name]) / 2, abs=1e-15)


def test_a_vessel_that_leaves_a_slice_and_comes_back_is_one_piece() -> None:
    """In the slices it is two, or one, and never a ring."""
    true = np.zeros((3, 3, 5), int)
    true[:, 1, [0, 4]], true[0, 1] = 1, 1
    found = true.copy()
    found[2, 1] = 1
    info = about({"c": None})
    scores = METRIC.compute(measured({"c": (true, found)}, info), info)
    assert scores == {
        "volume_betti0_error": 0, "volume_betti1_error": 1, "volume_betti2_error": 0, "volume_euler_error": 1
    }  # fmt: skip


def test_order_changes_nothing_and_a_slice_that_is_not_there_is_empty() -> None:
    true, found = bodies(1)
    info = about({"c": None})
    parts = [METRIC.measure(s, p, info) for s, p in pairs_of("c", (true, found)) if s.index not in (3, 4)]
    gap = METRIC.of_group(parts[::-1], info)
    assert [s.index for s in gap] == [0, 1, 2, 5, 6]
    assert all(not len(each.columns["label"]) for each in gap[1:])
    for side in (true, found):
        side[3:5] = 0
    whole = measured({"c": (true, found)}, info)[0]
    assert {k: v.tolist() for k, v in gap[0].columns.items()} == {k: v.tolist() for k, v in whole.columns.items()}


def test_a_perfect_prediction_and_an_empty_case() -> None:
    true, _ = bodies(0)
    nothing = np.zeros_like(true)
    info = about({"a": None, "b": None})
    perfect = dict.fromkeys((score.name for score in METRIC.scores), 0.0)
    assert METRIC.compute(measured({"a": (true, true), "b": (nothing, nothing)}, info), info) == perfect
    assert all(map(math.isnan, METRIC.compute(measured({"b": (nothing, nothing)}, info), info).values()))


def test_laws(tmp_path: Path) -> None:
    cases = {f"c{n}": bodies(n) for n in range(6)}
    check_metric(
        METRIC, [each for name, pair in cases.items() for each in pairs_of(name, pair)], about(cases), tmp_path
    )


def test_what_is_missing_or_impossible_is_said() -> None:
    info = about({"a": None})
    mixed = [
        METRIC.measure(s, p, info) for s, p in (pairs_of("a", bodies(0))[3], pairs_of("a", bodies(0, (7, 9, 14)))[4])
    ]
    with pytest.raises(UserError, match="case 'a': its slices are of 9 x 14 and 16 x 14"):
        METRIC.of_group(mixed, info)
    with pytest.raises(UserError, match=r"measures volumes in mm, and .* says no spacing"):
        families(replace(info, volumes=VolumeSlices()), ["volume-topology"])
    (right, *_) = measured({"a": bodies(0)}, info)
    assert METRIC.fault(right, info) is None
    for name, value in (("label", 0), ("pieces_true", -1), ("pieces_true", 0), ("cavities_pred", 1 << 40)):
        column = right.columns[name].copy()
        column[0] = value
        assert METRIC.fault(replace(right, columns={**right.columns, name: column}), info) is not None, name


@pytest.mark.slow
def test_imported_volumes_are_counted_as_a_whole_where_that_is_asked_for(tmp_path: Path) -> None:
    truths = data_set(tmp_path / "source")
    import_data(ImportRequest(tmp_path / "source", tmp_path / "own"), Reporter(quiet=True))
    apart = []
    for name, truth in truths.items():
        found = truth.copy()
        found[::9, ::7] = 1
        save(tmp_path / "predicted" / f"{name}.nii.gz", found)
        pieces = [betti_numbers_of_volume(np.moveaxis(side == 1, 2, 0))[0] for side in (truth, found)]
        apart.append(pieces[1] - pieces[0])
    request = EvaluateRequest(
        *("folder", tmp_path / "predicted", "mine"),
        root=tmp_path / "own",
        split="test",
        out=tmp_path / "run",
        metrics=("volume-topology",),
    )
    evaluate_files(request, Reporter(quiet=True))
    run = with_score(open_run(tmp_path / "run"), "volume_betti0_error@liver")
    assert np.mean(apart) > 0
    assert run.record.scores["volume_betti0_error@liver"].value == np.mean(apart)
