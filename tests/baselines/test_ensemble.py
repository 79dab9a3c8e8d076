"""The ensemble: it is the mean of its members, it scores nothing that they learned from, and it stands alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import forged_records
import numpy as np
import pytest
import tifffile
from PIL import Image

from commands import Run, printed_json
from segbench.errors import UserError
from segbench.methods.watershed_lines import without_gaps
from segbench.registry import make_method
from segbench.types import Prediction, Uint8
from small_settings import ONE_STEP, SMALL
from tiny_models import save_torchscript, write_colored_camvid

pytestmark = pytest.mark.slow

TINY = "epochs=1 iterations_per_epoch=3 batch_size=2 crop=32 base_channels=2 depth=1 tta=none elastic=0 ema=0"
ISBI = ("run", "-d", "isbi2012", "--no-plots", "--json", "--save-predictions")


def tiny_unet(bench: Run, stacks: Path, out: Path, *more: str | Path) -> dict[str, Any]:
    made = bench(*ISBI, "-m", "unet", "--root", stacks, "--out", out, "--set", TINY, *more)
    return dict(printed_json(made))


@pytest.fixture
def two(bench: Run, stacks: Path, tmp_path: Path) -> list[Path]:
    """Two networks that differ by their seed."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for seed, folder in enumerate(folders):
        tiny_unet(bench, stacks, folder, "--seed", str(seed))
    return folders


def joined(*folders: Path) -> tuple[str, str]:
    return "--set", f"members=[{', '.join(map(str, folders))}]"


def refused(bench: Run, stacks: Path, *words: str | Path) -> str:
    done = bench(*ISBI, "-m", "ensemble", "--root", stacks, *words)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def stored(run: Path) -> Any:
    (path,) = (run / "predictions").glob("*.tif*")
    return tifffile.imread(path)


def test_it_is_the_mean_of_its_members_and_costs_what_they_cost(
    bench: Run, stacks: Path, two: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "joined"
    record = printed_json(bench(*ISBI, "-m", "ensemble", "--root", stacks, "--out", out, *joined(*two)))
    one, other = (stored(folder) for folder in two)
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_allclose(stored(out), (one + other) / 2, rtol=0, atol=1e-7)
    members = [json.loads((folder / "record.json").read_text()) for folder in two]
    for what in ("train_s", "parameters", "macs_per_image"):
        assert record["cost"][what] == pytest.approx(sum(member["cost"][what] for member in members), abs=1e-3)
    method = record["method"]
    assert (method["name"], method["family"], method["n_train"]) == ("ensemble", "learned", 20)
    assert method["config"]["methods"] == ["unet", "unet"]
    assert method["config"]["close_gaps"] == 0
    assert bench("verify", out, "--root", stacks).returncode == 0
    lines = bench("leaderboard", "--validate", out, "--root", stacks).stdout.splitlines()
    for what in ("command", "method", "settings", "families", "statistics", "score v_rand"):
        assert any(line.split()[:1] == ["ok"] and line[8:].startswith(what) for line in lines), (what, lines)


def test_gaps_are_closed_in_the_mean(bench: Run, stacks: Path, two: list[Path], tmp_path: Path) -> None:
    closing = tmp_path / "closing"
    tiny_unet(bench, stacks, closing, "--seed", "1", "--weights", two[1], "--set", "close_gaps=0.05")
    message = refused(bench, stacks, *joined(two[0], closing))
    assert "the members close gaps from 0 and 0.05 on" in message
    (folder := tmp_path / "joined").mkdir()
    both = ("--out", folder, "--set", "close_gaps=0.05", *joined(two[0], closing))
    assert bench(*ISBI, "-m", "ensemble", "--root", stacks, *both).returncode == 0
    mean = (stored(two[0]) + stored(two[1])) / 2
    np.testing.assert_array_equal(stored(folder), np.stack([without_gaps(each, 0.05) for each in mean]))


def test_what_members_learned_from_is_not_scored(bench: Run, stacks: Path, two: list[Path]) -> None:
    message = refused(bench, stacks, *joined(*two), "--split", "train")
    assert "has learned from 20 samples that would be scored" in message
    assert "Score another split: --split test" in message
    assert "has learned from 20 samples" in refused(bench, stacks, *joined(*two), "--folds", "3")
    done = bench(*ISBI, "-m", "ensemble", "--root", stacks, *joined(*two), "--split", "val")
    assert printed_json(done)["dataset"]["split"] == "val"
    assert "5 scored samples validated 'isbi2012-unet-" in " ".join(done.stderr.split())
    # Labels that are others by now: nobody knows what was learned from.
    labels = stacks / "train-labels.tif"
    pages = tifffile.imread(labels)
    pages[0] = 255 - pages[0]
    tifffile.imwrite(labels, pages)
    assert "are not those that it learned from" in refused(bench, stacks, *joined(*two))


def test_what_the_first_weights_of_members_have_seen_counts(
    bench: Run, stacks: Path, two: list[Path], tmp_path: Path
) -> None:
    tuned = tmp_path / "tuned"
    tiny_unet(bench, stacks, tuned, "--init", two[0], "--train-on", "train+val")
    done = bench(*ISBI, "-m", "ensemble", "--root", stacks, *joined(tuned, two[1]))
    method = printed_json(done)["method"]
    assert (method["n_train"], method["train_on"]) == (25, "train+val")
    assert "started from other weights" not in done.stderr
    assert "has learned from 5 samples" in refused(bench, stacks, *joined(tuned, two[1]), "--split", "val")
    few = tmp_path / "few"
    tiny_unet(bench, stacks, few, "--init", tuned, "--train-fraction", "0.05")
    assert "has learned from 5 samples" in refused(bench, stacks, *joined(few, two[1]), "--split", "val")
    (tuned / "checkpoint" / "model.safetensors").unlink()
    done = bench(*ISBI, "-m", "ensemble", "--root", stacks, *joined(few, two[1]))
    assert "started from other weights: what these have seen is not known here" in " ".join(done.stderr.split())


def test_lists_of_splits_that_were_changed_hide_nothing(bench: Run, tmp_path: Path) -> None:
    """Of an own folder the lists alone say what was learned from."""
    root = own_folder(tmp_path / "own")
    run = ("run", "-d", "folder", "--root", root, "--no-plots", "--json")
    folders = [tmp_path / name for name in ("threshold", "mean-shape")]
    for folder in folders:
        printed_json(bench(*run, "-m", folder.name, "--out", folder))
    assert printed_json(bench(*run, "-m", "ensemble", *joined(*folders)))["dataset"]["n"] == 4
    lists = root / "splits"
    swapped = {"train": "test", "test": "train"}, {"train": "val", "val": "train"}
    for change, split in zip(swapped, ("test", "val"), strict=True):
        texts = {name: (lists / f"{name}.txt").read_text() for name in ("train", "val", "test")}
        for name, other in change.items():
            (lists / f"{name}.txt").write_text(texts[other])
        done = bench(*run, "-m", "ensemble", *joined(*folders), "--split", split)
        assert done.returncode == 2, (change, done.stdout)
        for name, text in texts.items():
            (lists / f"{name}.txt").write_text(text)
    assert "which of the others it has learned from" in " ".join(done.stderr.split()).lower()


def own_folder(root: Path) -> Path:
    """Twelve SYNTHETIC pictures with a bright square each, in three equal splits."""
    random = np.random.default_rng(0)
    for name in ("images", "masks", "splits"):
        (root / name).mkdir(parents=True)
    names = [f"p{number:02d}" for number in range(12)]
    for name in names:
        mask = np.zeros((24, 24), np.uint8)
        top, left = random.integers(2, 12, 2)
        mask[top : top + 9, left : left + 9] = 1
        image = (60 + 120 * mask + random.integers(0, 30, mask.shape)).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
    for place, split in enumerate(("train", "val", "test")):
        (root / "splits" / f"{split}.txt").write_text("\n".join(names[4 * place : 4 * place + 4]) + "\n")
    (root / "classes.yaml").write_text("name: own\nclasses: {0: background, 1: square}\n")
    return root


def test_runs_that_cannot_be_joined_say_why(bench: Run, stacks: Path, two: list[Path], tmp_path: Path) -> None:
    assert "name two or more runs" in refused(bench, stacks)
    assert "name two or more runs" in refused(bench, stacks, *joined(two[0]))
    assert "are of the same training" in refused(bench, stacks, *joined(two[0], two[1], two[0]))
    tiny_unet(bench, stacks, tmp_path / "again", "--seed", "1")
    assert "are of the same training" in refused(bench, stacks, *joined(*two, tmp_path / "again"))
    tiny_unet(bench, stacks, tmp_path / "noisy", "--seed", "1", "--weights", two[1], "--corrupt", "noise:3")
    assert "are of the same training" in refused(bench, stacks, *joined(*two, tmp_path / "noisy"))
    inside = two[0] / "checkpoint" / "in"
    assert "lies in, the folder of the member" in refused(bench, stacks, *joined(*two), "--out", inside)
    assert not inside.exists()
    assert "'nothing'" in refused(bench, stacks, *joined(two[0], Path("nothing")))
    assert "asked for are abc, def" in refused(bench, stacks, *joined(*two), "--set", "runs=[abc, def]")
    folds = tmp_path / "folds"
    assert bench(*ISBI, "-m", "threshold", "--root", stacks, "--folds", "2", "--out", folds).returncode == 0
    assert "was fitted in 2 folds" in refused(bench, stacks, *joined(two[0], folds))
    ensemble = tmp_path / "ensemble"
    assert bench(*ISBI, "-m", "ensemble", "--root", stacks, "--out", ensemble, *joined(*two)).returncode == 0
    assert "for which nothing was fitted" in refused(bench, stacks, *joined(two[0], ensemble))
    camvid = write_colored_camvid(tmp_path / "camvid")
    for number, fraction in enumerate((1.0, 0.5)):
        folder = tmp_path / f"constant-{number}"
        about = ("-m", "constant", "--train-fraction", str(fraction), "--out", folder)
        assert bench("run", "-d", "camvid", "--root", camvid, "--no-plots", *about).returncode == 0
    assert "its dataset is camvid, here it is isbi2012" in refused(
        bench, stacks, *joined(two[0], tmp_path / "constant-0")
    )
    network = save_torchscript(tmp_path / "net.pt")
    code = tmp_path / "code"
    ran = bench("run", "-d", "camvid", "--root", camvid, "--no-plots", "-m", f"torch:{network}", "--out", code)
    assert ran.returncode == 0
    done = bench("run", "-d", "camvid", "--root", camvid, "-m", "ensemble", *joined(code, tmp_path / "constant-0"))
    assert "for which nothing was fitted: it cannot be joined" in " ".join(done.stderr.split())
    with pytest.raises(UserError, match="it is not trained itself"):
        make_method("ensemble").fit(*3 * [None])  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is not loaded yet"):
        make_method("ensemble").predict([np.zeros((8, 8), np.uint8)])


def test_it_is_the_same_run_wherever_its_members_lie_and_needs_them_no_more(
    bench: Run, stacks: Path, two: list[Path], tmp_path: Path
) -> None:
    first = printed_json(bench(*ISBI, "-m", "ensemble", "--root", stacks, *joined(*two)))
    (tmp_path / "moved").mkdir()
    moved = [Path(shutil.move(folder, tmp_path / "moved" / folder.name)) for folder in two]
    again = bench(*ISBI, "-m", "ensemble", "--root", stacks, *joined(*moved))
    assert printed_json(again)["run_id"] == first["run_id"]
    assert "complete and current" in again.stderr
    shutil.rmtree(tmp_path / "moved")
    slices = tmp_path / "slices.tif"
    tifffile.imwrite(slices, tifffile.imread(stacks / "train-volume.tif")[25:])
    done = bench("predict", tmp_path / "runs" / first["run_id"], slices, "--out", tmp_path / "maps")
    assert done.returncode == 0, done.stderr
    (maps,) = (tmp_path / "maps").glob("*.tif*")
    wanted = stored(tmp_path / "runs" / first["run_id"])
    np.testing.assert_allclose(tifffile.imread(maps).astype(float), wanted, atol=1 / 255)
    saved = tmp_path / "runs" / first["run_id"] / "checkpoint" / "ensemble.json"
    content = json.loads(saved.read_text())
    content["members"][0]["method"] = "command:touch owned"
    saved.write_text(json.dumps(content))
    forged_records.change(
        tmp_path / "runs" / first["run_id"], evidence=None
    )  # else any change is refused before it is looked at
    done = bench("predict", tmp_path / "runs" / first["run_id"], slices, "--out", tmp_path / "more")
    assert (done.returncode, "names other members than the run has" in done.stderr) == (2, True)
    for text in (100_000 * "[", '{"close_gaps": 0, "members": []}', "{}"):
        saved.write_text(text)
        done = bench("predict", tmp_path / "runs" / first["run_id"], slices, "--out", tmp_path / "more")
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_member_is_what_its_run_has_written(bench: Run, stacks: Path, two: list[Path]) -> None:
    record = two[0] / "record.json"
    kept = record.read_text()
    record.write_text(kept.replace('"train_s": ', '"train_s": 1'))
    assert "its record was edited or damaged" in refused(bench, stacks, *joined(*two))
    record.write_text(kept)
    shutil.copy(*(folder / "checkpoint" / "model.safetensors" for folder in reversed(two)))
    assert "does not hold what this run has fitted" in refused(bench, stacks, *joined(*two))


def test_it_tells_of_no_home_and_of_no_seed(bench: Run, stacks: Path, two: list[Path], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folders = [Path(shutil.move(folder, home / folder.name)) for folder in two]
    run = (*ISBI, "-m", "ensemble", "--root", stacks, *joined(*folders))
    first = printed_json(bench(*run, "--seed", "7"))
    assert printed_json(bench(*run))["run_id"] == first["run_id"]
    (tmp_path / "results").mkdir()
    done = bench("publish", tmp_path / "runs" / first["run_id"], "--to", tmp_path / "results", "--root", stacks)
    assert done.returncode == 0, done.stdout + done.stderr
    written = (tmp_path / "results" / first["run_id"] / "record.json").read_text()
    assert str(home) not in written
    assert json.loads(written)["method"]["config"]["members"] == ["path/to/one", "path/to/other"]
    from_python = make_method("ensemble", {"members": tuple(folders)})
    assert from_python.config["members"] == [str(folder) for folder in folders]


def test_few_labels_of_a_member_are_those_of_the_ensemble(bench: Run, stacks: Path, tmp_path: Path) -> None:
    for name, fraction in (("few", "0.2"), ("half", "0.5")):
        tiny_unet(bench, stacks, tmp_path / name, "--train-fraction", fraction)
    record = printed_json(
        bench(*ISBI, "-m", "ensemble", "--root", stacks, *joined(tmp_path / "few", tmp_path / "half"))
    )
    assert (record["method"]["train_fraction"], record["method"]["n_train"]) == (0.2, 10)


def test_classes_are_the_likeliest_of_the_mean_and_labels_are_votes(bench: Run, tmp_path: Path) -> None:
    root = write_colored_camvid(tmp_path / "camvid")
    run = ("run", "-d", "camvid", "--root", root, "--no-plots", "--json", "--save-predictions")
    small = [f"{key}={json.dumps(value)}" for key, value in (SMALL["fcn"] | ONE_STEP | {"input": "rgb"}).items()]
    asked = {
        "fcn": ("-m", "fcn", "--set", *small),
        "kmeans": ("-m", "kmeans", "--set", "fit_images=4", "max_images=2"),
        "constant": ("-m", "constant"),
        "mean-shape": ("-m", "mean-shape"),
    }
    for name, words in asked.items():
        printed_json(bench(*run, *words, "--out", tmp_path / name))
    votes = printed_json(
        bench(*run, "-m", "ensemble", "--out", tmp_path / "votes", *joined(*(tmp_path / n for n in list(asked)[1:])))
    )
    assert votes["method"]["family"] == "classical"
    maps = {n: _label_maps(tmp_path / n) for n in [*asked, "votes"]}
    counts = np.stack([sum(maps[n] == label for n in list(asked)[1:]) for label in range(11)])
    np.testing.assert_array_equal(maps["votes"], counts.argmax(0))
    assert len(np.unique(maps["votes"])) > 2
    both = [tmp_path / "fcn", tmp_path / "kmeans"]
    more = ("-m", "ensemble", "--out", tmp_path / "mixed", "--metric", "calibration", *joined(*both))
    mixed = printed_json(bench(*run, *more))
    assert mixed["method"]["family"] == "learned"
    # A network is never as certain as a label that counts as 1.
    np.testing.assert_array_equal(_label_maps(tmp_path / "mixed"), maps["kmeans"])
    assert 0 < mixed["scores"]["ece"]["value"] < 1


def _label_maps(run: Path) -> Any:
    paths = sorted((run / "predictions").rglob("*.png"))
    assert len(paths) == 4
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def test_a_mean_has_the_size_of_each_image(two: list[Path], stacks: Path) -> None:
    from segbench.datasets.isbi2012 import ISBI2012

    method = make_method("ensemble", {"members": [str(folder) for folder in two]})
    dataset = ISBI2012(stacks)
    method.open(dataset.info, "cpu")
    images: list[Uint8] = [np.full(shape, 90, np.uint8) for shape in ((48, 48), (31, 50), (7, 9))]
    found: list[Prediction] = method.predict(images)
    assert [each.probabilities.shape for each in found if each.probabilities is not None] == [i.shape for i in images]


def test_a_cell_of_a_suite_is_done_however_its_members_learned(bench: Run, stacks: Path, tmp_path: Path) -> None:
    """Its record says what they learned from, which the suite's file does not: the cell was stale each time."""
    for name, words in {"few": ("--train-fraction", "0.5"), "more": ("--train-on", "train+val")}.items():
        tiny_unet(bench, stacks, tmp_path / name, *words)
    suite = tmp_path / "joined.yaml"
    members = [str(tmp_path / name) for name in ("few", "more")]
    suite.write_text(
        f"datasets: [{{name: isbi2012, root: {json.dumps(str(stacks))}}}]\n"
        f"methods: [{{name: ensemble, settings: {json.dumps({'members': members})}}}]\n"
    )
    assert bench("suite", suite, "--out", "cells").returncode == 0
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "cells").glob("cells/*/record.json"))
    assert (record["method"]["train_fraction"], record["method"]["train_on"]) == (0.5, "train+val")
    again = bench("suite", suite, "--out", "cells", "--resume")
    assert again.returncode == 0
    assert "stale" not in again.stderr + again.stdout
    (same,) = (json.loads(path.read_text()) for path in (tmp_path / "cells").glob("cells/*/record.json"))
    assert same["created"] == record["created"]
