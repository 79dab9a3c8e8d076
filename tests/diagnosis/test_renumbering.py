"""The doctor recognises classes in any other order, before it looks at turns, and only where it is proven."""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from random_mistakes import STREET, Truths, make_truths, model, without_mistake

from diagnosed_cases import Case, Map, Maps, first, recode, write, write_each
from segbench.diagnosis.best_coding import NONE, best_code, overlaps
from segbench.diagnosis.sampled_pixels import proven

COUNT = len(STREET)
VOID = 11


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Truths:
    """SYNTHETIC streets of 11 classes, whose names are in no alphabetical order."""
    return make_truths("folder", tmp_path_factory.mktemp("street") / "data")


@pytest.fixture(scope="module")
def fair(street: Truths) -> Case:
    """Predictions of streets with a mean IoU of about 0.6."""
    return street.case(model(street, np.random.default_rng(0), 0.6))


def test_one_too_high_with_the_last_class_at_0(street: Truths, tmp_path: Path) -> None:
    """Predictions equal to the truth; mirrored they agree a little better than as they are."""
    wrapped = recode({**{label: (label + 1) % COUNT for label in range(COUNT)}, VOID: 0})
    found = street.case(street.maps).diagnose(write_each(tmp_path / "p", street.maps, wrapped))
    (finding,) = found.findings
    assert finding.kind == "off_by_one"
    assert "0 is 10 (Bicyclist), 1 is 0 (Sky), 2 is 1 (Building)" in " ".join(finding.evidence)
    assert finding.score_after == 1.0


def test_the_alphabetical_order(fair: Case, tmp_path: Path) -> None:
    table = {label: sorted(STREET).index(name) for label, name in enumerate(STREET)}
    finding = first(fair, write_each(tmp_path / "p", fair.predictions, recode(table)), "renumbered")
    assert "alphabetical order" in finding.summary
    assert "numpy.array([10, 1, 8, 7, 4, 9, 2, 3, 6, 0, 5])[values]" in finding.remedy
    plus = write_each(tmp_path / "plus", fair.predictions, recode({k: v + 1 for k, v in table.items()}))
    assert "with 0 for 'unlabeled'" in first(fair, plus, "renumbered").summary


@pytest.mark.parametrize("seed", range(3))
def test_any_order(seed: int, fair: Case, tmp_path: Path) -> None:
    order = np.random.default_rng(seed).permutation(COUNT).tolist()
    folder = write_each(tmp_path / "p", fair.predictions, recode(dict(enumerate(order))))
    finding = first(fair, folder, "renumbered")
    assert f"table = {dict(sorted((value, label) for label, value in enumerate(order)))}" in finding.remedy
    assert not finding.estimate


def test_any_codes(fair: Case, tmp_path: Path) -> None:
    codes = np.random.default_rng(1).choice(256, COUNT, replace=False).tolist()
    finding = first(fair, write_each(tmp_path / "p", fair.predictions, recode(dict(enumerate(codes)))), "renumbered")
    assert finding.score_before is None
    assert f"{codes[3]} is 3 (Road)" in finding.evidence[0]


@pytest.mark.parametrize("step", [2, -3])
def test_ids_that_are_rotated(step: int, fair: Case, tmp_path: Path) -> None:
    """Classes that hardly any pixel speaks of follow from the others."""
    folder = write_each(tmp_path / "p", fair.predictions, recode({n: (n + step) % COUNT for n in range(COUNT)}))
    assert not first(fair, folder, "renumbered").estimate


def test_all_classes_but_the_first_in_a_circle(fair: Case, tmp_path: Path) -> None:
    """All but one of them are one too high; that alone would lose the one that is not."""
    circle = {0: 0, **{n: n + 1 for n in range(1, COUNT - 1)}, COUNT - 1: 1}
    order = {n: circle[place] for place, n in enumerate((0, *range(2, COUNT), 1))}  # the large class comes round
    assert sorted(order.values()) == sorted(order)
    finding = first(fair, write_each(tmp_path / "p", fair.predictions, recode(circle)), "renumbered")
    assert "1 is 10 (Bicyclist), 2 is 1 (Building)" in " ".join(finding.evidence)


def test_two_classes_exchanged(fair: Case, tmp_path: Path) -> None:
    """A mistake that hardly shows in all pixels: those of the two classes prove it."""
    folder = write_each(tmp_path / "p", fair.predictions, recode({**{n: n for n in range(COUNT)}, 5: 8, 8: 5}))
    finding = first(fair, folder, "renumbered")
    assert "2 label values stand for another class" in finding.summary
    assert {"5 is 8 (Car)", "8 is 5 (Tree)"} < set(finding.evidence[0].split(": ")[1].split(", "))


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud, lambda values: np.rot90(values, 2)])
def test_another_order_and_turned(turn: object, fair: Case, tmp_path: Path) -> None:
    change = recode(dict(enumerate(np.random.default_rng(2).permutation(COUNT).tolist())))
    assert callable(turn)
    found = fair.diagnose(write_each(tmp_path / "p", fair.predictions, lambda values: turn(change(values))))
    assert [finding.kind for finding in found.findings] == ["orientation", "renumbered"]
    assert "both with the label values that fit best" in " ".join(found.findings[0].evidence)
    assert found.findings[1].score_before == found.findings[0].score_after
    assert found.findings[1].score_after == fair.undamaged


def test_another_order_and_shifted_by_one(fair: Case, tmp_path: Path) -> None:
    change = recode(dict(enumerate(np.random.default_rng(3).permutation(COUNT).tolist())))
    names = list(fair.predictions)
    moved = {i: change(fair.predictions[names[(n + 1) % len(names)]]) for n, i in enumerate(names)}
    found = fair.diagnose(write(tmp_path / "p", moved))
    assert {finding.kind for finding in found.findings} == {"stems", "renumbered"}
    assert found.findings[-1].score_after == fair.undamaged


def test_classes_that_were_merged_are_no_renumbering(street: Truths, tmp_path: Path) -> None:
    """A model that calls every tree a building has not written it wrongly."""
    merged = recode({**{n: n for n in range(COUNT + 1)}, 5: 1})
    assert street.case(street.maps).diagnose(write_each(tmp_path / "p", street.maps, merged)).findings == []


def test_a_class_that_is_always_taken_for_another_is_no_renumbering(street: Truths, tmp_path: Path) -> None:
    """Every car is called a bicyclist, of which the truth holds none: a confusion, as models have them."""
    root = tmp_path / "data"
    truths = {i: np.where(labels == 10, 3, labels).astype(np.uint8) for i, labels in street.maps.items()}
    shutil.copytree(street.root, root)
    write(root / "replaced", truths)
    shutil.rmtree(root / "masks")
    (root / "replaced").rename(root / "masks")
    case = Case("folder", root, truths, "all")
    folder = write_each(tmp_path / "p", truths, recode({**{n: n for n in range(COUNT + 1)}, 8: 10}))
    assert case.diagnose(folder).findings == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_bad_predictions_get_no_advice(seed: int, street: Truths, tmp_path: Path) -> None:
    for name, predictions in without_mistake(street, np.random.default_rng(seed)):
        found = street.case(predictions).diagnose(write(tmp_path / name, predictions))
        assert not {finding.kind for finding in found.findings} - {"constant", "copies"}, name


@pytest.mark.slow
def test_bad_predictions_in_another_order_get_no_advice(street: Truths, tmp_path: Path) -> None:
    """Which order it was, nothing proves."""
    random = np.random.default_rng(5)
    predictions: Maps = dict(without_mistake(street, random))["untrained network"]
    change = recode(dict(enumerate(random.permutation(COUNT).tolist())))
    assert street.case(predictions).diagnose(write_each(tmp_path / "p", predictions, change)).findings == []


def test_a_remedy_needs_good_agreement_not_only_better() -> None:
    own = np.full(20, -0.10)
    assert not proven(own, np.full(20, 0.02))
    assert not proven(np.full(20, 0.45), np.full(20, 0.55))
    weak, others = np.full(20, 0.3), np.full(20, 0.02)
    assert not proven(own, weak)
    assert not proven(own, weak, elsewhere=np.full(20, 0.28))
    assert proven(own, weak, elsewhere=others)
    assert not proven(own, np.full(20, 0.15), elsewhere=others)
    assert proven(own, np.full(20, 0.5))
    assert proven(np.full(20, 0.9), np.full(20, 0.97), margin=0.01)


def _all_codes(labels: int, values: int) -> list[NDArray[np.int64]]:
    """Every one-to-one code of no more values than labels."""
    return [np.array(rows) for rows in permutations(range(labels), values)]


@pytest.mark.parametrize("seed", range(20))
def test_the_best_code_has_the_highest_mean_iou(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(1, 50, (5, 4)) ** 2
    fit = overlaps(counts)
    highest = max(fit[code, range(4)].sum() for code in _all_codes(5, 4))
    code = best_code(counts)
    assert NONE not in code
    assert len(set(code.tolist())) == 4
    assert fit[code, range(4)].sum() == pytest.approx(highest)


def test_values_that_do_not_occur_have_no_code() -> None:
    assert best_code(np.array([[5, 0, 0], [0, 0, 7]])).tolist() == [0, NONE, 1]


def test_another_order_that_keeps_void(street: Truths, tmp_path: Path) -> None:
    """Void of the truth was copied: it counts nowhere and stands for no class."""
    change = recode({**dict(enumerate(np.random.default_rng(4).permutation(COUNT).tolist())), VOID: 255})
    masks = {
        i: np.where(np.arange(96)[:, None] > 80, VOID, labels).astype(np.uint8) for i, labels in street.maps.items()
    }
    root = tmp_path / "data"
    shutil.copytree(street.root, root, ignore=shutil.ignore_patterns("masks"))
    write(root / "masks", masks)
    found = Case("folder", root, masks, "all").diagnose(write_each(tmp_path / "p", masks, change))
    assert [finding.kind for finding in found.findings] == ["renumbered"]
    assert found.findings[0].score_after == 1.0


@pytest.mark.parametrize("pair", [(1, 5), (3, 4)])
def test_an_exchange_needs_the_other_classes_to_be_right(pair: tuple[int, int], street: Truths, tmp_path: Path) -> None:
    """Two classes in each other's place, the others noise: neither a table nor another order of files is proven."""
    random = np.random.default_rng(6)
    a, b = pair

    def spoil(values: Map) -> Map:
        noise = random.integers(0, COUNT, values.shape)
        noise = np.where(np.isin(noise, pair), 0, noise)
        return np.where(values == a, b, np.where(values == b, a, noise)).astype(np.uint8)

    assert street.case(street.maps).diagnose(write_each(tmp_path / "p", street.maps, spoil)).findings == []
