"""`bench predict`: new images through trained runs, equal to what the runs themselves predict."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from forged_records import change
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

import tiny_roots
from commands import Run, printed_json
from segbench.commands.run import RunRequest
from segbench.commands.run import run as do_run
from segbench.data.image_sources import open_frames
from segbench.io.images.video import write_video
from segbench.io.reporter import Reporter
from segbench.runs.fitted_method import load_method, predict_frames
from synthetic_roots import write_hearts, write_stacks
from videos import encode, picture

pytestmark = pytest.mark.slow

TINY = {"epochs": 2, "iterations_per_epoch": 2, "batch_size": 2, "base_channels": 4, "depth": 2, "tta": "none",
        "elastic": 0.0, "ema": 0.0, "size": None, "crop": 32, "precision": "fp32"}  # fmt: skip

SLOW = (
    tiny_roots.METHOD.replace('"same"', '"slow"')
    .replace("class Same", "class Slow")
    .replace(
        "        return [Prediction", "        import time\n\n        time.sleep(0.15)\n        return [Prediction"
    )
)


def trained(folder: Path, dataset: str, method: str, root: Path, **more: Any) -> Path:
    """A run folder with kept predictions."""
    request = RunRequest(
        dataset, method, root=root, device="cpu", out=folder, save_predictions=True, plots=False, **more
    )
    return do_run(request, Reporter(quiet=True))[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and runs: hearts and cells by a threshold and a tiny U-Net, photographs by the mean shape. All SYNTHETIC."""
    base = tmp_path_factory.mktemp("predict")
    hearts = write_hearts(base / "hearts", sequences=2)
    cells = write_stacks(base / "cells")
    photographs = tiny_roots.voc2012(base / "photographs").root
    trained(base / "medaka-threshold", "medaka", "threshold", hearts)
    trained(base / "medaka-unet", "medaka", "unet", hearts, settings={**TINY, "input": "rgb"})
    trained(base / "isbi-unet", "isbi2012", "unet", cells, settings=TINY)
    trained(base / "isbi-folds", "isbi2012", "threshold", cells, folds=2)
    trained(base / "voc", "voc2012", "mean-shape", photographs)
    return base


def pictures(folder: Path) -> dict[str, Any]:
    return {path.stem: np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def grey_hearts(made: Path) -> Path:
    return made / "hearts" / "test_images" / "lateral_sample_gray"


@pytest.mark.parametrize("method", ["threshold", "unet"])
def test_the_images_of_a_run_give_the_predictions_of_the_run(
    method: str, made: Path, bench: Run, tmp_path: Path
) -> None:
    run = made / f"medaka-{method}"
    document = printed_json(bench("predict", run, grey_hearts(made), "--out", "masks", "--json"))
    assert document == json.loads((tmp_path / "masks" / "predict.json").read_text())
    found, kept = pictures(tmp_path / "masks"), pictures(run / "predictions")
    assert len(found) == len(kept) == 10
    for name, mask in found.items():
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, kept[f"lateral-test-{name.partition('_')[0]}"])
    if method == "threshold":
        assert set(np.unique(np.stack(list(found.values())))) == {0, 255}
    assert document["complete"]
    assert document["run"]["run_id"] == json.loads((run / "record.json").read_text())["run_id"]
    assert document["input"]["sizes"] == [[60, 80]]
    assert document["input"]["frames"] == document["predicted"] == 10
    assert document["output"]["values"] == {"0": "background", "255": "ventricle"}
    assert document["ms_per_frame"] > 0
    assert document["warnings"] == []
    assert document["device"] == "cpu"


def test_a_multi_class_run_gives_label_values(made: Path, bench: Run, tmp_path: Path) -> None:
    photographs = made / "photographs" / "VOCdevkit" / "VOC2012" / "JPEGImages"
    document = printed_json(bench("predict", made / "voc", photographs, "--out", "labels", "--json"))
    found = pictures(tmp_path / "labels")
    for name, labels in pictures(made / "voc" / "predictions").items():
        assert np.array_equal(found[name], labels)
    assert len(found) == 4
    assert document["output"]["values"]["15"] == "person"
    assert len(document["input"]["sizes"]) == 2


def test_what_lies_in_a_folder_is_called_an_image(made: Path, bench: Run, tmp_path: Path) -> None:
    photographs = made / "photographs" / "VOCdevkit" / "VOC2012" / "JPEGImages"
    said = bench("predict", made / "voc", photographs, "--out", tmp_path / "called").stdout
    assert "called: 4 images of" in said.replace("\n", " ")


def test_a_stack_of_a_stacked_dataset_gives_a_stack(made: Path, bench: Run, tmp_path: Path) -> None:
    stack = made / "cells" / "train-volume.tif"
    document = printed_json(bench("predict", made / "isbi-unet", stack, "--out", "cells", "--batch", "4", "--json"))
    found = tifffile.imread(tmp_path / "cells" / "train-volume.tif")
    assert found.shape == (30, 48, 48)
    assert found.dtype == np.float32
    assert np.array_equal(found[25:], tifffile.imread(made / "isbi-unet" / "predictions" / "test.tif"))
    assert document["output"]["form"] == "probabilities in one TIFF"
    names = {path.name for path in (tmp_path / "cells").iterdir() if not path.name.startswith(".")}
    assert names == {"predict.json", "train-volume.tif"}
    # Of any other dataset a stack gives one PNG for each page.
    assert bench("predict", made / "medaka-threshold", stack, "--out", "pages").returncode == 0
    assert len(pictures(tmp_path / "pages")) == 30
    assert "train-volume-000029" in pictures(tmp_path / "pages")


def test_colour_frames_are_made_grey_as_the_dataset_does(made: Path, bench: Run, tmp_path: Path) -> None:
    """The network takes colour, but never saw any: colours would be new to it."""
    for kind in ("grey", "colour"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            image = Image.fromarray(picture(number))
            (image.convert("L") if kind == "grey" else image).save(tmp_path / kind / f"{number}.png")
        done = bench("predict", made / "medaka-unet", tmp_path / kind, "--out", f"{kind}-masks")
        assert done.returncode == 0
        assert ("turned into grey" in done.stderr) == (kind == "colour")
    method, _, info = load_method(made / "medaka-unet", "cpu")
    soft = [
        np.stack([np.asarray(p.probabilities) for _, p in predict_frames(method, info, open_frames(tmp_path / kind))])
        for kind in ("grey", "colour")
    ]
    assert np.array_equal(soft[0], soft[1])
    raw = np.stack([np.asarray(p.probabilities) for p in method.predict([picture(n) for n in range(3)])])
    assert not np.array_equal(raw, soft[0])


@pytest.mark.parametrize(("name", "codec"), [("heart.avi", "mjpeg"), ("heart.mp4", "libx264")])
def test_a_video_gives_a_mask_for_every_frame(name: str, codec: str, made: Path, bench: Run, tmp_path: Path) -> None:
    greys = [np.asarray(Image.open(path)) for path in sorted(grey_hearts(made).iterdir())]
    encode(tmp_path / name, [np.repeat(g[..., None], 3, axis=2) for g in greys], codec)
    done = bench("predict", made / "medaka-threshold", name, "--out", "masks", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "masks: 10 frames of heart" in done.stdout
    found = pictures(tmp_path / "masks")
    assert list(found) == [f"heart-{number:06d}" for number in range(10)]
    kept = list(pictures(made / "medaka-threshold" / "predictions").values())
    for mask, truth in zip(found.values(), kept, strict=True):
        assert 2 * ((mask > 0) & (truth > 0)).sum() / ((mask > 0).sum() + (truth > 0).sum()) > 0.95
    document = json.loads((tmp_path / "masks" / "predict.json").read_text())
    assert (document["input"]["kind"], document["input"]["fps"]) == ("video", 15.0)


def test_what_is_unlike_the_training_is_warned_of(made: Path, bench: Run, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    Image.fromarray(picture(1, (240, 320))).convert("L").save(tmp_path / "large" / "1.png")
    Image.fromarray(picture(1, (66, 88))).convert("L").save(tmp_path / "large" / "2.png")
    document = printed_json(bench("predict", made / "medaka-threshold", "large", "--out", "a", "--json"))
    (warning,) = document["warnings"]
    assert "240 x 320" in warning
    assert "60 x 80" in warning
    assert warning.startswith("images are ")
    document = printed_json(bench("predict", made / "voc", "large/2.png", "--out", "b", "--json"))
    assert any("images are grey, but the run learned from images that are in colour" in w for w in document["warnings"])


def test_folds_are_chosen_and_said(made: Path, bench: Run, tmp_path: Path) -> None:
    command = ["predict", made / "isbi-folds", made / "cells" / "test-volume.tif"]
    first = bench(*command, "--out", "default")
    assert "fold 1 of 2 predicts" in first.stderr
    one, two = (printed_json(bench(*command, "--fold", n, "--out", f"fold-{n}", "--json")) for n in "12")
    assert (one["run"]["fold"], two["run"]["fold"]) == (1, 2)
    default, one_tif = ((tmp_path / n / "test-volume.tif").read_bytes() for n in ("default", "fold-1"))
    assert default == one_tif
    for number in ("0", "3"):
        done = bench(*command, "--fold", number, "--out", "no")
        assert done.returncode == 2
    assert "has folds 1 to 2" in done.stderr
    done = bench("predict", made / "voc", made / "cells" / "test-volume.tif", "--fold", "1", "--out", "no")
    assert done.returncode == 2
    assert "has no folds; leave --fold out" in done.stderr
    assert not (tmp_path / "no").exists()


def test_runs_that_cannot_predict_say_why(made: Path, bench: Run, tmp_path: Path) -> None:
    def refused(run: Path, *words: str) -> None:
        done = bench("predict", run, grey_hearts(made), "--out", "no")
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        for word in words:
            assert word in done.stderr
        assert not (tmp_path / "no").exists()

    refused(tmp_path, "is no run folder")
    record = json.loads((made / "medaka-threshold" / "record.json").read_text())
    record["method"]["oracle"] = True
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "record.json").write_text(json.dumps(record))
    refused(copy, "is an oracle")
    record["method"]["oracle"], record["complete"] = False, False
    (copy / "record.json").write_text(json.dumps(record))
    refused(copy, "has not finished", "--resume")
    record["complete"] = True
    (copy / "record.json").write_text(json.dumps(record))
    refused(copy, "checkpoint' is missing", "bench run --dataset medaka")
    done = bench("evaluate", "-d", "medaka", "--root", made / "hearts", "--no-plots", "--out", "scored", "-p",
                 made / "medaka-threshold" / "predictions")  # fmt: skip
    assert done.returncode == 0
    refused(tmp_path / "scored", "made elsewhere", "bench run")


def test_what_a_run_has_not_fitted_segments_nothing(made: Path, bench: Run, tmp_path: Path) -> None:
    """Weights that can be read, but are not those of the record: predictions would be told to be of this run."""
    copy = shutil.copytree(made / "medaka-unet", tmp_path / "copy")
    path = copy / "checkpoint" / "model.safetensors"
    with safe_open(path, framework="np") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file({name: np.zeros_like(values) for name, values in tensors.items()}, path, metadata=metadata)
    done = bench("predict", copy, grey_hearts(made), "--out", "masks")
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not hold what this run has fitted" in done.stderr
    assert "bench run --dataset medaka" in done.stderr
    assert not (tmp_path / "masks").exists()


def test_a_damaged_checkpoint_is_named(made: Path, bench: Run, tmp_path: Path) -> None:
    for run, name in (("medaka-unet", "model.safetensors"), ("medaka-threshold", "threshold.json")):
        copy = shutil.copytree(made / run, tmp_path / run)
        change(copy, evidence=None)  # as in records of before there was any
        for broken in (True, False):
            (copy / "checkpoint" / name).write_bytes(b"x" * 40)
            if not broken:
                (copy / "checkpoint" / name).unlink()
            done = bench("predict", copy, grey_hearts(made), "--out", "masks")
            assert done.returncode == 2
            assert name in done.stderr
            assert "Traceback" not in done.stderr
            assert "made before records had a checksum of what was fitted" in done.stderr
            assert "make the run again: bench run --dataset medaka" in done.stderr
            assert "Delete" not in done.stderr


# The output folder


@pytest.mark.parametrize("name", ["letter.txt", "predict.json", "0050_sample.png"])
def test_a_foreign_folder_is_never_written_to(name: str, made: Path, bench: Run, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).write_text("{}")
    for more in ([], ["--resume"]):
        done = bench("predict", made / "medaka-threshold", grey_hearts(made), "--out", "home", *more)
        assert done.returncode == 2
        assert name in done.stderr
    assert [(path.name, path.read_text()) for path in (tmp_path / "home").iterdir()] == [(name, "{}")]
    done = bench("predict", made / "medaka-threshold", grey_hearts(made), "--out", f"home/{name}")
    assert done.returncode == 2


def test_an_input_is_never_written_over(made: Path, bench: Run, tmp_path: Path) -> None:
    images = shutil.copytree(grey_hearts(made), tmp_path / "images")
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    assert bench("predict", made / "medaka-threshold", images, "--out", images).returncode == 2
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before


def test_predictions_are_replaced_by_the_same_alone(made: Path, bench: Run, tmp_path: Path) -> None:
    images = shutil.copytree(grey_hearts(made), tmp_path / "images")
    command = ["predict", made / "medaka-threshold", images, "--out", "masks"]
    assert bench(*command).returncode == 0
    before = pictures(tmp_path / "masks")
    again = bench(*command)
    assert again.returncode == 0
    assert "replacing the earlier predictions" in again.stderr
    assert "is complete: nothing to resume" in bench(*command, "--resume").stderr
    other = bench("predict", made / "medaka-unet", images, "--out", "masks")
    assert other.returncode == 2
    assert "by another run" in other.stderr
    Image.fromarray(picture(9, (60, 80))).save(images / "0050_sample.tif")
    changed = bench(*command, "--resume")
    assert changed.returncode == 2
    assert "files that changed since" in changed.stderr
    for name, mask in pictures(tmp_path / "masks").items():
        assert np.array_equal(mask, before[name])


def test_a_finished_stack_is_not_predicted_again(made: Path, bench: Run, tmp_path: Path) -> None:
    command = ["predict", made / "isbi-unet", made / "cells" / "train-volume.tif", "--out", "cells", "--json"]
    first = printed_json(bench(*command))
    stack, document = tmp_path / "cells" / "train-volume.tif", tmp_path / "cells" / "predict.json"
    written = stack.read_bytes()
    again = bench(*command, "--resume")
    assert "is complete: nothing to resume" in again.stderr
    assert printed_json(again) == first
    # As it is left by a kill before the last words, with pages that were not removed yet.
    document.write_text(document.read_text().replace('"complete": true', '"complete": false'))
    (stack.parent / ".pages").mkdir()
    resumed = printed_json(bench(*command, "--resume"))
    assert (resumed["complete"], resumed["kept"], resumed["predicted"]) == (True, 30, 0)
    assert resumed["input"]["sizes"] == [[48, 48]]
    assert stack.read_bytes() == written
    assert not (stack.parent / ".pages").exists()
    stack.write_bytes(written[:-100])
    repaired = printed_json(bench(*command, "--resume"))
    assert (repaired["kept"], repaired["predicted"]) == (0, 30)
    assert tifffile.imread(stack).shape == (30, 48, 48)


@pytest.mark.parametrize(
    ("dataset", "how"), [("medaka", signal.SIGINT), ("medaka", signal.SIGKILL), ("isbi2012", signal.SIGINT)]
)
def test_an_interrupted_prediction_goes_on(
    dataset: str, how: signal.Signals, made: Path, bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "baselines").mkdir(parents=True)
    (tmp_path / "mine" / "baselines" / "slow.py").write_text(SLOW)
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path / "mine"))
    root = made / {"medaka": "hearts", "isbi2012": "cells"}[dataset]
    assert bench("run", "-d", dataset, "-m", "slow", "--root", root, "--out", "run").returncode == 0
    stack = made / "cells" / "train-volume.tif"
    command = ["predict", "run", str(stack), "--out", "masks", "--batch", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "segbench", *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    pattern = ".pages/train*.tif" if dataset == "isbi2012" else "train*.png"
    end = time.monotonic() + 60
    while len(list((tmp_path / "masks").glob(pattern))) < 4:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    document = json.loads((tmp_path / "masks" / "predict.json").read_text())
    assert not document["complete"]
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "masks").glob(pattern)}
    assert 4 <= len(written) < 30
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert f"go on with: bench predict run {stack} --out masks --batch 2 --resume" in errors
        assert "Traceback" not in errors
        assert document["predicted"] == len(written)
    if dataset == "medaka":
        next(iter(written)).write_bytes(b"damaged")  # is made again
    kept = len(written) - (dataset == "medaka")
    resumed = printed_json(bench(*command, "--resume", "--json"))
    assert (resumed["complete"], resumed["kept"], resumed["predicted"]) == (True, kept, 30 - kept)
    assert resumed["input"]["sizes"] == [[48, 48]]
    if dataset == "medaka":
        assert sum(path.stat().st_mtime_ns == when for path, when in written.items()) == kept
        assert len(pictures(tmp_path / "masks")) == 30
    else:
        assert tifffile.imread(tmp_path / "masks" / "train-volume.tif").shape == (30, 48, 48)
        assert not (tmp_path / "masks" / ".pages").exists()


# Hostile input


def test_broken_images_are_named_when_all_others_are_written(made: Path, bench: Run, tmp_path: Path) -> None:
    images = shutil.copytree(grey_hearts(made), tmp_path / "images")
    broken = sorted(images.iterdir())[5:9:3]
    whole = [path.read_bytes() for path in broken]
    for path, content in zip(broken, whole, strict=True):
        path.write_bytes(content[:300])
    command = ["predict", made / "medaka-threshold", images, "--out", "masks", "--batch", "4"]
    done = bench(*command)
    assert done.returncode == 2
    assert "2 files cannot be read. All that can be read is segmented: 8 images in 'masks'." in done.stderr
    assert all(path.name in done.stderr for path in broken)
    assert "truncated" in done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads((tmp_path / "masks" / "predict.json").read_text())
    assert (document["complete"], document["predicted"]) == (False, 8)
    assert [Path(name).name for name in document["unreadable"]] == [path.name for path in broken]
    kept = pictures(made / "medaka-threshold" / "predictions")
    found = pictures(tmp_path / "masks")
    assert len(found) == 8
    for name, mask in found.items():
        assert np.array_equal(mask, kept[f"lateral-test-{name.partition('_')[0]}"])
    resumed = bench(*command, "--resume")
    assert resumed.returncode == 2
    assert "8 images of 10 are there already" in resumed.stderr
    assert "2 files cannot be read" in resumed.stderr
    broken[0].write_bytes(whole[0])
    one_left = bench(*command, "--resume")
    assert "All that can be read is segmented: 9 images in 'masks'." in one_left.stderr
    broken[1].write_bytes(whole[1])
    repaired = printed_json(bench(*command, "--resume", "--json"))
    assert (repaired["complete"], repaired["kept"], repaired["predicted"]) == (True, 9, 1)
    assert all(
        np.array_equal(mask, kept[f"lateral-test-{name.partition('_')[0]}"])
        for name, mask in pictures(tmp_path / "masks").items()
    )


def test_a_file_that_changed_beside_a_broken_one_is_no_repair(made: Path, bench: Run, tmp_path: Path) -> None:
    images = shutil.copytree(grey_hearts(made), tmp_path / "images")
    first, second, *_ = sorted(images.iterdir())
    whole = first.read_bytes()
    first.write_bytes(whole[:300])
    command = ["predict", made / "medaka-threshold", images, "--out", "masks"]
    assert bench(*command).returncode == 2
    first.write_bytes(whole)
    Image.fromarray(picture(9, (60, 80))).save(second)
    changed = bench(*command, "--resume")
    assert changed.returncode == 2
    assert "files that changed since" in changed.stderr


@pytest.mark.parametrize("name", ["no.avi", "no.tif", "no.png", "absent.mp4", "folder"])
def test_an_input_that_is_none_leaves_nothing(name: str, made: Path, bench: Run, tmp_path: Path) -> None:
    if name == "folder":
        (tmp_path / name).mkdir()
    elif not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"RIFF and nothing else")
    done = bench("predict", made / "medaka-threshold", name, "--out", "masks")
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "masks").glob("*.png")) == []


def test_a_cut_video_is_warned_of(made: Path, bench: Run, tmp_path: Path) -> None:
    path = encode(tmp_path / "cut.avi", [picture(n) for n in range(20)], "mjpeg")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    document = printed_json(bench("predict", made / "medaka-threshold", path, "--out", "masks", "--json"))
    assert any("of 20 frames can be read" in warning for warning in document["warnings"])
    assert len(pictures(tmp_path / "masks")) == document["input"]["frames"] < 20


def test_torch_is_left_alone_without_a_network(made: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [picture(n) for n in range(3)], 15)
    code = (
        "import sys\nfrom segbench.cli import main\ntry:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    words = ["predict", str(made / "medaka-threshold"), "v.mp4", "--out", "masks"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(pictures(tmp_path / "masks")) == 3


def test_the_help_has_examples(bench: Run) -> None:
    done = bench("predict", "--help")
    assert "bench predict runs/medaka-unet-1a2b3c4d heart.avi --out" in " ".join(done.stdout.split())
