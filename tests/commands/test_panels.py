"""`bench panels`: which samples it shows, in which colours, what it prints, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import evaluated, truth
from PIL import Image

import segbench
from commands import Run, printed_json
from own_folders import QUIET, THREE, write_folder
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.figures.lengths import inches
from segbench.figures.panel_sheet import PageWidth
from segbench.predictions.stored import MAX_SHOWN
from segbench.report.overlays import FALSE_NEGATIVE, FALSE_POSITIVE, FOREGROUND, hexadecimal
from segbench.runs.record import read_record
from segbench.types import Array, Uint8

pytestmark = pytest.mark.slow

WRONG = [0.05 * number for number in range(10)]
"""Part of the pixels of each sample that one run has wrong; the other has the same part wrong everywhere."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of binary masks with two runs that kept their predictions, and one of three classes."""
    base = tmp_path_factory.mktemp("panels")
    root = truth(base / "mine", 10)
    evaluated(root, base / "runs/uneven", WRONG, "uneven", save_predictions=True)
    evaluated(root, base / "runs/even", [0.1] * 10, "even", seed=1, save_predictions=True)
    three = write_folder(base / "three", ["a", "b"], THREE, (0, 1, 2, 255))
    _three_classes(three, base / "cells")
    return base


def _three_classes(root: Path, out: Path) -> None:
    """A run that takes every nucleus for a cell."""
    folder = out.parent / "predicted" / out.name
    folder.mkdir(parents=True)
    for mask in (root / "masks").glob("*.png"):
        labels = np.asarray(Image.open(mask))
        Image.fromarray(np.where(labels == 2, 1, np.where(labels == 255, 0, labels)).astype(np.uint8)).save(
            folder / mask.name
        )
    request = EvaluateRequest("folder", folder, "cells", "all", root, out=out, save_predictions=True, plots=False)
    evaluate_files(request, QUIET)


def _scores(base: Path, name: str) -> dict[str, float]:
    return dict(segbench.load_run(base / "runs" / name).per_sample("dice"))


def test_samples_are_those_of_the_rule(bench: Run, base: Path) -> None:
    uneven, even = (_scores(base, name) for name in ("uneven", "even"))
    mean = {sample: (uneven[sample] + even[sample]) / 2 for sample in sorted(uneven)}
    middle = float(np.median(list(mean.values())))
    by_hand = {
        "worst": sorted(mean, key=lambda s: mean[s])[:2],
        "best": sorted(mean, key=lambda s: -mean[s])[:2],
        "typical": sorted(mean, key=lambda s: abs(mean[s] - middle))[:2],
        "disagree": sorted(mean, key=lambda s: -abs(uneven[s] - even[s]))[:2],
        "spread": [min(mean, key=lambda s: mean[s]), max(mean, key=lambda s: mean[s])],
    }
    for rule, expected in by_hand.items():
        found = printed_json(_panels(bench, base, "--pick", rule, "--count", "2", "--json"))
        assert [sample["id"] for sample in found["samples"]] == expected, rule
        assert (found["rule"], found["candidates"], found["n"]) == (rule, 10, 10)
        chosen = "chosen by the runs' own scores" in " ".join(found["caption"])
        assert chosen == (rule in ("worst", "best", "disagree"))
    for sample in found["samples"]:
        assert sample["scores"] == [uneven[sample["id"]], even[sample["id"]]]
        assert sample["mean"] == pytest.approx(mean[sample["id"]])
    assert [run["label"] for run in found["runs"]] == ["uneven", "even"]


def _panels(bench: Run, base: Path, *words: str, out: str = "a.png") -> subprocess.CompletedProcess[str]:
    runs = (base / "runs/uneven", base / "runs/even")
    return bench("panels", *runs, "--out", out, "--dpi", "60", "--width", "9cm", *words)


def test_named_samples_and_a_folder_of_runs_from_the_best_on(bench: Run, base: Path, tmp_path: Path) -> None:
    done = bench("panels", base / "runs", "--samples", "s007,s002", "--samples", "s002", "--out", "a.svg", "--json")
    found = printed_json(done)
    assert [sample["id"] for sample in found["samples"]] == ["s007", "s002"]
    assert [run["label"] for run in found["runs"]] == ["even", "uneven"]
    assert "chosen by hand" in " ".join(found["caption"])
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("image", "truth", "even", "uneven", "s007", f"Dice {_scores(base, 'even')['s007']:.3f}"):
        assert f">{word}</text>" in text
    assert " ".join(found["caption"]) in text


def test_what_is_printed_is_the_caption_and_the_scores(bench: Run, base: Path) -> None:
    done = _panels(bench, base, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("folder (")
    assert "evenly from the worst to the best by the mean Dice" in lines[0]
    assert lines[2].split("  ")[0] == "sample"
    assert len(lines) == 7


def test_a_label_map_has_the_colours_of_the_classes_and_stripes_where_nothing_is_scored(
    bench: Run, base: Path, tmp_path: Path
) -> None:
    found = printed_json(
        bench("panels", base / "cells", "--out", "a.png", "--dpi", "80", "--width", "12cm", "--samples", "a", "--json")
    )
    with Image.open(tmp_path / "a.png") as file:
        sheet = np.asarray(file.convert("RGB"))
    page = PageWidth(inches("12cm"), 80, 3)
    labels = np.asarray(Image.open(base / "three/masks/a.png"))
    predicted = np.asarray(Image.open(base / "predicted/cells/a.png"))
    size = page.size(labels.shape)
    top = _top_of(sheet, page, predicted, size)
    for column, values in ((1, labels), (2, predicted)):
        shown = np.asarray(Image.fromarray(values.astype(np.uint8)).resize(size, Image.Resampling.NEAREST))
        left = column * (page.pane + page.gap)
        panel = sheet[top : top + size[1], left : left + size[0]]
        for label, color in ((0, (0, 0, 0)), (1, (255, 0, 0)), (2, (0, 0, 255))):
            assert (panel[shown == label] == color).all()
        assert {tuple(each) for each in panel[shown == 255].tolist()} <= {(255,) * 3, (120,) * 3}
    assert (labels == 255).any()
    assert [(each["name"], each["color"]) for each in found["legend"]] == [
        ("background", "#000000"),
        ("cell", "#ff0000"),
        ("nucleus", "#0000ff"),
        ("not scored", None),
    ]
    assert "Striped: not scored." in found["caption"]


def _top_of(sheet: Uint8, page: PageWidth, predicted: Array, size: tuple[int, int]) -> int:
    """Where the first row of panels begins, by the predicted map in the last column."""
    colors = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)
    small = Image.fromarray(predicted.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    expected, left = colors[np.asarray(small)], 2 * (page.pane + page.gap)
    tops = range(len(sheet) - size[1])
    (found,) = [y for y in tops if np.array_equal(sheet[y : y + size[1], left : left + size[0]], expected)]
    return found


def test_errors_are_shown_in_the_reports_colours(bench: Run, base: Path) -> None:
    found = printed_json(_panels(bench, base, "--errors", "--samples", "s009", "--json"))
    legend = {each["name"]: each["color"] for each in found["legend"]}
    assert legend == {
        "cell": hexadecimal(FOREGROUND),
        "false positive": hexadecimal(FALSE_POSITIVE),
        "false negative": hexadecimal(FALSE_NEGATIVE),
    }
    assert found["errors"]
    several = printed_json(
        bench("panels", base / "cells", "--errors", "--out", "b.png", "--samples", "a", "--dpi", "60", "--json")
    )
    assert "one class taken for another" in {each["name"] for each in several["legend"]}


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_is_the_same_bytes(bench: Run, base: Path, tmp_path: Path, kind: str) -> None:
    for name in ("one", "other"):
        assert _panels(bench, base, out=f"{name}/a.{kind}").returncode == 0
    one, other = (tmp_path / name / f"a.{kind}" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    assert [path.name for path in one.parent.iterdir()] == [f"a.{kind}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "a.jpg"), "ends in .pdf, .svg, .png"),
        (("--out", "a"), "ends in .pdf, .svg, .png"),
        (("--out", "a.png", "--samples", "s01"), "no such sample of folder, split all. Did you mean 's001'?"),
        (("--out", "a.png", "--samples", "s001", "--pick", "best"), "give one of them"),
        (("--out", "a.png", "--pick", "worse"), "worse"),
        (("--out", "a.png", "--width", "wide"), "is no length"),
        (("--out", "a.png", "--width", "3cm"), "at least 1 cm are needed"),
        (("--out", "a.png", "--width", "17km"), "is no length"),
        (("--out", "a.png", "--width", "900"), "is the unit right?"),
        (("--out", "a.png", "--dpi", "5"), "dpi"),
        (("--out", "a.png", "--root", "nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    bench: Run, base: Path, tmp_path: Path, words: Sequence[str], said: str
) -> None:
    done = bench("panels", base / "runs/even", base / "runs/uneven", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("a*"))


def test_runs_that_cannot_stand_together_are_named(bench: Run, base: Path, tmp_path: Path) -> None:
    done = bench("panels", base / "runs/even", base / "cells", "--out", "a.png")
    assert done.returncode == 2
    assert "were not scored on the same samples" in done.stderr
    assert "name runs of one dataset and split" in done.stderr
    ids = {name: read_record(base / name).run_id for name in ("runs/even", "runs/uneven", "cells")}
    done = bench("panels", base / "runs/even", base / "cells", base / "runs/uneven", "--out", "a.png")
    said = " ".join(done.stderr.split())
    assert f"Together are {ids['runs/even']}, {ids['runs/uneven']}; apart from them {ids['cells']}." in said
    done = bench("panels", base / "runs/even", "--pick", "disagree", "--out", "a.png")
    assert done.returncode == 2
    assert "there is one" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "no run folders below" in bench("panels", tmp_path / "empty", "--out", "a.png").stderr


def test_a_run_that_has_not_finished_is_left_out_by_name(bench: Run, base: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(base / "runs/uneven", tmp_path / "copy"))
    record = json.loads((copy / "record.json").read_text("utf-8"))
    record |= {"complete": False, "scores": {}, "run_id": "folder-uneven-00000000"}
    (copy / "record.json").write_text(json.dumps(record), "utf-8")
    done = bench("panels", base / "runs/even", copy, "--out", "a.png")
    assert done.returncode == 0, done.stderr
    assert f"not in the figure: '{copy}' has not finished. Finish it: bench evaluate" in " ".join(done.stderr.split())
    alone = bench("panels", copy, "--out", "b.png")
    assert (alone.returncode, (tmp_path / "b.png").exists()) == (2, False)
    assert "has not finished" in alone.stderr


def test_a_run_without_predictions_is_told_how_to_keep_them(bench: Run, base: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(base / "runs/even", tmp_path / "copy"))
    shutil.rmtree(copy / "predictions")
    done = bench("panels", base / "runs/uneven", copy, "--out", "a.png")
    # The copy is the same run as `even`, which is not named here.
    assert done.returncode == 2
    assert "keeps no predictions" in done.stderr
    assert "--save-predictions" in done.stderr


def test_of_runs_that_keep_a_few_samples_those_are_chosen_among(bench: Run, tmp_path: Path) -> None:
    root, out = truth(tmp_path / "many", 150), tmp_path / "runs/few"
    done = bench("run", "-d", "folder", "-m", "constant", "--root", root, "--split", "test", "--out", out, "--no-plots")
    assert done.returncode == 0, done.stderr
    n = segbench.load_run(out).record.dataset.n
    found = printed_json(bench("panels", tmp_path / "runs/few", "--out", "a.png", "--dpi", "50", "--json"))
    assert found["candidates"] == MAX_SHOWN
    assert f"Chosen among {MAX_SHOWN} of {n} samples" in " ".join(found["caption"])
    kept = {path.stem for path in (out / "shown").iterdir()}
    missing = next(i for i in segbench.load_run(out).per_sample("dice").index if i not in kept)
    done = bench("panels", out, "--out", "a.png", "--samples", missing)
    assert done.returncode == 2
    assert f"keeps no prediction of {missing}, only of" in done.stderr


def test_images_that_are_elsewhere_or_nowhere(bench: Run, tmp_path: Path) -> None:
    root = truth(tmp_path / "here", 4)
    evaluated(root, tmp_path / "runs/one", [0.1] * 4, "one", save_predictions=True)
    (tmp_path / "there").mkdir()
    moved = root.rename(tmp_path / "there/here")
    words = ("panels", tmp_path / "runs/one", "--out", "a.png", "--dpi", "50")
    done = bench(*words)
    assert done.returncode == 2
    assert "the images of folder are not found" in done.stderr
    assert "--root" in done.stderr
    assert bench(*words, "--root", moved).returncode == 0
    other = truth(tmp_path / "renamed", 4)
    done = bench(*words, "--root", other)
    assert done.returncode == 2
    assert "is not that of" in done.stderr
    assert "renamed" in done.stderr
    shutil.rmtree(moved / "images")
    done = bench(*words, "--root", moved)
    assert done.returncode == 2
    assert "say with --root where" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_few_samples_and_a_tall_sheet_are_told(bench: Run, base: Path) -> None:
    done = bench("panels", base / "cells", "--out", "a.png", "--dpi", "50", "--count", "5")
    assert "--count 5: there are only 2 samples to choose from" in done.stderr
    done = bench("panels", base / "runs/even", "--out", "a.png", "--dpi", "50", "--count", "9", "--width", "30cm")
    assert "more than a page holds" in done.stderr


def test_slices_of_a_stack_and_a_split_without_public_labels(bench: Run, stacks: Path, tmp_path: Path) -> None:
    run = ("run", "-d", "isbi2012", "-m", "constant", "--root", stacks, "--no-plots")
    assert bench(*run, "--out", "labelled").returncode == 0
    found = printed_json(bench("panels", "labelled", "--out", "a.png", "--dpi", "60", "--count", "2", "--json"))
    assert (found["truth"], found["title"], len(found["samples"])) == (True, "V_Rand", 2)
    assert bench(*run, "--split", "challenge", "--out", "hidden").returncode == 0
    done = bench("panels", "hidden", "--out", "b.svg", "--dpi", "60", "--count", "3")
    assert done.returncode == 0, done.stderr
    assert "no truth is shown, and no score" in done.stdout
    text = (tmp_path / "b.svg").read_text(encoding="utf-8")
    assert ">image</text>" in text
    assert ">truth</text>" not in text
    done = bench("panels", "hidden", "--out", "b.svg", "--pick", "worst")
    assert done.returncode == 2
    assert "labels of split challenge are not public" in done.stderr


def test_synthetic_data_is_called_so_in_the_figure(bench: Run, hearts: Path, tmp_path: Path) -> None:
    from segbench.data.locations import MARKER

    (hearts / MARKER).write_text("{}")
    words = ("run", "-d", "medaka", "-m", "constant", "--root", hearts, "--no-plots", "--set", "view=lateral")
    assert bench(*words, "--out", "run").returncode == 0
    found = printed_json(bench("panels", "run", "--out", "a.svg", "--dpi", "60", "--json"))
    assert found["caption"][0].startswith("SYNTHETIC DATA")
    assert "SYNTHETIC data, made by a program" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_python_makes_what_the_command_makes(bench: Run, base: Path, tmp_path: Path) -> None:
    runs = [segbench.load_run(base / "runs" / name) for name in ("uneven", "even")]
    found = segbench.panels(runs, out=tmp_path / "a.png", width="9cm", dpi=60, count=2, progress=False)
    typed = printed_json(_panels(bench, base, "--count", "2", "--json", out=str(tmp_path / "b.png")))
    assert json.loads(found.to_json()) | {"file": ""} == typed | {"file": ""}
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert "Dice of uneven" in found._repr_html_()
    with pytest.raises(segbench.UserError, match="no run is given"):
        segbench.panels(out="a.png")
    with pytest.raises(segbench.UserError, match="Did you mean 'worst'"):
        segbench.panels(runs, out=tmp_path / "a.png", pick="wors")  # type: ignore[arg-type]
    made = segbench.table(base / "runs", scores="dice", format="csv", progress=False)
    assert made.text == bench("table", base / "runs", "--metric", "dice", "--format", "csv").stdout
    assert json.loads(made.to_json()) == printed_json(bench("table", base / "runs", "--metric", "dice", "--json"))
    assert made._repr_markdown_().startswith("folder (")
