"""What the terminal shows: tables that keep names whole, paths to copy, numbers with their nouns, friendly refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from places import ROOT
from segbench.data.listing import refuse
from segbench.errors import UserError
from segbench.io.images.read import binary_mask, read_array
from segbench.predictions.matching import extra_warnings, refuse_duplicates, refuse_missing
from segbench.registry import datasets, make_dataset, metrics
from segbench.text import counted
from tiny_roots import MAKERS


@pytest.mark.parametrize("columns", ["80", "120"])
def test_lists_keep_names_whole(bench: Run, columns: str) -> None:
    for what in ("datasets", "methods", "metrics"):
        done = bench("list", what, COLUMNS=columns)
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= int(columns)
        words = {word.strip(",") for line in lines for word in line.split()}
        assert {entry["name"] for entry in printed_json(bench("list", what, "--json"))} <= words
        if what == "metrics":
            assert {score.name for metric in metrics().values() for score in metric.scores} <= words


@pytest.mark.parametrize("name", sorted(datasets()))
def test_addresses_and_paths_stay_in_one_line(bench: Run, name: str, tmp_path: Path) -> None:
    done = bench("data", "describe", name, COLUMNS="80")
    info = datasets()[name].info
    assert all(f"  {file.url}" in done.stdout.splitlines() for file in info.downloads)
    assert ("kind" in done.stdout.split()) == bool(info.classes)
    root = tmp_path / "a long name of a folder" / ("x" * 60)
    root.mkdir(parents=True)
    shown = bench("data", "status", name, "--root", root, COLUMNS="80").stdout
    assert str(root) in shown
    assert str(tmp_path / "data" / name) in shown


def test_one_sample_is_no_samples(bench: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "masks").mkdir(parents=True)
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(mine / "masks" / "a.png")
    assert bench("data", "describe", "folder", "--root", mine, "--write").returncode == 0
    found = bench("data", "verify", "folder", "--root", mine).stdout
    assert ": 1 labelled sample; 1 sample read\n" in found
    again = bench("data", "verify", "folder", "--root", mine).stdout
    assert "; 0 samples read, 1 unchanged since" in again
    scored = bench("evaluate", "-d", "folder", "--root", mine, "--split", "all", "-p", mine / "masks")
    assert "split all, 1 sample\n" in scored.stdout
    looked = bench("doctor", "-d", "folder", "--root", mine, "--split", "all", "-p", mine / "masks")
    assert "1 file for 1 sample; dice 1.0000 on 1 sample\n" in looked.stdout


def test_sentences_count_their_faults(tmp_path: Path) -> None:
    assert [counted(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    tiny = MAKERS["voc2012"](tmp_path / "my root")
    with pytest.raises(
        UserError, match=r"^a\. There is 1 more fault\. Run 'bench data verify voc2012 --root"
    ) as refused:
        refuse(["a", "b"], make_dataset("voc2012", tiny.root))
    assert f"--root '{tiny.root}/VOCdevkit/VOC2012'" in str(refused.value)
    with pytest.raises(UserError, match=r"^1 sample has more than one"):
        refuse_duplicates({"a": [tmp_path / "a.png", tmp_path / "a.tif"], "b": [tmp_path / "b.png"]}, tmp_path)
    with pytest.raises(UserError, match=r" 1 file belongs to no sample: c\.png\."):
        refuse_missing(["a"], [], tmp_path, ["c.png"], partial=False)
    assert extra_warnings(["c", "d"]) == (
        "2 files belong to no sample of the split and took no part in the scores: c, d",
    )
    with pytest.raises(UserError, match=r"holds 1 different value \(213\)"):
        binary_mask(np.full((2, 2), 213, np.uint8), "a.png")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_what_is_no_file_is_not_called_an_empty_one(tmp_path: Path, suffix: str) -> None:
    folder, loop, lost, empty = (tmp_path / f"{name}{suffix}" for name in ("folder", "loop", "lost", "empty"))
    folder.mkdir()
    loop.symlink_to(loop)
    lost.symlink_to(tmp_path / "nowhere")
    empty.touch()
    for path, said in ((folder, "is a folder"), (loop, "leads to no file"), (empty, "is empty")):
        with pytest.raises(UserError, match=f"{path.name}: {said}|{path.name}: is a link that {said}"):
            read_array(path)
    with pytest.raises(UserError, match="no such file"):
        read_array(lost)


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused(bench: Run, stacks: Path, name: str) -> None:
    given = ("--root", stacks, "-p", stacks / "train-labels.tif", "--split", "all")
    done = bench("evaluate", "-d", "isbi2012", *given, "--name", name)
    assert (done.returncode, "--name is empty" in done.stderr) == (2, True)


def test_a_plugin_that_promises_a_generator_it_lacks(bench: Run, tmp_path: Path) -> None:
    (tmp_path / "own" / "datasets").mkdir(parents=True)
    shipped = (ROOT / "datasets" / "isbi2012.py").read_text()
    mine = shipped.replace('name="isbi2012"', 'name="mine"').replace('aliases=("isbi",)', "aliases=()")
    (tmp_path / "own" / "datasets" / "mine.py").write_text(mine)
    done = bench("data", "synthesize", "mine", SEGBENCH_PLUGINS=str(tmp_path / "own"))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "there is no segbench.synthetic.mine" in done.stderr


def test_what_was_verified_is_kept_where_the_user_says(bench: Run, tmp_path: Path) -> None:
    tiny = MAKERS["voc2012"](tmp_path / "root")
    verify = ("data", "verify", "voc2012", "--root", tiny.root, "--json")
    kept = [_checked(bench, *verify, SEGBENCH_CACHE=str(tmp_path / "kept"))["cached"] for _ in range(2)]
    assert kept == [0, 4]
    assert list((tmp_path / "kept" / "verified").iterdir())
    shutil.rmtree(tmp_path / "kept")
    assert _checked(bench, *verify, SEGBENCH_CACHE=str(tmp_path / "kept"))["cached"] == 0


def _checked(bench: Run, *arguments: str | Path, **environment: str) -> dict[str, Any]:
    """What a check prints that ends with 1, as a tiny root has not the official numbers."""
    found: dict[str, Any] = json.loads(bench(*arguments, **environment).stdout)
    return found
