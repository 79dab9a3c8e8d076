"""Data that leaves nothing to score or to learn is named by every command that would use it, before the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from own_folders import QUIET
from segbench.commands.data import verify
from segbench.commands.doctor import DoctorRequest, diagnose
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.run import RunRequest, run
from segbench.data.index import DataIndex
from segbench.data.what_is_left import left_to_learn, left_to_score
from segbench.io.reporter import Reporter
from segbench.registry import dataset_class, make_dataset
from segbench.types import UserError

BINARY = "task: binary\nclasses: {0: background, 1: cell}\n"
IGNORED = f"{BINARY}ignore: 255\n"
THREE = "classes: {0: background, 1: cell, 2: nucleus}\nignore: 255\n"
SWALLOWED = "holds 'background' alone, and 255, which does not count: the ignored value is the only foreground there is"


def write(root: Path, classes: str, **splits: Sequence[tuple[int, ...]]) -> Path:
    """Masks of stripes of these values, of each split a list, with images that show them."""
    (root / "classes.yaml").parent.mkdir(parents=True, exist_ok=True)
    (root / "classes.yaml").write_text(classes)
    for split, masks in splits.items():
        for number, values in enumerate(masks):
            mask = np.repeat(np.array(values, np.uint8), 4)[:, None] * np.ones((1, 20), np.uint8)
            image = np.random.default_rng([number, len(split)]).integers(0, 40, mask.shape) + (mask > 0) * 120
            for folder, pixels in (("masks", mask), ("images", image.astype(np.uint8))):
                path = root / folder / split / f"{split}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "out"


def refusals(root: Path, out: Path) -> dict[str, str]:
    """What each command says of the truth of a folder, where it refuses it or finds it at fault."""
    found = {}
    masks = root / "masks"
    for _ in range(2):  # the second time nothing is decoded again
        report = verify("folder", root, QUIET)
        found["verify"] = "\n".join(report.faults)
    try:
        run(RunRequest("folder", "constant", root=root, out=out / "run", plots=False), QUIET)
    except UserError as error:
        found["run"] = str(error)
    try:
        evaluate_files(EvaluateRequest("folder", masks, root=root, out=out / "evaluate", plots=False), QUIET)
    except UserError as error:
        found["evaluate"] = str(error)
    assert not (out / "evaluate" / "record.json").exists() or "evaluate" not in found
    diagnosis = diagnose(DoctorRequest("folder", masks, root=root), QUIET)
    found["doctor"] = "\n".join(each.summary for each in diagnosis.findings if each.kind == "nothing_left")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "values", "words"),
    [
        (IGNORED, (0, 255, 0), SWALLOWED),
        (THREE, (0, 255, 0), SWALLOWED),
        (IGNORED, (255, 255), "holds nothing but void (255): no pixel is left to score"),
        (THREE, (255, 255), "holds nothing but void (255): no pixel is left to score"),
        (BINARY, (0, 0), "holds 'background' alone: without a pixel of 'cell' no score is defined"),
    ],
)
def test_a_truth_without_a_score_is_refused_by_name(
    classes: str, values: tuple[int, ...], words: str, tmp_path: Path, out: Path
) -> None:
    masks = [values] * 6
    found = refusals(write(tmp_path / "mine", classes, train=masks, test=masks), out)
    assert found.keys() == {"verify", "run", "evaluate", "doctor"}
    assert all(words in text for text in found.values()), found


def test_one_split_without_foreground_is_that_splits_fault(tmp_path: Path) -> None:
    whole, bare = [(0, 1)] * 6, [(0, 0)] * 6
    root = write(tmp_path / "mine", BINARY, train=whole, val=bare, test=whole)
    found = verify("folder", root, QUIET, cache=False)
    assert found.faults == []
    assert any("split 'val' holds 'background' alone" in warning for warning in found.warnings)
    found = verify("folder", write(tmp_path / "other", BINARY, train=whole, test=bare), QUIET, cache=False)
    assert any("split 'test' holds 'background' alone" in fault for fault in found.faults)


@pytest.mark.slow
def test_a_training_split_of_nothing_but_void_is_refused(tmp_path: Path, out: Path) -> None:
    root = write(tmp_path / "mine", THREE, train=[(255, 255)] * 6, test=[(0, 1, 2)] * 6)
    words = "holds nothing but void (255): nothing can be learned from it"
    assert any(f"split 'train' {words}" in fault for fault in verify("folder", root, QUIET).faults)
    with pytest.raises(UserError) as caught:
        run(RunRequest("folder", "constant", root=root, out=out, plots=False), QUIET)
    assert f"the training set {words}" in str(caught.value)
    assert not out.exists()
    reporter = Reporter(quiet=True)
    diagnose(DoctorRequest("folder", root / "masks", root=root), reporter)
    assert any(f"split 'train' {words}" in warning for warning in reporter.warnings)
    evaluate_files(EvaluateRequest("folder", root / "masks", root=root, out=out, plots=False), QUIET)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "train", "test", "words"),
    [
        (THREE, (0, 1), (0, 1, 2), "holds no pixel of 'nucleus'; scored samples hold 'nucleus'"),
        (THREE, (0, 2), (0, 2), "holds no pixel of 'cell'"),
        (THREE, (0, 0), (0, 1), "holds 'background' alone: no other class can be learned from it"),
        (BINARY, (0, 0), (0, 1), "holds no pixel of 'cell'; scored samples hold 'cell'"),
        (BINARY, (1, 1), (1, 1), "holds 'cell' alone: a prediction that says so everywhere is perfect"),
        (THREE, (2, 2), (2, 2), "holds 'nucleus' alone: a prediction that says so everywhere is perfect"),
    ],
)
def test_what_has_a_score_that_says_little_is_warned_of(
    classes: str, train: tuple[int, ...], test: tuple[int, ...], words: str, tmp_path: Path, bench: Run
) -> None:
    root = write(tmp_path / "mine", classes, train=[train] * 6, test=[test] * 6)
    found = verify("folder", root, QUIET, cache=False)
    assert found.faults == []
    assert any(words in warning for warning in found.warnings), found.warnings
    command = [
        "run",
        "-d",
        "folder",
        "-m",
        "constant",
        "--root",
        root,
        "--out",
        tmp_path / "run",
        "--no-plots",
        "--json",
    ]
    assert any(words in warning for warning in printed_json(bench(*map(str, command)))["warnings"])
    done = bench("doctor", "-d", "folder", "--root", str(root), "-p", str(root / "masks"))
    assert words in f"{done.stdout} {done.stderr}".replace("\n", " ")


@pytest.mark.usefixtures("out")
def test_a_sound_set_is_not_spoken_of(tmp_path: Path) -> None:
    masks = [(0, 1, 255), (2, 0), (0, 0), (1, 1), (0, 255), (2, 1)]
    root = write(tmp_path / "mine", THREE, train=masks, test=masks[::-1])
    found = verify("folder", root, QUIET, cache=False)
    assert not any(" holds " in text for text in (*found.faults, *found.warnings))
    dataset = make_dataset("folder", root)
    for _ in range(2):  # decoded, then recalled
        with DataIndex.of(dataset) as index:
            assert index.faults(dataset.ids("all"), ("labels",)) == []
            counts: Any = index.label_counts(["train__train0", "nobody"])
            assert counts == {"train__train0": {0: 80, 1: 80, 255: 80}}


def test_what_is_asked_of_classes_that_have_no_background() -> None:
    info = dataset_class("cityscapes").info
    road, car, void = 7, 26, 0
    assert left_to_score(info, "it", []).refusal == ""
    assert "'road' alone" in left_to_score(info, "it", [{road: 5, void: 3}]).warnings[0]
    assert "nothing but void (0)" in left_to_score(info, "it", [{void: 3}, {void: 1}]).refusal
    missing = left_to_learn(info, "it", [{road: 5, 8: 2}], [{car: 1}], few=True)
    assert missing.warnings == ("it holds no pixel of 'car'; scored samples hold 'car'",)
    assert "and 12 more" in left_to_learn(info, "it", [{road: 5, 8: 2}], [{car: 1}]).warnings[0]
    one = replace(info, classes=info.classes[:1])
    assert left_to_score(one, "it", [{road: 5}]).warnings == ()
