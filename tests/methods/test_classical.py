"""The classical methods: every one keeps the contract on every dataset that it supports, and takes hard input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_roots
from commands import Run, printed_json
from own_folders import BINARY, THREE, write_folder
from segbench.errors import UserError
from segbench.methods.classical import region_classes
from segbench.methods.classical.method import ClassicalSettings
from segbench.methods.classical.random_forest import Forest, grow, of_sklearn
from segbench.registry import make_dataset, make_method, method_class
from segbench.testing import check_method
from segbench.types import Dataset, Method, Samples
from small_stack import context
from synthetic_roots import write_hearts, write_stacks

NAMES = (
    *("threshold", "canny", "kmeans", "watershed", "slic", "random-walker", "chan-vese", "felzenszwalb"),
    *("ilastik-like", "mean-shape", "constant"),
)
PARTITIONING = ("threshold", "canny", "kmeans", "watershed", "slic", "felzenszwalb")

# Enough to exercise every path, little enough for seconds.
QUICK: Mapping[str, Mapping[str, Any]] = {
    "threshold": {"kind": ["otsu", "sauvola"], "sigma": [0.0, 2.0], "channel": "grey"},
    "canny": {"sigma": 1.0, "strongest": 0.2, "closing": [3, 13]},
    "kmeans": {"k": [2, 3], "sigma": 1.0, "cut": 0.5},
    "watershed": {"sigma": 2.0, "tolerance": 0.05, "relief": ["gradient", "dark"]},
    "slic": {"segments": 50, "compactness": 10.0},
    "random-walker": {"sigma": 1.0, "darkest": 0.2},
    "chan-vese": {"sigma": 1.0, "mu": 0.25},
    "felzenszwalb": {"scale": 30.0, "min_size": 20},
    "ilastik-like": {"trees": 5, "pixels": 200},
}


def make(name: str, **values: Any) -> Any:
    given = {"max_images": 2, "fit_images": 3, **QUICK.get(name, {}), **values}
    return make_method(name, given)


def fitted(name: str, dataset: Dataset, folder: Path, count: int | None = 3, **values: Any) -> Any:
    method = make(name, **values)
    train = Samples(dataset, dataset.ids("train")[:count])
    method.fit(train, Samples(dataset, ()), context_of(dataset, folder))
    return method


def context_of(dataset: Dataset, folder: Path) -> Any:
    return context(dataset, folder)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers of regions are forests of 5 trees instead of 50: no test here is about how well they generalise."""
    monkeypatch.setattr(region_classes, "grow", partial(grow, trees=5))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """SYNTHETIC data in every official layout."""
    folder = tmp_path_factory.mktemp("roots")
    made = {
        "isbi2012": write_stacks(folder / "isbi2012", size=40),
        "medaka": write_hearts(folder / "medaka", sequences=3, frames=3),
    }
    return made | {name: tiny_roots.MAKERS[name](folder / name).root for name in ("cityscapes", "cocostuff", "voc2012")}


def supported() -> list[tuple[str, str]]:
    tasks = {"isbi2012": "binary", "medaka": "binary"}
    data = ("isbi2012", "medaka", "cityscapes", "cocostuff", "voc2012")
    return [
        (name, where)
        for name in NAMES
        for where in data
        if tasks.get(where, "multiclass") in method_class(name).info.tasks
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), supported())
def test_every_method_conforms_on_every_dataset_that_it_supports(
    name: str, data: str, roots: Mapping[str, Path], tmp_path: Path
) -> None:
    dataset = make_dataset(data, roots[data])
    train = Samples(dataset, dataset.ids("train")[:3])
    check_method(lambda: make(name), train, Samples(dataset, ()), tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_name_is_the_files_name_with_hyphens(name: str) -> None:
    cls = method_class(name)
    assert cls.__module__.endswith("." + name.replace("-", "_"))
    assert cls.info.family == "classical"
    assert isinstance(cls(cls.info.defaults), Method)
    assert issubclass(cls.info.settings, ClassicalSettings)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", ["isbi2012", "medaka", "voc2012"])
def test_a_large_constant_or_thin_image_is_taken(
    name: str, data: str, roots: Mapping[str, Path], tmp_path: Path
) -> None:
    dataset = make_dataset(data, roots[data])
    if dataset.info.task not in method_class(name).info.tasks:
        pytest.skip(f"{name} is for {method_class(name).info.tasks}")
    method = fitted(name, dataset, tmp_path, max_pixels=64 * 64)
    color = (3,) if data == "voc2012" else ()
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 50), (50, 1), (2, 3), (700, 300)):
        for image in (np.full((*shape, *color), 7, np.uint8), random.integers(0, 256, (*shape, *color), np.uint8)):
            (found,) = method.predict([image])
            values = found.labels if found.labels is not None else found.probabilities
            assert values.shape == shape
            assert np.isfinite(values).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grey", [{"a"}, {"b", "c"}], ids=["first", "others"])
def test_a_folder_may_hold_grey_and_coloured_images(name: str, grey: set[str], tmp_path: Path) -> None:
    binary = make(name).info.tasks == ("binary",)
    root = write_folder(tmp_path / "mine", list("abcd"), BINARY if binary else THREE, (0, 1) if binary else (0, 1, 2))
    for path in (root / "images").iterdir():
        if path.stem not in grey:
            values = np.asarray(Image.open(path))
            Image.fromarray(np.stack([values, 255 - values, values // 2], axis=2)).save(path)
    dataset = make_dataset("folder", root)
    method = make(name, max_images=3)
    method.fit(Samples(dataset, ("a", "b", "c")), Samples(dataset, ()), context_of(dataset, tmp_path))
    images = [sample.image for sample in Samples(dataset, tuple("abcd")) if sample.image is not None]
    assert {image.ndim for image in images} == {2, 3}
    method.save(tmp_path)
    again = make(name)
    again.load(tmp_path, dataset.info, "cpu")
    for first, second, image in zip(method.predict(images), again.predict(images), images, strict=True):
        assert first.labels.shape == image.shape[:2]
        np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["threshold", "kmeans", "chan-vese", "felzenszwalb", "slic", "ilastik-like"])
def test_a_bright_disc_is_found(name: str, roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("medaka", roots["medaka"])
    method = fitted(name, dataset, tmp_path, None)
    assert method.chosen["training_score"] > 0.9
    assert method.chosen["objective"] == "dice"
    sample = dataset.load(dataset.ids("test")[0])
    labels = np.asarray(method.predict([sample.image])[0].labels)
    truth = np.asarray(sample.labels) == 1
    assert 2 * (truth & (labels == 1)).sum() / (truth.sum() + (labels == 1).sum()) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTITIONING)
def test_an_oracle_is_marked_refuses_to_predict_and_beats_the_method(
    name: str, roots: Mapping[str, Path], tmp_path: Path
) -> None:
    dataset = make_dataset("voc2012", roots["voc2012"])
    oracle, plain = (fitted(name, dataset, tmp_path, classes=how) for how in ("oracle", "auto"))
    assert oracle.oracle
    assert not plain.oracle
    sample = dataset.load(dataset.ids("val")[0])
    with pytest.raises(UserError, match="needs the truth"):
        oracle.predict([sample.image])
    best = oracle.predict_with_truth([sample.image], [sample.labels])[0].labels
    mine = plain.predict([sample.image])[0].labels
    counted = sample.labels != dataset.info.ignore_label
    assert (best == sample.labels)[counted].mean() >= (mine == sample.labels)[counted].mean()
    assert oracle.chosen["classes"] == "oracle"


def test_an_oracle_of_perfect_regions_is_the_truth(roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("medaka", roots["medaka"])
    oracle = fitted("threshold", dataset, tmp_path, classes="oracle", sigma=0.0, kind="otsu")
    truth = np.zeros((40, 50), np.uint8)
    truth[10:20, 10:30] = 1
    image = np.where(truth == 1, 200, 10).astype(np.uint8)
    assert np.array_equal(oracle.predict_with_truth([image], [truth])[0].labels, truth)


def test_a_class_that_never_occurs_is_never_said(roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("voc2012", roots["voc2012"])
    sample = dataset.load(dataset.ids("train")[0])
    present = set(np.unique(np.asarray(sample.labels)).tolist()) - {255}
    for name in ("slic", "mean-shape", "constant", "ilastik-like"):
        method = fitted(name, dataset, tmp_path, 1)
        assert set(np.unique(method.predict([sample.image])[0].labels).tolist()) <= present


@pytest.mark.slow
def test_what_is_chosen_is_recorded_and_deterministic(roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("isbi2012", roots["isbi2012"])
    first, again = (fitted("watershed", dataset, tmp_path).chosen for _ in range(2))
    seconds = {"fit_seconds", "search_seconds"}
    assert {k: v for k, v in first.items() if k not in seconds} == {k: v for k, v in again.items() if k not in seconds}
    wanted = {"relief", "markers", "sigma", "depth", "tolerance", "classes", "side", "training_score"}
    assert wanted | {"training_images", "candidates", "objective", "roi"} | seconds <= set(first)
    assert first["objective"] == "v_rand"
    assert json.loads(json.dumps(first)) == first


@pytest.mark.parametrize("name", ["threshold", "slic", "ilastik-like", "mean-shape"])
def test_probabilities_where_v_rand_ranks(name: str, roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("isbi2012", roots["isbi2012"])
    found = fitted(name, dataset, tmp_path).predict([dataset.load(dataset.ids("val")[0]).image])[0]
    assert found.labels is None
    assert len(np.unique(found.probabilities)) > 2


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("kmeans", {"k": "three"}, "numbers such as"),
        ("kmeans", {"k": []}, "empty list"),
        ("kmeans", {"k": 1}, "each at least 2"),
        ("kmeans", {"k": 2.5}, "numbers such as"),
        ("threshold", {"kind": "otsou"}, "one or a list of otsu"),
        ("slic", {"classes": "best"}, "expected one of auto, rule, classifier, oracle"),
        ("slic", {"max_pixels": 0}, "above 0"),
        ("ilastik-like", {"trees": 0}, "above 0"),
        ("ilastik-like", {"classes": "oracle"}, "classifier of pixels"),
        ("mean-shape", {"classes": "rule"}, "no regions"),
        ("canny", {"sigmas": 1}, "Did you mean 'sigma'"),
    ],
)
def test_wrong_settings_are_messages(
    name: str, change: dict[str, Any], message: str, roots: Mapping[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        fitted(name, make_dataset("medaka", roots["medaka"]), tmp_path, **change)


def test_a_rule_cannot_name_many_classes(roots: Mapping[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use classifier"):
        fitted("slic", make_dataset("voc2012", roots["voc2012"]), tmp_path, classes="rule")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(40), b"\x93NUMPY\x01\x00\xff\xff", b"x" * 40])
def test_damaged_arrays_of_a_method_are_a_message(content: bytes, roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("medaka", roots["medaka"])
    fitted("constant", dataset, tmp_path).save(tmp_path)
    (tmp_path / "arrays.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"constant\.json' holds no saved constant"):
        make("constant").load(tmp_path, dataset.info, "cpu")


@pytest.mark.parametrize("name", NAMES)
def test_no_training_image_and_no_saved_method_are_messages(
    name: str, roots: Mapping[str, Path], tmp_path: Path
) -> None:
    dataset = make_dataset("medaka", roots["medaka"])
    with pytest.raises(UserError, match="is empty"):
        fitted(name, dataset, tmp_path, 0)
    with pytest.raises(UserError, match="holds no saved"):
        make(name).load(tmp_path, dataset.info, "cpu")
    with pytest.raises(UserError, match="fit it, or load"):
        make(name).predict([np.zeros((8, 8), np.uint8)])


def test_mean_shape_is_the_mean_of_the_masks(roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("medaka", roots["medaka"])
    method = fitted("mean-shape", dataset, tmp_path, 1)
    sample = dataset.load(dataset.ids("train")[0])
    labels = method.predict([np.zeros_like(sample.image)])[0].labels
    assert (labels == sample.labels).mean() > 0.98


def test_constant_says_the_majority_class(roots: Mapping[str, Path], tmp_path: Path) -> None:
    dataset = make_dataset("isbi2012", roots["isbi2012"])
    labels = fitted("constant", dataset, tmp_path).predict([np.zeros((5, 6), np.uint8)])[0].labels
    assert np.array_equal(labels, np.ones((5, 6), np.uint8))


def test_a_forest_of_arrays_predicts_as_scikit_learn() -> None:
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(0)
    rows = random.normal(size=(500, 6)).astype(np.float32)
    targets = (rows[:, 0] > rows[:, 1] ** 2).astype(np.int64) * 3 + (rows[:, 2] > 0.5)
    model = RandomForestClassifier(7, min_samples_leaf=2, random_state=0).fit(rows, targets)
    forest = of_sklearn(model)
    new = np.concatenate([random.normal(size=(5000, 6)), np.round(rows, 1)]).astype(np.float32)
    assert np.allclose(forest.predict(new), model.predict_proba(new), atol=1e-6)
    assert forest.splits == sum(int((tree.tree_.children_left >= 0).sum()) for tree in model.estimators_)
    whole = forest.shares_of(new[:5], 9)
    assert whole.shape == (5, 9)
    assert np.array_equal(whole[:, forest.classes], forest.predict(new[:5]))
    kept = Forest.of(forest.arrays())
    assert np.array_equal(kept.predict(new), forest.predict(new))


def test_a_forest_of_one_class_says_that_class() -> None:
    forest = grow(np.zeros((4, 2), np.float32), np.full(4, 3), 0, trees=3)
    assert np.array_equal(forest.shares_of(np.ones((2, 2), np.float32), 4), [[0, 0, 0, 1]] * 2)


@pytest.mark.slow
def test_a_run_from_the_command_line_records_what_was_chosen(bench: Run, roots: Mapping[str, Path]) -> None:
    arguments = ("--dataset", "medaka", "--method", "chan-vese", "--root", str(roots["medaka"]), "--json")
    settings = ("--set", "sigma=1.0", "--set", "mu=0.25", "--set", "max_images=2")
    record = printed_json(bench("run", *arguments, *settings, "--no-plots"))
    assert record["method"]["chosen"]["sigma"] == 1.0
    assert record["scores"]["dice"]["value"] > 0.9


@pytest.mark.slow
def test_listing_the_methods_imports_no_library_of_images(bench_process: Run) -> None:
    names = bench_process("list", "methods", "--quiet").stdout.split()
    assert set(NAMES) <= set(names)
