"""`--metric calibration` of `bench run` and `bench evaluate`: scores with intervals, a diagram, and what is stored."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from evaluated_runs import truth
from PIL import Image

from commands import Run, printed_json
from segbench.datasets.camvid import CamVid
from segbench.metrics.calibration import Calibration
from segbench.metrics.confidence_bins import BINS
from segbench.runs.stored import open_run
from segbench.types import Array
from synthetic_roots import write_stacks
from tiny_models import NearestColor, save_torchscript, write_colored_camvid

QUICK = ["--set", "epochs=1 iterations_per_epoch=2 batch_size=2 crop=64 depth=2 base_channels=4 tta=none"]
QUICK += ["--device", "cpu", "--folds", "2"]


def probabilities(root: Path, file: Path) -> Path:
    """A stack of probabilities that lean to the truth."""
    labels = tifffile.imread(root / "train-labels.tif") > 0
    noise = np.random.default_rng(0).normal(0, 0.25, labels.shape)
    tifffile.imwrite(file, np.clip(np.where(labels, 0.7, 0.3) + noise, 0, 1).astype(np.float32))
    return file


def test_files_of_probabilities_are_scored(bench: Run, stacks: Path, tmp_path: Path) -> None:
    found = probabilities(stacks, tmp_path / "mine.tif")
    words = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", found, "--split", "all", "--out", tmp_path / "run"]
    record = printed_json(bench(*words, "--metric", "calibration", "--json"))
    for name in ("ece", "brier"):
        score = record["scores"][name]
        assert score["low"] < score["value"] < score["high"]
        assert not score["higher_is_better"]
    assert record["main_score"] == "v_rand"
    assert "reliability" in {path.stem for path in (tmp_path / "run" / "plots").iterdir()}
    assert bench("verify", tmp_path / "run").returncode == 0
    compared = bench("leaderboard", tmp_path / "run")
    assert "ece" not in compared.stdout  # a family that was added is no column of the board
    # Matplotlib's own numbers of a logarithmic axis are formulas, which stay raw where no text is one.
    assert "mathdefault" not in (tmp_path / "run" / "plots" / "reliability.svg").read_text()
    # Its statistics name what is predicted by -1, which is no negative count.
    published = printed_json(bench("publish", tmp_path / "run", "--to", tmp_path / "results", "--json"))
    assert published["ok"]


def test_label_maps_are_told_to_have_no_probabilities(bench: Run, stacks: Path, tmp_path: Path) -> None:
    words = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", stacks / "train-labels.tif", "--split", "all"]
    record = printed_json(bench(*words, "--metric", "calibration", "--no-plots", "--out", tmp_path / "run", "--json"))
    # The truth as probabilities of 0 and 1: all right, and as sure as can be.
    assert record["scores"]["ece"]["value"] == 0
    assert record["scores"]["brier"]["value"] == 0


@pytest.mark.slow
def test_a_run_adds_the_family_and_stores_what_it_needs(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "own", 8)
    words = ["run", "-d", "folder", "--root", root, "-m", "unet", *QUICK, "--save-predictions"]
    made = bench(*words, "--metric", "calibration", "--out", tmp_path / "run", "--json")
    record = printed_json(made)
    assert 0 <= record["scores"]["ece"]["value"] <= 1
    assert "--metric calibration" in record["command"]
    plain = printed_json(bench(*words, "--out", tmp_path / "plain", "--no-plots", "--json"))
    assert plain["run_id"] != record["run_id"]
    assert plain["scores"]["dice"]["value"] == record["scores"]["dice"]["value"]
    stored = list((tmp_path / "run" / "predictions").glob("*.tif"))
    assert len(stored) == record["dataset"]["n"]
    assert all(path.suffix == ".png" for path in (tmp_path / "plain" / "predictions").iterdir())
    checked = bench("verify", tmp_path / "run", "--root", root)
    assert checked.returncode == 0, checked.stdout
    statistics = open_run(tmp_path / "run").statistics.of(Calibration.name)
    assert sum(int(s.columns["pixels"].sum()) for s in statistics) > 0
    assert json.loads(json.dumps(record)) == record
    report = bench("report", tmp_path / "run", "--out", tmp_path / "page")
    assert report.returncode == 0, report.stderr
    assert "Expected calibration error: unet" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    compared = bench("compare", tmp_path / "run", tmp_path / "plain", "--metric", "ece")
    assert compared.returncode == 2


def test_an_unknown_family_is_told_before_anything_is_fitted(bench: Run, tmp_path: Path) -> None:
    root = write_stacks(tmp_path / "isbi")
    done = bench("run", "-d", "isbi2012", "--root", root, "-m", "constant", "--metric", "calibraton")
    assert done.returncode == 2
    assert "Did you mean 'calibration'?" in done.stderr


def softened(root: Path) -> Path:
    """Pictures whose colours are mixed with noise, so that a network that knows the colours is not sure, and errs."""
    for number, path in enumerate(sorted((root / "CamVid").glob("*/*.png"))):
        if not path.parent.name.endswith("annot"):
            image = np.asarray(Image.open(path)).astype(float)
            noise = np.random.default_rng(number).normal(0, 45, image.shape)
            Image.fromarray(np.clip(0.7 * image + 35 + noise, 0, 255).astype(np.uint8)).save(path)
    return root


def computed(root: Path, size: tuple[int, int] | None = None) -> dict[str, float]:
    """Calibration of the network of nearest colours on the test split, all pixels in one array."""
    values, truths = [], []
    for path in sorted((root / "CamVid" / "test").iterdir()):
        image = torch.from_numpy(np.asarray(Image.open(path)).astype(np.float32) / 255).permute(2, 0, 1)[None]
        truth = np.asarray(Image.open(root / "CamVid" / "testannot" / path.name))
        given = image if size is None else torch.nn.functional.interpolate(image, size, mode="bilinear", antialias=True)
        logits = NearestColor()(given).detach()
        if size is not None:
            logits = torch.nn.functional.interpolate(logits, truth.shape, mode="bilinear")
        counted = truth != 11
        values.append(logits.softmax(1)[0].double().numpy()[:, counted])
        truths.append(truth[counted])
    p, y = np.concatenate(values, axis=1), np.concatenate(truths).astype(int)
    onehot = np.eye(len(p))[:, y]
    predicted = p.argmax(0)
    return {
        "ece": gap(p.max(0), predicted == y),
        "ece_classwise": float(np.mean([gap(p[c], y == c) for c in range(len(p))])),
        "brier": float(np.square(p - onehot).sum(0).mean()),
        "nll": float(-np.log(np.maximum(p[y, np.arange(y.size)], 2.0**-23)).mean()),
    }


def gap(confidence: Array, right: Array) -> float:
    bins = np.minimum(np.maximum(np.ceil(confidence * BINS), 1), BINS)
    return math.fsum(
        (bins == b).mean() * abs(right[bins == b].mean() - confidence[bins == b].mean()) for b in set(bins)
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, (12, 20)])
def test_a_model_that_exists_gives_probabilities_of_several_classes(
    bench: Run, tmp_path: Path, size: tuple[int, int] | None
) -> None:
    root = softened(write_colored_camvid(tmp_path / "camvid"))
    for path in (root / "CamVid" / "testannot").iterdir():
        truth = np.asarray(Image.open(path)).copy()
        truth[:2] = 11  # void
        Image.fromarray(truth).save(path)
    model = save_torchscript(tmp_path / "net.pt")
    if size is not None:
        model.with_name("net.pt.yaml").write_text(yaml.safe_dump({"size": list(size)}), encoding="utf-8")
    words = ["run", "-d", "camvid", "-m", f"torch:{model}", "--root", root, "--save-predictions"]
    plain = printed_json(bench(*words, "--no-plots", "--out", tmp_path / "plain", "--json"))
    record = printed_json(bench(*words, "--metric", "calibration", "--out", tmp_path / "run", "--json"))
    expected = computed(root, size)
    found = {name: record["scores"][name]["value"] for name in expected}
    assert found == pytest.approx(expected, abs=1e-5)
    for name in expected:
        assert record["scores"][name]["low"] <= found[name] <= record["scores"][name]["high"]
    assert record["scores"]["miou"] == plain["scores"]["miou"]
    assert {path.suffix for path in (tmp_path / "run" / "predictions").iterdir()} == {".png"}
    assert "reliability" in {path.stem for path in (tmp_path / "run" / "plots").iterdir()}
    assert set(record["per_class"]["sky"]) == {*plain["per_class"]["sky"], "ece", "brier"}
    verified = bench("verify", tmp_path / "run", "--root", root)
    assert verified.returncode == 0, verified.stdout
    assert "but for calibration: the label maps kept hold no probabilities" in " ".join(verified.stdout.split())


@pytest.mark.slow
def test_a_network_of_ones_own_gives_probabilities_of_several_classes(bench: Run, tmp_path: Path) -> None:
    root = softened(write_colored_camvid(tmp_path / "camvid"))
    words = ["run", "-d", "camvid", "--root", root, "-m", "unet", *QUICK[:-2], "--set", "size=[16,24]"]
    plain = printed_json(bench(*words, "--no-plots", "--out", tmp_path / "plain", "--json"))
    record = printed_json(bench(*words, "--metric", "calibration", "--out", tmp_path / "run", "--json"))
    assert record["scores"]["miou"] == plain["scores"]["miou"]
    for name in ("ece", "ece_classwise", "brier", "nll"):
        assert record["scores"][name]["low"] <= record["scores"][name]["value"] <= record["scores"][name]["high"]
    # An untrained network of 11 classes is about as unsure as can be.
    assert 0.5 < record["scores"]["brier"]["value"] < 1.2
    statistics = open_run(tmp_path / "run").statistics.of(Calibration.name)
    assert {int(c) for s in statistics for c in s.columns["class"]} == {*range(-1, len(CamVid.info.classes))}
    assert (tmp_path / "run" / "statistics.parquet").stat().st_size < 100_000
    report = bench("report", tmp_path / "run", "--out", tmp_path / "page")
    assert report.returncode == 0, report.stderr
    assert "Expected calibration error: unet" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_files_of_probabilities_of_several_classes_are_scored(bench: Run, tmp_path: Path) -> None:
    root, folder = write_colored_camvid(tmp_path / "camvid"), tmp_path / "mine"
    folder.mkdir()
    random = np.random.default_rng(1)
    values, truths = [], []
    for path in sorted((root / "CamVid" / "testannot").iterdir()):
        truth = np.asarray(Image.open(path))
        mixed = 0.6 * np.eye(11)[truth] + 0.4 * random.dirichlet(np.full(11, 0.3), truth.shape)
        np.save(folder / f"{path.stem}.npy", mixed.transpose(2, 0, 1).astype(np.float16))
        values.append(mixed.reshape(-1, 11).T)
        truths.append(truth.ravel())
    words = ["evaluate", "-d", "camvid", "--root", root, "-p", folder, "--metric", "calibration"]
    record = printed_json(bench(*words, "--no-plots", "--save-predictions", "--out", tmp_path / "run", "--json"))
    p, y = np.concatenate(values, axis=1), np.concatenate(truths)
    assert record["scores"]["ece"]["value"] == pytest.approx(gap(p.max(0), p.argmax(0) == y), abs=2e-3)
    assert bench("verify", tmp_path / "run", "--root", root).returncode == 0
    for path in folder.iterdir():
        np.save(path, np.load(path) / 2)
    refused = bench(*words, "--out", tmp_path / "other")
    assert refused.returncode == 2
    assert "sum to 0.5" in " ".join(refused.stderr.split())
