"""`bench predict` on volumes: what it writes lies on its image, and scores as the run itself does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import yaml
from volumes import LABELS, case, data_set, save

import tiny_roots
from commands import Run, printed_json
from segbench.commands.evaluate import evaluate_files
from segbench.commands.import_data import ImportRequest, import_data
from segbench.commands.predict import PredictRequest, predict
from segbench.commands.run import RunRequest
from segbench.commands.run import run as do_run
from segbench.data.volume_frames import open_volumes
from segbench.data.volume_slices import read_channels, slice_pictures
from segbench.errors import UserError
from segbench.io.images import nifti
from segbench.io.images.read import read_array
from segbench.io.reporter import Reporter
from segbench.runs.predict_folder import PredictDocument
from segbench.runs.record import Record
from segbench.runs.request import EvaluateRequest
from segbench.types import VolumeSlices

pytestmark = pytest.mark.slow

QUIET = Reporter(quiet=True)
TINY = {"epochs": 2, "iterations_per_epoch": 2, "batch_size": 2, "base_channels": 4, "depth": 2, "tta": "none",
        "elastic": 0.0, "ema": 0.0, "size": None, "crop": 16, "precision": "fp32"}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {"threshold": {}, "kmeans": {}, "unet": {**TINY, "input": "grey"}}


def imported(source: Path, out: Path) -> Path:
    import_data(ImportRequest(source, out), QUIET)
    return out


def trained(root: Path, method: str, folder: Path) -> Record:
    request = RunRequest(
        "folder", method, root=root, split="test", device="cpu", out=folder, plots=False, settings=SETTINGS[method],
        save_predictions=True,
    )  # fmt: skip
    return do_run(request, QUIET)[1]


def predicted(run: Path, images: Path, out: Path, **more: Any) -> PredictDocument:
    return predict(PredictRequest(run, images, out, device="cpu", **more), Reporter(quiet=True))


def scored(root: Path, predictions: Path, out: Path) -> Record:
    request = EvaluateRequest("folder", root=root, predictions=predictions, split="test", out=out, plots=False)
    return evaluate_files(request, QUIET)[1]


def turned(folder: Path) -> None:
    """Store the images of test cases in other orders of their axes, which are not those of their labels."""
    for number, codes in zip((4, 5, 6), ("LPS", "PIR", "SAL"), strict=True):
        save(folder / f"case_{number:03d}_0000.nii.gz", case(number)[0], codes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT and an MR data set of volumes, imported, and runs on them. All SYNTHETIC."""
    base = tmp_path_factory.mktemp("volumes")
    for name, channels in (("ct", "CT"), ("mr", "T2")):
        labels = {"background": 0, "organ": 1} if name == "mr" else dict(LABELS)
        data_set(base / name, test=3, channels=channels, labels=dict(LABELS))
        if name == "mr":  # one class of foreground
            for path in (base / name).rglob("labels*/*.nii.gz"):
                number = int(path.name[5:8])
                save(path, (case(number)[1] > 0).astype(np.uint8))
            content = json.loads((base / name / "dataset.json").read_text())
            (base / name / "dataset.json").write_text(json.dumps({**content, "labels": labels}))
        turned(base / name / "imagesTs")
        imported(base / name, base / f"{name}-mine")
    for name, method in (("ct", "kmeans"), ("ct", "unet"), ("mr", "threshold"), ("mr", "unet")):
        trained(base / f"{name}-mine", method, base / f"{name}-{method}")
    return base


@pytest.mark.parametrize(("name", "method"), [("ct", "kmeans"), ("ct", "unet"), ("mr", "threshold"), ("mr", "unet")])
def test_predicted_volumes_score_as_the_run_did(name: str, method: str, made: Path, tmp_path: Path) -> None:
    """Images whose axes are stored in other orders than those of their labels, with and without one window."""
    run = made / f"{name}-{method}"
    document = predicted(run, made / name / "imagesTs", tmp_path / "out", batch=4)
    record = Record.model_validate_json((run / "record.json").read_text())
    found = scored(made / f"{name}-mine", tmp_path / "out", tmp_path / "scored")
    assert found.scores == record.scores
    assert found.per_class == record.per_class
    assert found.dataset.ids_sha256 == record.dataset.ids_sha256
    assert document.complete
    assert (document.input.kind, document.input.frames, document.predicted) == ("volume", 18, 18)
    assert document.input.sizes == [[20, 24]]
    assert document.output.form == "label values as NIfTI"
    assert list(document.output.values) == (["0", "1", "2"] if name == "ct" else ["0", "1"])
    assert document.warnings == []
    names = {path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")}
    assert names == {"predict.json", *(f"case_{number:03d}.nii.gz" for number in (4, 5, 6))}


def test_labels_lie_on_their_image(made: Path, tmp_path: Path) -> None:
    """Shape, axes and place of the image, whatever its header says of other things; one class at each voxel."""
    predicted(made / "ct-kmeans", made / "ct" / "imagesTs", tmp_path / "out")
    library: Any = nibabel
    for number, codes in zip((4, 5, 6), ("LPS", "PIR", "SAL"), strict=True):
        image = library.load(made / "ct" / "imagesTs" / f"case_{number:03d}_0000.nii.gz")
        labels = library.load(tmp_path / "out" / f"case_{number:03d}.nii.gz")
        assert labels.shape == image.shape
        assert "".join(library.aff2axcodes(labels.affine)) == codes
        np.testing.assert_array_equal(labels.affine, image.affine)
        np.testing.assert_array_equal(labels.header.get_zooms(), image.header.get_zooms())
        assert labels.get_data_dtype() == np.uint8
        assert set(np.unique(labels.dataobj)) <= {0, 1, 2}
        kept = nifti.read_slices(tmp_path / "out" / f"case_{number:03d}.nii.gz")
        for place, page in enumerate(kept):
            png = made / "ct-kmeans" / "predictions" / f"case_{number:03d}__z{place}.png"
            np.testing.assert_array_equal(page, read_array(png))


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "AIL"])
def test_labels_are_put_back_where_slices_were_cut(codes: str, tmp_path: Path) -> None:
    image = save(tmp_path / "image.nii", case(1)[0], codes)
    labels = save(tmp_path / "labels.nii", case(1)[1], codes)
    volume = nifti.labels_like(image, np.uint8)
    for number, page in enumerate(nifti.read_slices(labels)):
        volume.slices[number] = page
    volume.write(tmp_path / "out.nii.gz")
    library: Any = nibabel
    out, truth = library.load(tmp_path / "out.nii.gz"), library.load(labels)
    np.testing.assert_array_equal(np.asarray(out.dataobj), np.asarray(truth.dataobj))
    np.testing.assert_array_equal(out.affine, truth.affine)
    first = (tmp_path / "out.nii.gz").read_bytes()
    volume.write(tmp_path / "out.nii.gz")
    assert (tmp_path / "out.nii.gz").read_bytes() == first


@pytest.mark.parametrize("kind", ["scanner", "unplaced", "nifti-2", "two dimensions", "big-endian"])
def test_headers_of_all_kinds_keep_their_place(kind: str, tmp_path: Path) -> None:
    library: Any = nibabel
    values = case(2)[0]
    make = library.Nifti2Image if kind == "nifti-2" else library.Nifti1Image
    if kind == "two dimensions":
        values = values[..., 2]
    header = library.Nifti1Header(endianness=">") if kind == "big-endian" else None
    image = make(values, None if kind == "unplaced" else np.diag([-0.7, 0.5, 3, 1]), header)
    if kind == "scanner":  # placed by a quaternion alone
        image.set_qform(library.affines.from_matvec(library.eulerangles.euler2mat(0.1, 0.2, 0.3), [5, 6, 7]), 1)
        image.set_sform(None, 0)
    image.header["descrip"] = b"somebody's name"
    library.save(image, tmp_path / "image.nii")
    nifti.labels_like(tmp_path / "image.nii", np.uint16).write(tmp_path / "labels.nii.gz")
    image, labels = library.load(tmp_path / "image.nii"), library.load(tmp_path / "labels.nii.gz")
    assert type(labels) is type(image)
    assert labels.shape == image.shape
    np.testing.assert_array_equal(labels.affine, image.affine)
    assert (labels.get_sform(coded=True)[1], labels.get_qform(coded=True)[1]) == (
        image.get_sform(coded=True)[1], image.get_qform(coded=True)[1]
    )  # fmt: skip
    assert labels.get_data_dtype() == np.uint16
    assert bytes(labels.header["descrip"]).strip(b"\0") == b""
    one, other = (nifti.open_volume(tmp_path / name) for name in ("image.nii", "labels.nii.gz"))
    assert one == other


def test_what_an_import_did_to_intensities_is_in_the_record(made: Path) -> None:
    """The very window, which the remark of the import rounds, for it is what new volumes are shown by; and spacings."""
    said = yaml.safe_load((made / "ct-mine" / "classes.yaml").read_text())["volumes"]
    inside = np.concatenate([image[labels > 0] for image, labels in map(case, range(7))])
    spacing = {f"case_{number:03d}": [3.0, 0.7, 0.8] for number in range(7)}
    assert said == {"channels": 1, "window": list(np.percentile(inside, (0.5, 99.5))), "spacing_mm": spacing}
    record = json.loads((made / "ct-kmeans" / "record.json").read_text())
    assert record["dataset"]["definition"]["volumes"] == said
    record = json.loads((made / "mr-threshold" / "record.json").read_text())
    assert record["dataset"]["definition"]["volumes"] == {"channels": 1, "spacing_mm": spacing}


@pytest.mark.parametrize("channels", [("T1", "T2"), ("T1", "T2", "FLAIR", "T1Gd")])
def test_channels_are_the_colours_they_were(channels: tuple[str, ...], tmp_path: Path) -> None:
    """Each channel a file of its own, or all in one, as the Decathlon has them; what learned from two sees two."""
    source = tmp_path / "source"
    for number in range(6):
        part = "Tr" if number < 4 else "Ts"
        image, labels = case(number)
        values = [np.roll(image, shift, axis=0) + 10 * shift for shift in range(len(channels))]
        save(source / f"labels{part}" / f"case_{number}.nii.gz", labels)
        if len(channels) == 2:
            for channel, each in enumerate(values):
                save(source / f"images{part}" / f"case_{number}_{channel:04d}.nii.gz", each)
        else:
            save(source / f"images{part}" / f"case_{number}.nii.gz", np.stack(values, axis=-1))
    content = {"channel_names": dict(enumerate(channels)), "labels": dict(LABELS)}
    (source / "dataset.json").write_text(json.dumps(content))
    imported(source, tmp_path / "mine")
    record = trained(tmp_path / "mine", "kmeans", tmp_path / "run")
    document = predicted(tmp_path / "run", source / "imagesTs", tmp_path / "out")
    assert document.warnings == []
    assert scored(tmp_path / "mine", tmp_path / "out", tmp_path / "scored").scores == record.scores
    for path in (source / "imagesTs").glob("case_4*1.nii.gz"):
        path.unlink()
        with pytest.raises(
            UserError, match=r"case 'case_4' has 1 channel \(.*\); the run learned from volumes of 2, in"
        ):
            predicted(tmp_path / "run", source / "imagesTs", tmp_path / "no")
        assert not (tmp_path / "no").exists()


def test_one_volume_in_either_form_is_an_input(made: Path, bench: Run, tmp_path: Path) -> None:
    """Called after its channel or not, packed or not; the command says slices, and a name of numbers is a name."""
    image = save(tmp_path / "patient_0007.nii", case(5)[0], "LPS")
    done = bench("predict", made / "ct-unet", image, "--out", "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "out: 6 slices of" in done.stdout
    assert (tmp_path / "out" / "patient_0007.nii.gz").is_file()
    predicted(made / "ct-unet", made / "ct" / "imagesTs" / "case_005_0000.nii.gz", tmp_path / "same")
    one, other = (nifti.read_slices(tmp_path / n) for n in ("out/patient_0007.nii.gz", "same/case_005.nii.gz"))
    np.testing.assert_array_equal(one, other)
    assert "bench predict runs/folder-unet-1a2b3c4d imagesTs/ --out volumes" in " ".join(
        bench("predict", "--help").stdout.split()
    )


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut_short, "cannot be decoded"),
        (lambda path: path.write_bytes(b"none"), "cannot be decoded"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: save(path, np.stack([case(4)[0]] * 2, axis=-1)), "has 2 channels"),
        (lambda path: save(path, case(4)[0].astype(np.complex64)), "expected whole numbers or real ones"),
    ],
)
def test_a_bad_volume_is_one_sentence_and_leaves_nothing(
    spoil: Any, words: str, made: Path, bench: Run, tmp_path: Path
) -> None:
    path = save(tmp_path / "case.nii.gz", case(4)[0])
    spoil(path)
    done = bench("predict", made / "ct-kmeans", "case.nii.gz", "--out", "out", "--quiet")
    assert done.returncode == 2
    assert words in done.stderr
    assert "case.nii.gz" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("left", [-40, 0])
@pytest.mark.parametrize("number", [4, 5])
def test_a_bad_volume_among_others_costs_itself_alone(number: int, left: int, made: Path, tmp_path: Path) -> None:
    """Cut short, which is found when it is decoded, or empty, which its header tells."""
    images = shutil.copytree(made / "ct" / "imagesTs", tmp_path / "images")
    broken = images / f"case_00{number}_0000.nii.gz"
    broken.write_bytes(broken.read_bytes()[:left])
    with pytest.raises(UserError, match=rf"{broken.name}: .*All that can be read is segmented: 12 slices in '.*out'\."):
        predicted(made / "ct-kmeans", images, tmp_path / "out", batch=4)
    whole = [f"case_00{each}.nii.gz" for each in (4, 5, 6) if each != number]
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == [*whole, "predict.json"]
    document = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert (document["complete"], document["unreadable"]) == (False, [str(broken)])


def test_bad_volumes_alone_are_all_named_and_leave_nothing(made: Path, tmp_path: Path) -> None:
    images = shutil.copytree(made / "ct" / "imagesTs", tmp_path / "images")
    first, *others = sorted(images.iterdir())
    first.write_bytes(b"")
    for path in others:
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="3 files cannot be read") as refused:
        predicted(made / "ct-kmeans", images, tmp_path / "out")
    assert all(path.name in str(refused.value) for path in images.iterdir())
    assert not (tmp_path / "out").exists()
    for path in others:
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"is empty.*The same holds for 2 more"):
        predicted(made / "ct-kmeans", images, tmp_path / "out")


def test_volumes_are_among_what_is_expected(made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    for name, words in (
        ("absent", r"a folder of images or volumes, an image, a volume \(\.nii, \.nii\.gz\), a TIFF stack or a video"),
        ("empty", r"and no volume \(\.nii, \.nii\.gz\)\. Give a folder with images or volumes directly in it"),
        ("notes.txt", r"is no image, video or volume by its name.*a volume \(\.nii, \.nii\.gz\), or a folder"),
    ):
        with pytest.raises(UserError, match=words):
            predicted(made / "ct-kmeans", tmp_path / name, tmp_path / "out")


def test_slices_of_another_size_are_called_slices(made: Path, tmp_path: Path) -> None:
    save(tmp_path / "large.nii.gz", case(4, (48, 40, 6))[0])
    (warning,) = predicted(made / "ct-kmeans", tmp_path / "large.nii.gz", tmp_path / "out").warnings
    assert warning.startswith("slices are 40 x 48 pixels, the run learned from images of 20 x 24")


def test_what_cannot_be_told_apart_or_chosen_is_refused(made: Path, tmp_path: Path) -> None:
    run, images = made / "ct-kmeans", tmp_path / "images"
    save(images / "a.nii", case(4)[0])
    save(images / "a_0000.nii.gz", case(4)[0])
    with pytest.raises(UserError, match=r"would both give 'a\.nii\.gz'"):
        predicted(run, images, tmp_path / "out")
    (images / "a.nii").unlink()
    with pytest.raises(UserError, match=r"Leave --channel and --z out"):
        predicted(run, images, tmp_path / "out", z=1)
    with pytest.raises(UserError, match=r"holds 'a_0000\.nii\.gz', which is no prediction"):
        predicted(run, images, images)
    tiny = tiny_roots.voc2012(tmp_path / "photographs").root
    do_run(RunRequest("voc2012", "mean-shape", root=tiny, device="cpu", out=tmp_path / "voc", plots=False), QUIET)
    with pytest.raises(UserError, match=r"is a volume, and the run did not learn from volumes.*bench data import"):
        predicted(tmp_path / "voc", images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_beside_volumes_are_named(made: Path, tmp_path: Path) -> None:
    images = shutil.copytree(made / "ct" / "imagesTs", tmp_path / "images")
    (images / "notes.png").write_bytes(b"")
    warnings = predicted(made / "ct-kmeans", images, tmp_path / "out").warnings
    assert [w for w in warnings if "also holds 1 image (notes.png), left out" in w]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_prediction_resumes_by_cases(
    how: signal.Signals, made: Path, bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "baselines").mkdir(parents=True)
    slow = tiny_roots.METHOD.replace('"same"', '"slow"').replace("class Same", "class Slow")
    slow = slow.replace(
        "        return [Prediction", "        __import__('time').sleep(0.15)\n        return [Prediction"
    )
    (tmp_path / "mine" / "baselines" / "slow.py").write_text(slow)
    monkeypatch.setenv("SEGBENCH_PLUGINS", str(tmp_path / "mine"))
    assert bench("run", "-d", "folder", "-m", "slow", "--root", made / "ct-mine", "--out", "run").returncode == 0
    command = ["predict", "run", str(made / "ct" / "imagesTs"), "--out", "out", "--batch", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "segbench", *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    end = time.monotonic() + 60
    while not (tmp_path / "out" / "case_004.nii.gz").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=60)
    whole = {path.name for path in (tmp_path / "out").glob("case*")}
    assert {"case_004.nii.gz"} <= whole < {f"case_{number:03d}.nii.gz" for number in (4, 5, 6)}
    first = (tmp_path / "out" / "case_004.nii.gz").stat().st_mtime_ns
    resumed = printed_json(bench(*command, "--resume", "--json"))
    assert (resumed["complete"], resumed["kept"]) == (True, 6 * len(whole))
    assert (tmp_path / "out" / "case_004.nii.gz").stat().st_mtime_ns == first
    assert [path.name for path in (tmp_path / "out").glob("*.tmp")] == []
    for number in (4, 5, 6):
        assert nifti.open_volume(tmp_path / "out" / f"case_{number:03d}.nii.gz").slices == 6


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_volume_is_held_twice_at_most(kind: type, tmp_path: Path) -> None:
    """Its stored values, and for a moment a copy: of what was unpacked, or of what the percentiles are found in."""
    values = np.random.default_rng(0).integers(-1000, 1000, (128, 128, 60)) + (0.5 if kind is np.float32 else 0)
    path = save(tmp_path / "large.nii.gz", values.astype(kind))
    for rule in (VolumeSlices(1, (-100.0, 200.0)), VolumeSlices()):
        frames = open_volumes(path, rule)  # imports what reads volumes
        assert frames is not None
        tracemalloc.start()
        assert sum(1 for _ in frames) == 60
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.3 * values.size * np.dtype(kind).itemsize


def test_pictures_of_slices_are_those_of_the_import(made: Path) -> None:
    """Of 8 bits as they are; what is no number is black."""
    channels = read_channels([made / "ct" / "imagesTs" / "case_004_0000.nii.gz"])
    spoilt = [np.where(channels[0] < -90, np.nan, channels[0].astype(np.float64))]
    first = next(slice_pictures(spoilt, VolumeSlices(1, (-100.0, 100.0))))
    expected = np.rint(np.clip((spoilt[0][0] + 100) / 200, 0, 1) * 255)
    np.testing.assert_array_equal(first, np.where(np.isnan(expected), 0, expected))
    eight = [np.arange(24, dtype=np.uint8).reshape(2, 3, 4)]
    assert np.array_equal(np.stack(list(slice_pictures(eight, VolumeSlices(1, (0.0, 1.0))))), eight[0])
    flat = [np.full((1, 2, 2), 7.5, np.float32)]
    assert not next(slice_pictures(flat, replace(VolumeSlices()))).any()


def test_digits_that_tell_cases_apart_are_no_channels(tmp_path: Path) -> None:
    image = case(0)[0]
    for number in range(3):
        save(tmp_path / "one" / f"patient_{number:04d}.nii.gz", image)
        save(tmp_path / "two" / f"patient_{number:04d}.nii.gz", np.stack([image, image], axis=-1))
        save(tmp_path / "files" / f"a_{number % 2:04d}.nii.gz", image)
    for folder, channels in (("one", 1), ("two", 2)):
        found = open_volumes(tmp_path / folder, VolumeSlices(channels))
        assert found is not None
        assert [each.name for each in found.cases] == ["patient_0000", "patient_0001", "patient_0002"]
    found = open_volumes(tmp_path / "files", VolumeSlices(2))
    assert found is not None
    assert [(each.name, len(each.channels)) for each in found.cases] == [("a", 2)]


def test_what_is_gone_is_made_again(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "ct" / "imagesTs", tmp_path / "images")
    predicted(made / "ct-kmeans", tmp_path / "images", tmp_path / "out")
    gone = tmp_path / "out" / "case_005.nii.gz"
    whole = gone.read_bytes()
    gone.unlink()
    assert predicted(made / "ct-kmeans", tmp_path / "images", tmp_path / "out", resume=True).predicted == 6
    assert gone.read_bytes() == whole
