"""`bench run` from end to end on small SYNTHETIC stacks: records, resume, interruption, damage."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from commands import Run, printed_json
from segbench.evaluation.statistics import Statistics
from segbench.registry import make_dataset, metrics
from segbench.runs.record import read_record
from warm_processes import BENCH, WarmProcess

pytestmark = pytest.mark.slow

SMALL = "epochs=30 iterations_per_epoch=2 batch_size=2 crop=32 base_channels=4 depth=2 tta=none elastic=0 ema=0"
UNET = ["run", "--dataset", "isbi2012", "--method", "unet", "--device", "cpu", "--set", SMALL]


def _start(arguments: list[Any], cwd: Path) -> WarmProcess:
    return WarmProcess.start(BENCH, arguments, cwd, {"SEGBENCH_DATA": str(cwd / "data")})


def _wait_for_any(folder: Path, pattern: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not any(folder.glob(pattern)):
        assert time.monotonic() < end, f"{folder / pattern} did not appear"
        time.sleep(0.01)


def test_threshold_run_leaves_a_whole_run_folder(bench: Run, stacks: Path, tmp_path: Path) -> None:
    command = ["run", "--dataset", "isbi2012", "--method", "threshold", "--root", stacks, "--save-predictions"]
    record = printed_json(bench(*command, "--json"))
    folder = tmp_path / "runs" / record["run_id"]
    assert record["run_id"].startswith("isbi2012-threshold-")
    assert json.loads((folder / "record.json").read_text()) == record
    assert record["complete"]
    assert record["schema_version"] == 1
    assert record["dataset"]["n"] == 5
    assert record["dataset"]["split"] == "test"
    assert record["dataset"]["origin"] == "real"
    assert record["method"]["family"] == "classical"
    assert record["method"]["preset"] == "quick"
    assert record["method"]["n_train"] == 20
    assert record["method"]["chosen"]["side"] == "brighter"
    assert set(record["scores"]) == {"v_rand", "v_info", "dice", "dice_per_image", "iou_foreground"}
    for score in record["scores"].values():
        assert score["low"] <= score["value"] <= score["high"] + 1e-12
        assert score["n"] == 5
        assert score["resampled"] == "samples"
    assert record["scores"]["dice"]["value"] > 0.9
    assert list(record["per_class"]) == ["membrane", "cell"]
    assert set(record["per_class"]["cell"]) == {"iou", "dice", "accuracy", "pixels"}
    assert record["cost"]["train_s"] > 0
    assert record["environment"]["packages"]["numpy"] == np.__version__
    assert yaml.safe_load((folder / "config.yaml").read_text())["method"] == "threshold"
    assert (folder / "log.txt").read_text()
    stored = Statistics.from_parquet(folder / "statistics.parquet", metrics())
    info = make_dataset("isbi2012", stacks).info
    again = metrics()["partition"].compute(stored.of("partition"), info)
    assert again["v_rand"] == record["scores"]["v_rand"]["value"]
    # Saved predictions, scored as anybody's, give the same numbers.
    scored = printed_json(bench("evaluate", "-d", "isbi2012", "--root", stacks, "-p", folder / "predictions", "--json"))
    assert scored["scores"] == record["scores"]
    assert scored["dataset"]["data_sha256"] == record["dataset"]["data_sha256"]
    # The recorded command makes the same run again.
    assert record["command"].startswith("bench run ")
    repeated = printed_json(bench(*record["command"].split()[1:], "--json"))
    assert repeated["scores"] == record["scores"]
    assert repeated["run_id"] == record["run_id"]


def test_what_comes_next_can_be_typed(bench: Run, stacks: Path) -> None:
    """One run is compared with nothing: the first one says so."""
    first = bench("run", "--dataset", "isbi2012", "--method", "constant", "--root", stacks)
    assert "bench compare runs  # once there is a second run" in first.stdout
    second = bench("run", "--dataset", "isbi2012", "--method", "mean-shape", "--root", stacks)
    assert "bench compare runs" in second.stdout
    assert "# once" not in second.stdout
    assert bench("compare", "runs").returncode == 0


def test_workers_do_not_change_a_byte(bench: Run, stacks: Path, tmp_path: Path) -> None:
    tables = []
    for workers in ("0", "2"):
        out = tmp_path / f"workers-{workers}"
        command = ["run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--out", out, "--workers", workers]
        assert bench(*command).returncode == 0
        tables.append((out / "statistics.parquet").read_bytes())
    assert tables[0] == tables[1]


def test_unet_run_and_folds(bench: Run, stacks: Path, tmp_path: Path) -> None:
    record = printed_json(bench(*UNET, "--root", stacks, "--json"))
    assert record["complete"]
    assert record["method"]["config"]["base_channels"] == 4
    assert record["cost"]["parameters"] > 1000
    assert record["cost"]["device"] == "cpu"
    assert (tmp_path / "runs" / record["run_id"] / "checkpoint" / "model.safetensors").is_file()
    command = ["run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--folds", "3", "--json"]
    folded = printed_json(bench(*command))
    assert folded["dataset"]["n"] == 30
    assert folded["dataset"]["folds"] == 3
    assert folded["method"]["n_train"] == 20
    few = printed_json(bench(*command[:7], "--train-fraction", "0.1", "--json"))
    assert few["method"]["n_train"] == 2


def test_trained_weights_predict_with_other_settings(bench: Run, stacks: Path, tmp_path: Path) -> None:
    first = printed_json(bench(*UNET, "--root", stacks, "--json"))
    weights = tmp_path / "runs" / first["run_id"]
    same = printed_json(bench(*UNET, "--root", stacks, "--weights", weights, "--json"))
    assert same["run_id"] != first["run_id"]
    assert same["scores"] == first["scores"]
    assert same["cost"]["train_s"] == first["cost"]["train_s"]
    assert same["method"]["chosen"]["weights_of"] == first["run_id"]
    assert f"--weights {weights}" in same["command"]
    changed = ["--set", "tta=flips", "--set", "close_gaps=0.2"]
    other = printed_json(bench(*UNET, "--root", stacks, "--weights", weights, *changed, "--json"))
    assert other["method"]["config"]["close_gaps"] == 0.2
    assert other["scores"] != first["scores"]
    refused = {
        ("--set", "base_channels=5"): "base_channels=4",
        ("--seed", "3"): "seed is 0 there, and 3 here",
        ("--train-fraction", "0.5"): "train fraction is 1.0 there",
        ("--split", "val"): "split is test there",
    }
    for words, expected in refused.items():
        done = bench(*UNET, "--root", stacks, "--weights", weights, *words)
        assert done.returncode == 2
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
    shutil.copy(weights / "checkpoint" / "checkpoint.safetensors", weights / "checkpoint" / "model.safetensors")
    done = bench(*UNET, "--root", stacks, "--weights", weights, "--set", "close_gaps=0.7")
    assert done.returncode == 2
    assert "does not hold what this run has fitted" in done.stderr
    done = bench(*UNET, "--root", stacks, "--init", weights)
    assert done.returncode == 2
    assert f"--init {weights}: '{weights / 'checkpoint'}' does not hold what this run has fitted" in done.stderr
    done = bench(*UNET, "--root", stacks, "--weights", tmp_path / "nothing")
    assert done.returncode == 2
    assert "is no run folder" in done.stderr


def test_a_last_training_on_train_and_val_is_a_run_of_its_own(bench: Run, stacks: Path, tmp_path: Path) -> None:
    usual = printed_json(bench(*UNET, "--root", stacks, "--json"))
    last = printed_json(bench(*UNET, "--root", stacks, "--train-on", "train+val", "--json"))
    assert "train_on" not in usual["method"]
    assert (last["method"]["train_on"], last["method"]["n_train"]) == ("train+val", 25)
    assert "--train-on train+val" in last["command"]
    assert last["run_id"] != usual["run_id"]
    folder = tmp_path / "runs" / last["run_id"]
    assert bench("verify", folder, "--root", stacks).returncode == 0
    checked = bench("leaderboard", "--validate", folder, "--root", stacks).stdout.splitlines()
    assert any(line.split()[:2] == ["ok", "command:"] for line in checked)
    assert bench("leaderboard", "runs", "--out", "boards").returncode == 0
    boards = "".join(path.read_text() for path in (tmp_path / "boards").rglob("*.md"))
    assert re.search(r"unet \([^)]*train\+val", boards)
    again = bench(*UNET, "--root", stacks, "--train-on", "train+val")
    assert "is complete" in again.stderr + again.stdout
    for words, expected in (
        (("--weights", folder), "training split is train+val there, and train here"),
        (("--folds", "3", "--train-on", "train+val"), "leave out one of the two"),
        (("--split", "val", "--train-on", "train+val"), "holds 5 of the training samples"),
        (("--train-on", "all"), "is not one of 'train', 'train+val'"),
        (("--split", "val", "--init", folder), "has learned from 5 samples that would be scored (first: slice-20)"),
    ):
        done = bench(*UNET, "--root", stacks, *words)
        assert done.returncode == 2
        assert expected in " ".join(done.stderr.split())


def test_weights_to_start_from_hide_no_label(bench: Run, stacks: Path, tmp_path: Path) -> None:
    """A run that starts from another has seen, and has cost, what that one did, and what that one started from."""
    tiny = [*UNET, "--set", "epochs=1", "--root", stacks]
    assert bench(*tiny, "--train-on", "train+val", "--out", "all").returncode == 0
    one = bench(*tiny, "--train-fraction", "0.05", "--init", "all", "--out", "one")
    assert "--init all: it has learned from 24 more labels of this dataset" in " ".join(one.stderr.split())
    assert "24 more labels" in read_record(tmp_path / "one").warnings[0]
    first, second = (read_record(tmp_path / name).cost for name in ("all", "one"))
    assert first.earlier_train_s is None
    assert "earlier_train_s" not in (tmp_path / "all" / "record.json").read_text()
    assert second.earlier_train_s == first.train_s
    assert second.own_train_s == pytest.approx((second.train_s or 0) - (first.train_s or 0))
    assert (second.own_train_s or 0) > 0
    assert bench(*tiny, "--init", "one", "--out", "third").returncode == 0
    third = read_record(tmp_path / "third").cost
    assert third.earlier_train_s == pytest.approx(second.train_s)
    two = bench(*tiny, "--split", "val", "--init", "one/checkpoint/model.safetensors")
    assert two.returncode == 2
    assert "has learned from 5 samples that would be scored" in " ".join(two.stderr.split())
    # Other weights lie there by now: what the first ones have seen is not known any more, and nothing is said of it.
    assert bench(*tiny, "--out", "all", "--overwrite").returncode == 0
    done = printed_json(bench(*tiny, "--split", "val", "--init", "one", "--out", "unknown", "--json"))
    assert "earlier_train_s" not in done["cost"]
    # The boards and the comparison say which of the times to fit are not all.
    assert bench("leaderboard", "one", "unknown", "--out", "boards").returncode == 0
    text = (tmp_path / "boards" / "isbi2012.md").read_text()
    assert "**Beside a time to fit**, +: without the training of the weights" in text
    assert len(re.findall(r"s \+ +\|", text)) == 1  # of two rows


def test_the_unlabelled_volume_is_predicted_and_not_scored(bench: Run, stacks: Path, tmp_path: Path) -> None:
    record = printed_json(
        bench("run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--split", "challenge", "--json")
    )
    assert record["scores"] == {}
    assert record["complete"]
    assert any("no public labels" in warning for warning in record["warnings"])
    stack = tifffile.imread(tmp_path / "runs" / record["run_id"] / "predictions" / "challenge.tif")
    assert stack.shape == (30, 48, 48)
    assert stack.dtype == np.float32
    done = bench("evaluate", "-d", "isbi2012", "--root", stacks, "--split", "challenge", "-p", "x")
    assert done.returncode == 2
    assert "no public labels" in done.stderr


def test_a_killed_run_is_incomplete_and_resumes_to_the_same_weights(bench: Run, stacks: Path, tmp_path: Path) -> None:
    command = [*UNET, "--root", stacks]
    straight = printed_json(bench(*command, "--out", "straight", "--json"))
    longer = [*command, "--out", "killed"]
    process = _start(longer, tmp_path)
    _wait_for_any(tmp_path / "killed" / "checkpoint", "*.safetensors")
    process.kill()
    process.communicate()
    killed = read_record(tmp_path / "killed")
    assert not killed.complete
    assert killed.scores == {}
    resumed = printed_json(bench(*longer, "--resume", "--json"))
    assert resumed["complete"]
    assert resumed["scores"] == straight["scores"]
    tables = [(tmp_path / name / "statistics.parquet").read_bytes() for name in ("straight", "killed")]
    assert tables[0] == tables[1]
    assert "complete: nothing to resume" in bench(*longer, "--resume").stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    how: signal.Signals, stacks: Path, tmp_path: Path, bench: Run
) -> None:
    """So do a scheduler that ends the run and a terminal that is closed."""
    command = [*UNET, "--root", stacks, "--out", "stopped", "--set", "epochs=1000"]
    process = _start(command, tmp_path)
    _wait_for_any(tmp_path / "stopped" / "checkpoint", "*.safetensors")
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--out stopped --resume" in errors
    assert "Traceback" not in errors
    assert not read_record(tmp_path / "stopped").complete
    done = bench(*UNET, "--root", stacks, "--out", "stopped", "--set", "epochs=2", "--resume")
    assert done.returncode == 2
    assert "another run" in done.stderr


def test_two_runs_into_one_folder_do_not_meet(stacks: Path, tmp_path: Path, bench: Run) -> None:
    command = [*UNET, "--root", stacks, "--out", "same", "--set", "epochs=1000"]
    first = _start(command, tmp_path)
    _wait_for_any(tmp_path / "same", "record.json")
    second = bench(*command)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "another run is writing to 'same'" in second.stderr
    assert not read_record(tmp_path / "same").complete


@pytest.mark.parametrize("name", ["letter.txt", "record.json", "predictions", "log.txt"])
def test_a_foreign_folder_is_never_written_to(bench: Run, stacks: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).write_text("{}")
    for command in (["run", "-m", "threshold"], ["evaluate", "-p", stacks / "train-labels.tif", "--split", "all"]):
        done = bench(*command, "-d", "isbi2012", "--root", stacks, "--out", "home")
        assert done.returncode == 2
        assert name in done.stderr
    assert [(p.name, p.read_text()) for p in (tmp_path / "home").iterdir()] == [(name, "{}")]


def test_a_finished_run_is_replaced_by_itself_alone(bench: Run, stacks: Path, tmp_path: Path) -> None:
    command = ["run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--out", "same"]
    assert bench(*command).returncode == 0
    again = bench(*command, "--overwrite")
    assert again.returncode == 0
    assert "--overwrite asks for a new one" in again.stderr
    before = (tmp_path / "same" / "record.json").read_bytes()
    for other in (
        [*command, "--seed", "1"],
        ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", stacks / "train-labels.tif", "--out", "same"],
    ):
        done = bench(*other)
        assert done.returncode == 2
        assert "holds another run" in done.stderr
    assert (tmp_path / "same" / "record.json").read_bytes() == before


def test_other_images_are_another_run(bench: Run, stacks: Path) -> None:
    command = ["run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--json"]
    first = printed_json(bench(*command))
    images = tifffile.imread(stacks / "train-volume.tif")
    tifffile.imwrite(stacks / "train-volume.tif", images[:, ::-1], photometric="minisblack")
    second = printed_json(bench(*command, "--resume"))
    assert second["run_id"] != first["run_id"]
    assert second["scores"] != first["scores"]
    assert second["dataset"]["data_sha256"] == first["dataset"]["data_sha256"]


def test_a_run_killed_before_its_first_record_can_be_run_again(bench: Run, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    for name in (".lock", "log.txt", ".record.json.x1.tmp"):
        (tmp_path / "killed" / name).touch()
    command = ["run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--out", "killed"]
    assert bench(*command, "--resume").returncode == 0
    assert read_record(tmp_path / "killed").complete


def test_predictions_of_folds_make_one_stack(bench: Run, stacks: Path, tmp_path: Path) -> None:
    command = ["run", "-d", "isbi2012", "-m", "threshold", "--root", stacks, "--folds", "3", "--out", "folds"]
    record = printed_json(bench(*command, "--save-predictions", "--json"))
    assert any("folds cut through" in warning for warning in record["warnings"])
    predictions = tmp_path / "folds" / "predictions"
    scored = printed_json(
        bench("evaluate", "-d", "isbi2012", "--root", stacks, "--split", "all", "-p", predictions, "--json")
    )
    assert scored["scores"] == record["scores"]


@pytest.mark.parametrize("damage", ["truncated", "lengths", "values", "sizes", "no images"])
def test_damaged_data_ends_with_2_before_training(bench: Run, stacks: Path, tmp_path: Path, damage: str) -> None:
    images, labels = (tifffile.imread(stacks / f"train-{name}.tif") for name in ("volume", "labels"))
    if damage == "truncated":
        path = stacks / "train-volume.tif"
        path.write_bytes(path.read_bytes()[:40_000])
        words = "train-volume.tif: is truncated"
    elif damage == "lengths":
        tifffile.imwrite(stacks / "train-labels.tif", labels[:29], photometric="minisblack")
        words = "has 30 pages and"
    elif damage == "values":
        labels[27, 5, 5] = 100
        tifffile.imwrite(stacks / "train-labels.tif", labels, photometric="minisblack")
        words = "train-labels.tif, page 27: holds 3 different values (0, 100, 255)"
    elif damage == "sizes":
        tifffile.imwrite(stacks / "train-volume.tif", images[:, 1:], photometric="minisblack")
        words = "47 x 48"
    else:
        (stacks / "train-volume.tif").unlink()
        words = "have no image"
    done = bench("run", "-d", "isbi2012", "-m", "unet", "--root", stacks)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_without_a_gpu_cuda_is_refused(bench: Run, stacks: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = bench("run", "-d", "isbi2012", "-m", "unet", "--root", stacks, "--device", "cuda")
    assert done.returncode == 2
    assert "--device cpu" in done.stderr


def test_an_oracle_is_marked_and_beats_what_has_to_guess(bench: Run, stacks: Path, tmp_path: Path) -> None:
    command = ["run", "-d", "isbi2012", "-m", "kmeans", "--root", stacks, "--set", "max_images=2"]
    told = printed_json(bench(*command, "--set", "classes=oracle", "--json"))
    guessed = printed_json(bench(*command, "--json"))
    assert told["method"]["oracle"]
    assert not guessed["method"]["oracle"]
    assert told["scores"]["dice"]["value"] >= guessed["scores"]["dice"]["value"]
    assert any("upper bound" in warning for warning in told["warnings"])
    assert told["cost"]["predict_ms_per_image"] is None
    assert guessed["cost"]["predict_ms_per_image"] > 0
    page = bench("leaderboard", "runs").stdout
    assert "an upper bound, which uses ground truth" in page
    assert len([line for line in page.splitlines() if line.startswith("| 1")]) == 1
    assert bench("verify", tmp_path / "runs" / told["run_id"]).returncode == 0


def test_an_oracle_needs_labels(bench: Run, stacks: Path) -> None:
    command = ["run", "-d", "isbi2012", "-m", "kmeans", "--root", stacks, "--split", "challenge"]
    done = bench(*command, "--set", "classes=oracle")
    assert done.returncode == 2
    assert "needs the truth" in done.stderr


def test_a_training_ends_without_talk_of_what_libraries_leave(bench_process: Run, stacks: Path) -> None:
    done = bench_process(*UNET, "--root", stacks, "--no-plots", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "leaked" not in done.stderr
