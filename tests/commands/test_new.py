"""Templates of `bench new` pass their conformance checks and run as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from commands import Run, printed_json
from segbench.commands.new import Base, new_plugin
from segbench.registry import USER_MODULE, generator, make_dataset, make_method, metrics
from segbench.testing import check_dataset, check_method, check_metric
from segbench.types import Prediction, Samples, UserError


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugins"
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(folder))
    for name in [name for name in sys.modules if name.startswith(USER_MODULE)]:
        monkeypatch.delitem(sys.modules, name)
    return folder


@pytest.fixture
def drawings(plugins: Path, tmp_path: Path) -> Path:
    """A new dataset `my-cells`, and the root of the data that its generator makes."""
    made = new_plugin("dataset", "my-cells")
    assert made.files == [str(plugins / "datasets" / "my_cells.py"), str(plugins / "synthetic" / "my_cells.py")]
    makes = generator("my-cells")
    assert makes is not None
    makes.synthesize(tmp_path / "data", seed=3, plan=makes.SMALL)
    return tmp_path / "data"


def test_a_new_dataset_passes_its_check(drawings: Path) -> None:
    dataset = make_dataset("my-cells", drawings)
    check_dataset(dataset)
    assert dataset.check() == dataset.check_counts() == []
    assert [len(dataset.ids(split)) for split in ("train", "val", "test", "all")] == [4, 4, 4, 12]
    (drawings / "masks" / "test" / "drawing_0008.png").unlink()
    (drawings / "images" / "val" / "drawing_0005.png").unlink()
    torn = make_dataset("my-cells", drawings)
    assert torn.ids("train") == dataset.ids("train")
    with pytest.raises(UserError, match=r"drawing_0008\.png: has no label map"):
        torn.ids("test")
    faults = torn.check()
    assert any("drawing_0005.png: has no image" in fault for fault in faults)
    with pytest.raises(UserError, match="my-cells has no sample 'drawing_0008'"):
        torn.load("drawing_0008")
    with pytest.raises(UserError, match=r"my-cells has no split 'extra'\. Available: train, val, test, all\."):
        torn.ids("extra")


def test_a_new_method_passes_its_check(drawings: Path, tmp_path: Path) -> None:
    new_plugin("method", "my-method")
    dataset = make_dataset("my-cells", drawings)
    train, val = (Samples(dataset, dataset.ids(split)) for split in ("train", "val"))
    check_method(lambda: make_method("my-method"), train, val, tmp_path)
    with pytest.raises(UserError, match="Setting images of method my-method is 0: expected a whole number above 0"):
        make_method("my-method", {"images": 0})


@pytest.mark.parametrize(
    ("base", "config"),
    [("classical", {"max_images": 2}), pytest.param("learned", {"epochs": 1, "width": 2}, marks=pytest.mark.slow)],
)
def test_a_new_method_with_a_base_passes_its_check(
    drawings: Path, tmp_path: Path, base: Base, config: dict[str, int]
) -> None:
    new_plugin("method", "my-method", base)
    dataset = make_dataset("my-cells", drawings)
    train, val = (Samples(dataset, dataset.ids(split)) for split in ("train", "val"))
    check_method(lambda: make_method("my-method", config), train, val, tmp_path)
    assert make_method("my-method").info.family == base
    with pytest.raises(UserError, match=f"--base {base} is for methods; leave it out for a metric"):
        new_plugin("metric", "my-metric", base)


def test_a_new_metric_passes_its_check(drawings: Path, tmp_path: Path) -> None:
    new_plugin("metric", "my-metric")
    dataset = make_dataset("my-cells", drawings)
    samples = [dataset.load(i) for i in dataset.ids("all")]
    pairs = [(a, Prediction(labels=b.labels)) for a, b in zip(samples, samples[1:] + samples[:1], strict=True)]
    metric = metrics()["my-metric"]
    check_metric(metric, pairs, dataset.info, tmp_path)
    statistics = [metric.measure(*pair, dataset.info) for pair in pairs]
    right = sum(np.count_nonzero(a.labels == b.labels) for a, b in pairs)
    assert metric.compute(statistics, dataset.info) == {"my_metric": right / (len(pairs) * 64 * 96)}


@pytest.mark.slow
def test_new_plugins_run_together(bench: Run, tmp_path: Path) -> None:
    plugins = {"SEGBENCH_PLUGINS": str(tmp_path / "plugins"), "SEGBENCH_DATA": str(tmp_path / "data")}
    made = {
        kind: printed_json(bench("new", kind, f"my-{kind}", "--json", **plugins))
        for kind in ("dataset", "method", "metric")
    }
    command = ("run", "-d", "my-dataset", "-m", "my-method", "--save-predictions", "--out", "first", "--json")
    record = printed_json(bench(*command, **plugins))
    assert record["dataset"]["origin"] == "synthetic"
    assert record["scores"]["miou"]["value"] > 0.9
    command = ("evaluate", "-d", "my-dataset", "-p", "first/predictions", "--workers", "2", "--metric", "my-metric")
    scores = printed_json(bench(*command, "--json", **plugins))["scores"]
    assert scores["my_metric"]["value"] == scores["pixel_accuracy"]["value"] > 0.95
    assert made["metric"]["next"][1].endswith("--predictions runs/first/predictions --metric my-metric")
    assert bench("data", "verify", "my-dataset", **plugins).returncode == 0
    again = bench("new", "method", "my-method", **plugins)
    assert (again.returncode, "there is a method 'my-method' already" in again.stderr) == (2, True)


def test_nothing_is_overwritten(plugins: Path) -> None:
    path = plugins / "metrics" / "mine.py"
    path.parent.mkdir(parents=True)
    path.write_text("# mine\n")
    with pytest.warns(UserWarning, match="defines no metric"), pytest.raises(UserError, match="is not overwritten"):
        new_plugin("metric", "mine")
    assert path.read_text() == "# mine\n"
    with pytest.raises(UserError, match="cannot be the name of a dataset"):
        new_plugin("dataset", "../x")
