"""`bench slice`: parts of the samples from stored statistics, tables, labels and images."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth
from PIL import Image

from commands import Run, printed_json
from own_folders import QUIET
from segbench.boards.slice_document import Sliced
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.plan import plan
from segbench.commands.slice import slice_by_all, slice_runs
from segbench.data.locations import MARKER
from segbench.data.sample_attributes import ATTRIBUTES
from segbench.datasets.voc2012 import VOC2012
from segbench.errors import UserError
from segbench.runs.stored_requests import PlanRequest, SliceRequest
from segbench.text import p_value
from segbench.types import Sample
from synthetic_roots import write_stacks

COUNT = 24


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the truth, `table.csv`, and two runs; the first is bad where the stain is PAS."""
    base = tmp_path_factory.mktemp("slices")
    root = truth(base / "mine", COUNT)
    evaluated(root, base / "one/run", [0.05 + 0.3 * (n % 4 == 1) + 0.01 * (n % 3) for n in range(COUNT)], "one")
    evaluated(root, base / "two/run", [0.1] * COUNT, "two", seed=1)
    with (base / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "file", "stain"])
        for n in range(COUNT + 3):
            writer.writerow([n * 1.5 if n else "", f"masks/s{n:03d}.png", ("HE", "PAS", "DAPI", "")[n % 4]])
    return base


def _slice(runs: Path, *by: str, both: bool = False, **more: object) -> Sliced:
    folders = (runs / "one/run", *([runs / "two/run"] if both else []))
    request = SliceRequest(folders, tuple(each.replace("table", str(runs / "table")) for each in by), **more)  # type: ignore[arg-type]
    return slice_runs(request, QUIET)


def test_the_worst_slice_of_a_table_stands_first_and_is_more_than_chance(runs: Path) -> None:
    found = _slice(runs, "table.csv:stain")
    assert found.slices[0].slice == "PAS"
    assert {row.slice: row.n for row in found.slices} == {"HE": 6, "PAS": 6, "DAPI": 6, "no value": 6}
    worst = found.slices[0].scores[0]
    assert worst.significant
    assert worst.gap is not None
    assert worst.gap < -0.2
    assert "stain PAS" in found.answer
    smallest = min(one.p_adjusted for row in found.slices for one in row.scores if one.p_adjusted is not None)
    assert f"(p {'' if smallest < 0.001 else '= '}{p_value(smallest)} of " in found.answer
    values = [row.scores[0].value or 0 for row in found.slices]
    assert values == sorted(values)
    missing = next(row for row in found.slices if row.slice == "no value")
    assert missing.scores[0].p is None
    assert any("3 rows of other samples" in note for note in found.notes)


def test_numbers_are_cut_into_parts_that_are_told(runs: Path) -> None:
    found = _slice(runs, "table.csv:age", bins=3)
    bounds = {row.slice: (row.least, row.greatest, row.n) for row in found.slices}
    assert bounds["1.5 to 12"] == (1.5, 12, 8)
    assert bounds["no value"] == (None, None, 1)
    assert any("cut at quantiles into 3 parts" in note for note in found.notes)
    assert not any(one.significant for row in found.slices for one in row.scores)
    assert found.answer.startswith("No part is worse")


@pytest.mark.slow
def test_two_runs_stand_side_by_side_by_all_properties(runs: Path) -> None:
    found = _slice(runs, "table.csv:stain", *ATTRIBUTES, both=True, root=runs / "mine")
    assert found.by == ["stain", *ATTRIBUTES]
    assert [run.label for run in found.runs] == ["one", "two"]
    for by in ("size", "brightness", "blur", "position"):
        assert sum(row.n for row in found.slices if row.by == by) == COUNT
    worst = next(row for row in found.slices if row.slice == "PAS")
    assert [one.significant for one in worst.scores] == [True, False]
    assert "of one" in found.answer


def test_data_is_found_where_the_run_found_it(runs: Path) -> None:
    assert _slice(runs, "size").slices == _slice(runs, "size", root=runs / "mine").slices
    with pytest.raises(UserError, match=r"'.*nothing' does not exist"):
        _slice(runs, "brightness", root=runs / "nothing")


def test_attributes_by_hand() -> None:
    image = np.full((30, 60, 3), 51, np.uint8)
    labels = np.zeros((30, 60), np.uint8)
    labels[2:6, 2:7] = 3  # 20 pixels
    labels[20:29, 45:55] = 7  # 90 pixels, bottom right
    labels[10:12, 30:34] = 3
    labels[12, 34] = 3  # touches at a corner: 9 pixels together
    labels[29, 0] = 255
    sample = Sample("a", "g", 0, image=image, labels=labels)
    values = {name: each.of(sample, VOC2012.info) for name, each in ATTRIBUTES.items()}
    assert values == {"size": 20.0, "position": "bottom right", "brightness": 0.2, "blur": 0.0}
    empty = Sample("a", "g", 0, labels=np.zeros((30, 60), np.uint8))
    assert [each.of(empty, VOC2012.info) for each in ATTRIBUTES.values()] == [None] * 4
    noise = np.random.default_rng(0).integers(0, 256, (30, 60), np.uint8)
    sharp = ATTRIBUTES["blur"].of(Sample("a", "g", 0, image=noise), VOC2012.info)
    smooth = ATTRIBUTES["blur"].of(Sample("a", "g", 0, image=noise // 4), VOC2012.info)
    assert float(sharp or 0) > 10 * float(smooth or 0) > 0


def test_classes_are_slices_of_the_samples_that_hold_them(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    (root / "masks").mkdir(parents=True)
    (root / "classes.yaml").write_text("classes: {0: ground, 1: tree, 2: car}\n")
    (tmp_path / "found").mkdir()
    random = np.random.default_rng(0)
    for n in range(12):
        labels = np.zeros((20, 20), np.uint8)
        labels[:6] = 1 + (n % 3 == 0)
        Image.fromarray(labels).save(root / "masks" / f"s{n:02d}.png")
        Image.fromarray(np.where(random.random(labels.shape) < 0.2, 0, labels)).save(
            tmp_path / "found" / f"s{n:02d}.png"
        )
    request = EvaluateRequest("folder", tmp_path / "found", root=root, out=tmp_path / "run", split="all", plots=False)
    evaluate_files(request, QUIET)
    found = slice_runs(SliceRequest((tmp_path / "run",), ("class",)), QUIET)
    assert {row.slice: row.n for row in found.slices} == {"tree": 8, "car": 4}
    assert {row.few for row in found.slices if row.slice == "car"} == {True}
    assert "class: all samples hold ground, so no parts can be made by that" in found.notes


def test_classes_without_a_name_are_not_called_class_twice(tmp_path: Path) -> None:
    """`bench data describe folder --write` calls them `class 1`, `class 2` and so on."""
    root = tmp_path / "mine"
    for folder in (root / "masks", tmp_path / "usual", tmp_path / "stray"):
        folder.mkdir(parents=True)
    (root / "classes.yaml").write_text("classes: {0: background, 1: class 1, 2: class 2, 3: class 3}\n")
    random = np.random.default_rng(0)
    for n in range(16):
        labels = np.zeros((20, 20), np.uint8)
        labels[:6], labels[6:9] = n % 2, 2 * (n % 4 < 2)
        Image.fromarray(labels).save(root / "masks" / f"s{n:02d}.png")
        labels = np.where(random.random(labels.shape) < (0.4 if n % 2 else 0.02), 0, labels).astype(np.uint8)
        for name, label in (("usual", 2), ("stray", 3)):
            labels[19, 19] = label
            Image.fromarray(labels).save(tmp_path / name / f"s{n:02d}.png")
    said = []
    for name in ("usual", "stray"):
        run = tmp_path / "runs" / name
        request = EvaluateRequest("folder", tmp_path / name, root=root, out=run, split="all", plots=False)
        said += evaluate_files(request, QUIET)[1].warnings
        found = slice_runs(SliceRequest((run,), ("class",)), QUIET)
        said += [found.answer, *found.notes, *plan(PlanRequest((run,)), QUIET).notes]
    text = " ".join(said)
    assert "'class 3' is in no true mask of this split" in text
    assert "class 3 is in no true mask here" in text
    assert "class 2: the gap is not tested" in text
    assert "more than chance: class 1, " in text
    assert "class class" not in text.replace("'", "")


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ((), "--by is missing"),
        (("brightnes",), "Did you mean 'brightness'"),
        (("table.csv:stian",), "Did you mean 'stain'"),
        (("nowhere.csv:stain",), "cannot be read"),
        (("class",), "every sample"),
    ],
)
def test_what_cannot_be_used_is_named(by: tuple[str, ...], words: str, runs: Path) -> None:
    with pytest.raises(UserError) as caught:
        _slice(runs, *by)
    assert words in str(caught.value)


def test_without_by_every_property_that_there_is_has_a_table(bench: Run, runs: Path) -> None:
    found = slice_by_all(SliceRequest((runs / "one/run", runs / "two/run")), QUIET)
    assert [table.by for table in found.tables] == [["size"], ["position"], ["brightness"], ["blur"]]
    assert found.tables[0] == _slice(runs, "size", both=True)
    assert list(found.left_out) == ["class", "group"]
    assert "holds the same classes" in found.left_out["class"]
    assert found.left_out["group"] == "every sample stands alone"
    worse = [one for table in found.tables for row in table.slices for one in row.scores if (one.gap or 0) < 0]
    smallest = min(one.p_adjusted for one in worse if one.p_adjusted is not None)
    assert f"(p = {p_value(4 * smallest)} of 4 properties together)" in found.answer
    words = ("slice", str(runs / "one/run"), str(runs / "two/run"))
    assert printed_json(bench(*words, "--json")) == found.model_dump(mode="json")
    said = bench(*words).stdout
    assert [said.count(f"\nby {by}\n") for by in ATTRIBUTES] == [1] * len(ATTRIBUTES)
    assert "left out: group: every sample stands alone" in said


def test_all_properties_are_considered_together(tmp_path: Path) -> None:
    """Where the labels alone tell that dark images are scored worse, their p is that of all tables."""
    root = truth(tmp_path / "mine", COUNT)
    (root / "images").mkdir(exist_ok=True)
    for n in range(COUNT):
        shade = np.full((24, 32), 30 if n % 4 == 1 else 200 - n, np.uint8)
        Image.fromarray(shade).save(root / "images" / f"s{n:03d}.png")
    run = evaluated(root, tmp_path / "one/run", [0.05 + 0.3 * (n % 4 == 1) + 0.01 * (n % 3) for n in range(COUNT)])
    found = slice_by_all(SliceRequest((run,)), QUIET)
    assert found.answer.startswith("Worse than the other samples by more than chance: brightness ")
    assert f"of {len(found.tables)} properties together" in found.answer
    with pytest.raises(UserError, match="does not exist"):
        slice_by_all(SliceRequest((run,), root=tmp_path / "nothing"), QUIET)


def test_a_table_with_two_values_of_a_sample_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;x\ns000;1\ns001;2\ns000;3\n")
    with pytest.raises(UserError, match=r"t\.csv, line 4: sample 's000' has another 'x'"):
        slice_runs(SliceRequest((runs / "one/run",), (f"{tmp_path / 't.csv'}:x",)), QUIET)
    (tmp_path / "u.csv").write_text("id,x\na,1\n")
    with pytest.raises(UserError, match="names no sample of the run"):
        slice_runs(SliceRequest((runs / "one/run",), (f"{tmp_path / 'u.csv'}:x",)), QUIET)


@pytest.mark.slow
def test_the_command_prints_and_gives_json(bench: Run, runs: Path) -> None:
    words = ("slice", str(runs / "one/run"), str(runs / "two/run"), "--by", f"{runs / 'table.csv'}:stain")
    printed = bench(*words)
    assert printed.returncode == 0, printed.stderr
    assert "adjusted" in printed.stdout
    # A row for each run, whole in a terminal of 80 columns.
    rows = [line.split() for line in printed.stdout.splitlines()]
    place = next(n for n, row in enumerate(rows) if row[:2] == ["PAS", "6"])
    assert [rows[place][2], rows[place + 1][0]] == ["1", "2"]
    assert [rows[place][5], rows[place + 1][3]] == ["to", "to"]
    document = printed_json(bench(*words, "--json"))
    assert document["slices"][0]["slice"] == "PAS"
    assert (document["permuted"], document["permuted_by"]) == ("samples", {"stain": "samples"})


def test_synthetic_data_are_told_of_once(bench: Run, tmp_path: Path) -> None:
    write_stacks(tmp_path / "stacks")
    (tmp_path / "stacks" / MARKER).write_text("{}")
    run = bench("run", "-d", "isbi2012", "-m", "threshold", "--root", "stacks", "--no-plots", "--out", "run", "--set",
                "max_images=1 kind=[otsu] channel=[grey] sigma=[0.0]")  # fmt: skip
    assert run.returncode == 0, run.stderr
    done = bench("slice", "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nby ") > 1
    assert (done.stderr.count("synthetic data: "), done.stderr.count("SYNTHETIC data")) == (1, 1)


@pytest.mark.parametrize("bus", [False, True])
def test_a_gap_that_an_absent_class_makes_is_not_tested(bus: bool, tmp_path: Path) -> None:
    """Where no mask holds a car, a few pixels that are called one count 0 for the whole class.

    A bus is in no mask at all, which is no property of a slice, and hides no car.
    """
    root, found = tmp_path / "mine", tmp_path / "found"
    (root / "masks").mkdir(parents=True)
    (root / "classes.yaml").write_text("classes: {0: ground, 1: tree, 2: car, 3: bus}\n")
    found.mkdir()
    random = np.random.default_rng(0)
    rows = ["id,car,half"]
    for n in range(16):
        labels = np.zeros((20, 20), np.uint8)
        labels[:6] = 1
        labels[10:14, :8] = 2 * (n % 2)
        Image.fromarray(labels).save(root / "masks" / f"s{n:02d}.png")
        seen = np.where(random.random(labels.shape) < 0.2, 0, labels).astype(np.uint8)
        seen[19, 19] = 2
        seen[19, 0] = 3 * bus
        Image.fromarray(seen).save(found / f"s{n:02d}.png")
        rows.append(f"s{n:02d},{'with' if n % 2 else 'without'},{'first' if n < 8 else 'second'}")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    request = EvaluateRequest("folder", found, root=root, out=tmp_path / "run", split="all", plots=False)
    evaluate_files(request, QUIET)
    by = tuple(f"{tmp_path / 't.csv'}:{column}" for column in ("car", "half"))
    sliced = slice_runs(SliceRequest((tmp_path / "run",), by), QUIET)
    p = {row.slice: row.scores[0].p for row in sliced.slices}
    assert p["with"] is None
    assert p["without"] is None
    assert p["first"] is not None
    assert p["second"] is not None
    assert sum("not tested" in note and "'car' (8 pixels)" in note for note in sliced.notes) == 2
    assert "of 2 parts together" in sliced.answer


@pytest.mark.parametrize(("count", "said"), [(6, "Too few samples"), (24, "No part is worse")])
def test_so_few_samples_that_no_part_can_be_worse_are_said_to_be_too_few(tmp_path: Path, count: int, said: str) -> None:
    """Two of six samples lie in 15 ways, so that p is at least 1/15 however bad they are."""
    evaluated(truth(tmp_path / "mine", count), tmp_path / "runs/one", [0.1] * count, "one")
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "stain"])
        writer.writerows([f"masks/s{n:03d}.png", "ABC"[3 * n // count]] for n in range(count))
    found = slice_runs(SliceRequest((tmp_path / "runs/one",), (f"{tmp_path / 'table.csv'}:stain",)), QUIET)
    assert found.answer.startswith(said)
    assert ("(p is at least 0.067)" in found.answer) == (count == 6)
    assert found.smallest_p == pytest.approx(1 / 15 if count == 6 else 1 / 2001)
