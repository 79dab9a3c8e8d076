"""bench show: the steps of classical methods as pictures, from a drawn image whose steps are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run
from own_folders import write_folder
from segbench.methods.classical.working_image import WorkingImage
from segbench.registry import make_method

COLORS = ((200, 30, 30), (30, 160, 40), (20, 20, 120))


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Three flat colours side by side, 40 x 60."""
    values = np.repeat(np.array(COLORS, np.uint8), 20, axis=0)[None].repeat(40, axis=0)
    Image.fromarray(values).save(tmp_path / "flags.png")
    return tmp_path / "flags.png"


def _colours(path: Path) -> set[tuple[int, ...]]:
    return set(map(tuple, np.asarray(Image.open(path)).reshape(-1, 3).tolist()))


def test_clusters_are_painted_in_their_mean_colours(bench: Run, drawn: Path, tmp_path: Path) -> None:
    done = bench("show", "kmeans", drawn, "--set", "k=3", "--set", "space=rgb", "--out", tmp_path / "seen", "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["settings"]["k"] == 3
    pictures = {step["what"]: Path(step["picture"]) for step in shown["steps"]}
    assert _colours(pictures["image"]) == set(COLORS)
    two = bench("show", "kmeans", drawn, "--set", "k=2", "--set", "space=rgb", "--out", tmp_path / "seen", "--json")
    (clusters,) = [step["picture"] for step in json.loads(two.stdout)["steps"] if step["what"].startswith("clusters")]
    assert len(_colours(Path(clusters))) == 2
    named = {path.name for path in (tmp_path / "seen").iterdir()}
    listed = {Path(step["picture"]).name for step in json.loads(two.stdout)["steps"]}
    assert named == listed | {"steps.png", "show.json"}, "nothing of the earlier pictures is left"


def test_a_watershed_shows_relief_markers_and_basins(bench: Run, drawn: Path, tmp_path: Path) -> None:
    words = ("--set", "relief=gradient", "--set", "markers=valleys", "--set", "sigma=2")
    done = bench("show", "watershed", drawn, *words, "--out", tmp_path / "seen", "--json")
    assert done.returncode == 0, done.stderr
    steps = [step["what"].partition(" (")[0] for step in json.loads(done.stdout)["steps"]]
    wanted = ["smooth", "gradient", "relief", "markers", "basins"]
    assert [name for name in steps if name in wanted] == wanted
    method = make_method("watershed", {"relief": "gradient", "markers": "valleys", "sigma": 2.0})
    found = method.segment(WorkingImage(np.asarray(Image.open(drawn))), method.candidates(True)[0])  # type: ignore[attr-defined]
    (basins,) = [step["what"] for step in json.loads(done.stdout)["steps"] if step["what"].startswith("basins")]
    assert basins.endswith(f": {found.regions.max() + 1}")
    sheet = np.asarray(Image.open(tmp_path / "seen" / "steps.png"))
    assert sheet.shape[0] > 300
    assert len(np.unique(sheet)) > 50


def test_a_run_shows_what_it_chose(bench: Run, drawn: Path, tmp_path: Path) -> None:
    run, root = tmp_path / "run", write_folder(tmp_path / "mine", [f"{n:02d}" for n in range(12)])
    made = bench("run", "-d", "folder", "-m", "canny", "--root", root, "--out", run, "--no-plots")
    assert made.returncode == 0, made.stderr
    done = bench("show", run, drawn, "--out", tmp_path / "seen", "--json")
    assert done.returncode == 0, done.stderr
    chosen = json.loads((run / "record.json").read_text())["method"]["chosen"]
    settings = json.loads(done.stdout)["settings"]
    assert settings == {name: chosen[name] for name in settings}
    assert "closing" in settings
    other = bench("show", run, drawn, "--set", "closing=[5,9]", "--out", tmp_path / "seen", "--json")
    assert json.loads(other.stdout)["settings"] == {**settings, "closing": 5}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("unet",), "is for classical methods, found unet"),
        (("constant",), "Expected one of canny"),
        (("kmens",), "kmeans"),
        (("kmeans", "--set", "clusters=3"), "clusters"),
    ],
)
def test_what_has_no_steps_is_refused(
    words: tuple[str, ...], told: str, bench: Run, drawn: Path, tmp_path: Path
) -> None:
    done = bench("show", words[0], drawn, *words[1:], "--out", tmp_path / "seen")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "seen").exists()


def test_a_folder_of_something_else_is_left_alone(bench: Run, drawn: Path, tmp_path: Path) -> None:
    done = bench("show", "kmeans", drawn, "--out", tmp_path)
    assert done.returncode == 2
    assert "something else" in done.stderr
    assert drawn.is_file()
    assert bench("show", "kmeans", tmp_path / "none.png", "--out", tmp_path / "seen").returncode == 2
