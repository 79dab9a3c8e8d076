"""Data sets of nnU-Net: volumes become slices, and predicted volumes are scored on them, whatever order axes have."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image
from volumes import SHAPE, case, data_set, save

from segbench.boards.comparable import official_metrics
from segbench.commands.doctor import diagnose
from segbench.commands.evaluate import evaluate_files
from segbench.commands.import_data import ImportRequest, import_data
from segbench.commands.slice import slice_runs
from segbench.data.importing.documents import ImportedData
from segbench.datasets.folder import Folder
from segbench.errors import UserError
from segbench.io.images import nifti
from segbench.io.reporter import Reporter
from segbench.runs.request import DoctorRequest, EvaluateRequest
from segbench.runs.stored_requests import SliceRequest
from segbench.types import Array

QUIET = Reporter(quiet=True)


def run(source: Path, out: Path, **options: Any) -> ImportedData:
    return import_data(ImportRequest(source, out, **options), QUIET)


def scored(root: Path, predictions: Path, out: Path, **options: Any) -> Any:
    request = EvaluateRequest(dataset="folder", root=root, predictions=predictions, split="test", out=out, **options)
    return evaluate_files(request, QUIET)[1]


def dice(truth: Array, found: Array) -> float:
    """Mean over the three classes, from the voxels of all cases."""
    each = [2 * ((truth == k) & (found == k)).sum() / ((truth == k).sum() + (found == k).sum()) for k in range(3)]
    return float(np.mean(each))


def test_slices_are_what_a_viewer_shows(tmp_path: Path) -> None:
    """Anterior is up and right is right, from inferior to superior, in whatever order the axes are stored."""
    _, labels = case(0)
    labels[1, -2, 2] = 7
    for codes in ("RAS", "LPS", "PIR", "SAL"):
        path = save(tmp_path / f"{codes}.nii.gz", labels, codes)
        volume = nifti.open_volume(path)
        assert (volume.slices, volume.plane) == (SHAPE[2], "axial")
        slices = nifti.read_slices(path)
        assert slices.dtype == np.uint8
        np.testing.assert_array_equal(slices, labels.transpose(2, 1, 0)[:, ::-1])
        assert slices[2, 1, 1] == 7


@pytest.mark.parametrize(("spacing", "plane"), [((1, 5, 1), "coronal"), ((5, 1, 1), "sagittal"), ((1, 1, 1), "axial")])
def test_a_volume_is_cut_across_its_largest_spacing(spacing: tuple[int, int, int], plane: str, tmp_path: Path) -> None:
    """What is superior is up then, and what is anterior, or right, to the right."""
    _, labels = case(0)
    labels[1, 3, -2] = 7
    image: Any = nibabel.Nifti1Image(labels, np.diag([*spacing, 1]))  # type: ignore[no-untyped-call]
    nibabel.save(image, tmp_path / "labels.nii")
    slices = nifti.read_slices(tmp_path / "labels.nii")
    assert nifti.open_volume(tmp_path / "labels.nii").plane == plane
    x, y, z = SHAPE
    assert slices.shape == {"coronal": (y, z, x), "sagittal": (x, z, y), "axial": (z, y, x)}[plane]
    place = {"coronal": (3, 1, 1), "sagittal": (1, 1, 3), "axial": (z - 2, y - 4, 1)}[plane]
    assert slices[place] == 7


def test_whole_numbers_are_labels_in_any_type(tmp_path: Path) -> None:
    _, labels = case(1)
    as_floats = save(tmp_path / "floats.nii", labels.astype(np.float64))
    assert nifti.read_slices(as_floats).dtype.kind == "i"
    np.testing.assert_array_equal(nifti.read_slices(as_floats), labels.transpose(2, 1, 0)[:, ::-1])
    image: Any = nibabel.Nifti1Image(labels.astype(np.int16) * 2, np.eye(4))  # type: ignore[no-untyped-call]
    image.header.set_slope_inter(0.5, 1)
    nibabel.save(image, tmp_path / "scaled.nii.gz")
    assert nifti.read_slices(tmp_path / "scaled.nii.gz").max() == np.float32(3)


def test_cases_are_groups_and_a_ct_has_one_window(tmp_path: Path) -> None:
    data_set(tmp_path / "Dataset003", codes="LPS")
    report = run(tmp_path / "Dataset003", tmp_path / "mine")
    assert (report.format, report.n, report.splits) == ("nnunet", 36, {"train": 24, "test": 12})
    assert report.images == {"cut from volumes": 36}
    assert [(each.label, each.name, each.kind) for each in report.classes] == [
        (0, "background", "background"), (1, "liver", "thing"), (2, "tumour", "thing")
    ]  # fmt: skip
    inside = np.concatenate([image[labels > 0] for image, labels in map(case, range(4))])  # none that are scored
    low, high = np.percentile(inside, (0.5, 99.5))
    assert f"CT: {low:g} to {high:g} became black to white" in " ".join(report.remarks)
    assert "volumes became axial slices" in " ".join(report.remarks)
    data = Folder(tmp_path / "mine")
    assert {data.group(i) for i in data.ids("test")} == {"case_004", "case_005"}
    image, labels = case(4)
    for number, sample_id in enumerate(data.ids("test")[:6]):
        sample = data.load(sample_id)
        np.testing.assert_array_equal(sample.labels, labels[:, ::-1, number].T)
        expected = np.rint(np.clip((image[:, ::-1, number].T - low) / (high - low), 0, 1) * 255)
        assert sample.image is not None
        assert np.abs(sample.image - expected).max() <= 1  # float32 against float64


def test_the_mean_without_background_ranks_what_is_imported_and_nothing_that_was_before(tmp_path: Path) -> None:
    truth = data_set(tmp_path / "source")
    run(tmp_path / "source", tmp_path / "mine")
    for name, labels in truth.items():
        save(tmp_path / "predicted" / f"{name}.nii.gz", np.roll(labels, 1, axis=0))
    record = scored(tmp_path / "mine", tmp_path / "predicted", tmp_path / "run")
    assert record.main_score == "foreground_dice"
    assert record.main_value == record.scores["foreground_dice"].value < record.scores["dice"].value
    assert record.warnings == []
    assert official_metrics(record).keys() == {"overlap", "foreground-overlap"}
    classes = tmp_path / "mine" / "classes.yaml"
    new, version = classes.read_text(), record.dataset.version
    assert new.count("main_score: foreground_dice\n") == 1
    classes.write_text(new.replace("main_score: foreground_dice\n", ""))  # as it was imported before
    before = scored(tmp_path / "mine", tmp_path / "predicted", tmp_path / "before")
    assert before.main_score == "miou"
    assert official_metrics(before).keys() == {"overlap"}, "what was scored without it is compared with such a run"
    assert before.dataset.version != version  # another score ranks, so they stand on boards of their own
    assert before.scores == record.scores


def test_a_main_score_without_background_needs_one(tmp_path: Path) -> None:
    data_set(tmp_path / "source")
    run(tmp_path / "source", tmp_path / "mine")
    classes = tmp_path / "mine" / "classes.yaml"
    text = classes.read_text()
    classes.write_text(text.replace("kind: background", "kind: stuff"))
    with pytest.raises(UserError, match="main_score is foreground_dice, which leaves out the background"):
        Folder(tmp_path / "mine")
    rows = "[{id: 0, name: air, kind: background}, {id: 1, name: water, kind: background}]"
    classes.write_text(f"name: mine\nclasses: {rows}\ntask: binary\nmain_score: foreground_dice\n")
    with pytest.raises(UserError, match="give one class, and not all of them, 'kind: background'"):
        Folder(tmp_path / "mine")
    classes.write_text(text.replace("foreground_dice", "miou_171"))
    with pytest.raises(UserError, match="main_score is 'miou_171'; expected one of foreground_dice"):
        Folder(tmp_path / "mine")


def test_predicted_volumes_score_as_their_voxels_do(tmp_path: Path) -> None:
    truth = data_set(tmp_path / "source")
    run(tmp_path / "source", tmp_path / "mine")
    found = {name: np.roll(labels, 1, axis=0) for name, labels in truth.items()}
    for name, codes in zip(found, ("RAS", "PIL"), strict=True):  # the axes of a prediction may run another way
        save(tmp_path / "predicted" / f"{name}.nii.gz", found[name].astype(np.float32), codes)
    record = scored(tmp_path / "mine", tmp_path / "predicted", tmp_path / "run")
    expected = dice(np.stack(list(truth.values())), np.stack(list(found.values())))
    assert record.scores["dice"].value == pytest.approx(expected, abs=1e-12)
    checked = diagnose(DoctorRequest("folder", tmp_path / "predicted", "test", tmp_path / "mine"), QUIET)
    assert (checked.n_files, checked.n_scored, checked.findings) == (2, 12, [])
    assert checked.score == pytest.approx(record.scores["foreground_dice"].value)
    few = scored(tmp_path / "mine", tmp_path / "predicted" / "case_005.nii.gz", tmp_path / "one", partial=True)
    assert few.scores["dice"].value == pytest.approx(dice(truth["case_005"], found["case_005"]), abs=1e-12)


def test_a_single_volume_is_a_case(tmp_path: Path) -> None:
    """Its subfolder stays, although it holds everything: predictions, spacing and scores of cases go by its name."""
    data_set(tmp_path / "source", train=1, test=0)
    run(tmp_path / "source", tmp_path / "mine")
    data = Folder(tmp_path / "mine")
    assert {data.group(sample_id) for sample_id in data.ids("all")} == {"case_000"}
    _, labels = case(0)
    found = np.roll(labels, 1, axis=0)
    save(tmp_path / "predicted" / "case_000.nii.gz", found)
    options: Any = {"split": "all", "out": tmp_path / "run", "metrics": ("surface-distance",)}
    request = EvaluateRequest("folder", tmp_path / "predicted", root=tmp_path / "mine", **options)
    _, record = evaluate_files(request, QUIET)
    assert record.scores["dice"].value == pytest.approx(dice(labels, found), abs=1e-12)
    assert record.per_class["tumour"]["cases"] == 1
    assert record.scores["hd95_mm"].value == pytest.approx(0.8), "a voxel to the side"


def test_the_mean_over_cases_is_told(tmp_path: Path) -> None:

    truth = data_set(tmp_path / "source", test=3)
    run(tmp_path / "source", tmp_path / "mine")
    found = {name: np.roll(labels, place, axis=1) for place, (name, labels) in enumerate(truth.items())}
    for name, labels in found.items():
        save(tmp_path / "predicted" / f"{name}.nii.gz", labels)
    scored(tmp_path / "mine", tmp_path / "predicted", tmp_path / "run")
    sliced = slice_runs(SliceRequest((tmp_path / "run",), by=("group",), score="dice"), QUIET)
    each = {name: dice(truth[name], found[name]) for name in truth}
    assert {row.slice: row.scores[0].value for row in sliced.slices} == pytest.approx(each, abs=1e-12)
    assert f"{np.mean(list(each.values())):.4f}" in sliced.notes[-1]
    assert "mean of dice over 3 groups that count alike" in sliced.notes[-1]
    scored(tmp_path / "mine", tmp_path / "predicted" / "case_004.nii.gz", tmp_path / "one", partial=True)
    with pytest.raises(UserError, match="are of one group"):
        slice_runs(SliceRequest((tmp_path / "one",), by=("group",)), QUIET)


def test_the_mean_of_cases_without_background_is_that_of_whole_volumes(tmp_path: Path) -> None:
    """By default, and as NumPy has it of the volumes as they were before they were cut."""
    truth = data_set(tmp_path / "source", test=3)
    run(tmp_path / "source", tmp_path / "mine")
    found = {name: np.roll(labels, place, axis=1) for place, (name, labels) in enumerate(truth.items())}
    for name, labels in found.items():
        save(tmp_path / "predicted" / f"{name}.nii.gz", labels)
    record = scored(tmp_path / "mine", tmp_path / "predicted", tmp_path / "run")
    pairs = [(truth[name], found[name]) for name in truth]
    table = [[2 * ((t == k) & (p == k)).sum() / ((t == k).sum() + (p == k).sum()) for k in (1, 2)] for t, p in pairs]
    assert record.scores["foreground_dice"].value == pytest.approx(np.mean(table), abs=1e-12)
    assert record.per_class["tumour"]["dice_per_case"] == pytest.approx(np.mean(table, axis=0)[1], abs=1e-12)
    assert record.per_class["tumour"]["cases"] == 3
    assert official_metrics(record) == {"overlap": "1", "foreground-overlap": "1"}, "it ranks, so its version counts"


def test_an_older_layout_and_regions_are_read(tmp_path: Path) -> None:
    """Of the Decathlon: values with names, channels in one file; of nnU-Net: a region is several values."""
    root = tmp_path / "Task03"
    image, labels = case(0)
    save(root / "imagesTr" / "a.nii.gz", np.stack([image, image // 2], axis=-1))
    save(root / "labelsTr" / "a.nii.gz", labels)
    names = {"0": "background", "1": "oedema", "2": "tumour"}
    (root / "dataset.json").write_text(json.dumps({"modality": {"0": "FLAIR", "1": "T1w"}, "labels": names}))
    report = run(root, tmp_path / "mine")
    assert [each.name for each in report.classes] == list(names.values())
    first = np.asarray(Image.open(next(iter(sorted((tmp_path / "mine" / "images").rglob("*.png"))))))
    assert first.shape == (SHAPE[1], SHAPE[0], 3)
    assert not first[..., 2].any()
    data_set(tmp_path / "regions", test=0, labels={"background": 0, "whole": [1, 2], "core": [2], "ignore": 3})
    report = run(tmp_path / "regions", tmp_path / "other")
    assert [each.name for each in report.classes] == ["background", "label 1", "label 2"]
    assert "regions of several values are not taken" in " ".join(report.remarks)


@pytest.mark.parametrize("listed", [True, False])
def test_numbers_of_decathlon_cases_are_no_channels(listed: bool, tmp_path: Path) -> None:
    """One file a case, as its list says, or as the labels do, also beside a case that is called without a number."""
    names = ("heart", "heart_0000", "heart_0001")
    for number, name in enumerate(names):
        image, labels = case(number)
        save(tmp_path / "source" / "imagesTr" / f"{name}.nii.gz", np.clip(image + 120, 0, 255).astype(np.uint8))
        save(tmp_path / "source" / "labelsTr" / f"{name}.nii.gz", labels)
    save(tmp_path / "source" / "imagesTr" / "heart_0002.nii.gz", case(9)[0])
    pairs = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    if not listed:  # then a fourth image without labels could be a channel
        (tmp_path / "source" / "imagesTr" / "heart_0002.nii.gz").unlink()
    content = {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "a", "2": "b"}}
    (tmp_path / "source" / "dataset.json").write_text(json.dumps({**content, "training": pairs} if listed else content))
    run(tmp_path / "source", tmp_path / "mine")
    for number, name in enumerate(names):
        found = np.stack([np.asarray(Image.open(p)) for p in sorted((tmp_path / "mine" / "images" / name).iterdir())])
        expected = np.clip(case(number)[0] + 120, 0, 255).transpose(2, 1, 0)[:, ::-1]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("version", [1, 2])
def test_numbers_of_nnunet_files_are_channels(version: int, tmp_path: Path) -> None:
    """Version 1 lists files without the number that they have; a second channel is none of the case called like it."""
    names = ("a", "a_0001")
    for number, name in enumerate(names):
        image, labels = case(number)
        channels = [np.clip(image + 120, 0, 255).astype(np.uint8)] * (2 if name == "a" else 1)
        for channel, values in enumerate(channels):
            save(tmp_path / "source" / "imagesTr" / f"{name}_{channel:04d}.nii.gz", values)
        save(tmp_path / "source" / "labelsTr" / f"{name}.nii.gz", labels)
    pairs = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in names]
    told = {"modality": {"0": "T1"}, "training": pairs} if version == 1 else {"channel_names": {"0": "T1"}}
    content = {**told, "labels": {"0": "background", "1": "a", "2": "b"}}
    (tmp_path / "source" / "dataset.json").write_text(json.dumps(content))
    run(tmp_path / "source", tmp_path / "mine")
    shapes = {}
    for name in names:
        (first, *_) = sorted((tmp_path / "mine" / "images" / name).iterdir())
        shapes[name] = np.asarray(Image.open(first)).shape
    assert shapes == {"a": (20, 24, 3), "a_0001": (20, 24)}


def test_pictures_of_two_dimensions_are_taken_as_they_are(tmp_path: Path) -> None:
    root = tmp_path / "Dataset120"
    for number in range(3):
        image, labels = case(number)
        for folder, name, values in (
            ("imagesTr", f"road_{number}_0000.png", np.repeat(np.clip(image[..., 3:4] + 120, 0, 255), 3, axis=2)),
            ("labelsTr", f"road_{number}.png", labels[..., 3]),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(root / folder / name)
    content = {"channel_names": {"0": "R"}, "labels": {"background": 0, "road": 1, "car": 2}, "file_ending": ".png"}
    (root / "dataset.json").write_text(json.dumps(content))
    report = run(root, tmp_path / "mine")
    assert (report.n, report.images) == (3, {"hard links": 3})
    data = Folder(tmp_path / "mine")
    np.testing.assert_array_equal(data.load(data.ids("all")[1]).labels, case(1)[1][..., 3])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def header(place: int, kind: str, *values: float) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = bytearray(gzip.decompress(path.read_bytes()))
        struct.pack_into(kind, content, place, *values)
        path.write_bytes(gzip.compress(bytes(content)))

    return change


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut_short, "cannot be decoded"),
        (lambda path: path.write_bytes(b"none"), "cannot be decoded"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (header(42, "<hh", 30_000, 30_000), "need"),
        (header(42, "<h", -3), "expected (X, Y)"),
        (header(108, "<f", 1e30), "cannot be decoded"),
        (header(108, "<f", float("nan")), "cannot be decoded"),
        (header(70, "<h", 32), "expected whole numbers"),
        (header(70, "<h", 9999), "cannot be decoded"),
    ],
)
def test_an_unsound_volume_is_one_sentence(spoil: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    """Cut short, no volume, sizes of terabytes and below nothing, voxels nowhere, complex and unknown values."""
    path = save(tmp_path / "labels.nii.gz", case(0)[1])
    spoil(path)
    with pytest.raises(UserError) as caught:
        nifti.read_slices(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def spaced(path: Path, values: Array, *spacing: float) -> None:
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1])), path)  # type: ignore[no-untyped-call]


def test_spacings_differ_by_rounding(tmp_path: Path) -> None:
    """A program's 0.99999994 is another's 1: labels are cut as their image is, where all sides are equally long."""
    root = tmp_path / "source"
    data_set(root, train=1, test=0)
    image, labels = case(0, (20, 20, 20))
    image = np.clip(image + 120, 0, 255).astype(np.uint8)
    spaced(root / "imagesTr" / "case_000_0000.nii.gz", image, 1.0000001, 1, 1)
    spaced(root / "labelsTr" / "case_000.nii.gz", labels, 1, 1, 0.9999)
    assert nifti.open_volume(root / "labelsTr" / "case_000.nii.gz").plane == "axial"
    run(root, tmp_path / "mine")
    data = Folder(tmp_path / "mine")
    samples = [data.load(sample_id) for sample_id in data.ids("all")]
    for sample, seen, drawn in zip(samples, image.T[:, ::-1], labels.T[:, ::-1], strict=True):
        np.testing.assert_array_equal(sample.image, seen)
        np.testing.assert_array_equal(sample.labels, drawn)


@pytest.mark.parametrize("spacing", [(1, 1, 0.99), (3, 1, 1)])
def test_other_spacings_are_named(spacing: tuple[float, float, float], tmp_path: Path) -> None:
    """More than rounding; and by so much that the two would be cut across different axes."""
    root = tmp_path / "source"
    data_set(root, train=1, test=0)
    image, labels = case(0, (20, 20, 20))
    spaced(root / "imagesTr" / "case_000_0000.nii.gz", image, 1, 1, 1)
    spaced(root / "labelsTr" / "case_000.nii.gz", labels, *spacing)
    with pytest.raises(UserError, match=r"case_000_0000\.nii\.gz: is of axial slices with a spacing of 1 x 1 x 1; its"):
        run(root, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    header(80, "<fff", 0, 0, 0)(root / "labelsTr" / "case_000.nii.gz")  # says nothing: nothing is known to differ
    assert run(root, tmp_path / "mine").n == 20


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    truth = data_set(tmp_path / "source")
    run(tmp_path / "source", tmp_path / "mine")
    predicted = tmp_path / "predicted"
    for name, labels in truth.items():
        save(predicted / f"{name}.nii.gz", labels[..., :5])
    with pytest.raises(UserError, match=r"has 5 slices across its largest spacing; case 'case_004' has 6 labelled"):
        scored(tmp_path / "mine", predicted, tmp_path / "run")
    for name, labels in truth.items():
        save(predicted / f"{name}.nii.gz", labels[:-1])
    with pytest.raises(UserError, match=r"case_00\d"):
        scored(tmp_path / "mine", predicted, tmp_path / "run")
    (predicted / "case_004.nii.gz").unlink()
    with pytest.raises(UserError, match="6 of 12 samples have no prediction"):
        scored(tmp_path / "mine", predicted, tmp_path / "run")
    save(tmp_path / "source" / "labelsTr" / "case_001.nii.gz", case(1)[1] * 3)
    with pytest.raises(UserError, match=r"case_001\.nii\.gz: holds the label value 3, which dataset\.json does not"):
        run(tmp_path / "source", tmp_path / "again")
    save(tmp_path / "source" / "labelsTr" / "case_001.nii.gz", case(1)[1][1:])
    with pytest.raises(UserError, match=r"case_001_0000\.nii\.gz: is of 6 slices of 20 x 24; its labels"):
        run(tmp_path / "source", tmp_path / "again")
    (tmp_path / "source" / "dataset.json").write_text('{"labels": {"background": 0, "liver": "one"}}')
    with pytest.raises(UserError, match="expected a whole number"):
        run(tmp_path / "source", tmp_path / "again")
    assert not (tmp_path / "again").exists()
