"""The film of a run: masks taken as predictions pass, drawn on their images in the order of the frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import Run, printed_json
from segbench.evaluation.evaluate import evaluate
from segbench.figures.cardiac.run_plots import STRIP, VIDEO, Film, HeartFigures, run_figures
from segbench.figures.run_figures import RunFigures
from segbench.io.images import video
from segbench.metrics.cardiac import Cardiac
from segbench.registry import make_dataset, metrics_of
from segbench.types import Array, Dataset, Prediction, UserError
from synthetic_roots import write_hearts

FRAMES = 16


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset("medaka", write_hearts(tmp_path / "hearts", sequences=2, frames=FRAMES), {"view": "lateral"})


def predictions(dataset: Dataset) -> dict[str, Array]:
    """The truth of every test sample, a pixel further right, so that no two frames are alike."""
    return {i: np.roll(np.asarray(dataset.load(i, ("labels",)).labels), 1, axis=1) for i in dataset.ids("test")}


def figures_of(dataset: Dataset, found: Mapping[str, Array]) -> RunFigures:
    """The figures of a run that predicted this."""
    figures = RunFigures.of(dataset, found, metrics_of(dataset.info))
    pairs = [(sample_id, Prediction(labels=labels)) for sample_id, labels in found.items()]
    assert list(figures.tee(pairs)) == pairs
    return figures


def filmed(dataset: Dataset, found: Mapping[str, Array]) -> Film:
    (hearts,) = figures_of(dataset, found).parts
    assert isinstance(hearts, HeartFigures)
    assert hearts.film is not None
    return hearts.film


def test_it_holds_the_longest_sequence_whatever_the_order(dataset: Dataset) -> None:
    found = predictions(dataset)
    first = next(iter(found))
    del found[first]  # the other sequence is the longest now
    backwards = dict(reversed(list(found.items())))
    film = filmed(dataset, backwards)
    assert film.group == dataset.group(next(iter(backwards))) != dataset.group(first)
    metric = Cardiac()
    pairs = ((sample_id, Prediction(labels=labels)) for sample_id, labels in backwards.items())
    ids = metric.in_order(evaluate(dataset, [metric], pairs, workers=0).of(metric.name), film.group)
    assert list(ids) == sorted(film.wanted)
    for sample_id, mask, truth, image in zip(ids, film.masks(ids), film.truths(ids), film.images(ids), strict=True):
        assert np.array_equal(mask, found[sample_id] == 1)
        assert (truth == (np.asarray(dataset.load(sample_id, ("labels",)).labels) == 1)).all()
        assert image is not None
        assert (image == dataset.load(sample_id, ("image",)).image).all()


def test_probabilities_are_cut_as_they_are_scored(dataset: Dataset) -> None:
    (sample_id, labels), *_ = predictions(dataset).items()
    film = Film(dataset, dataset.group(sample_id), frozenset({sample_id}))
    halves = np.where(labels == 1, 0.51, 0.5).astype(np.float32)
    HeartFigures(Cardiac(), dataset, film).add(sample_id, Prediction(probabilities=halves))
    assert np.array_equal(next(film.masks([sample_id])), labels == 1)


def test_no_heart_or_too_few_frames_make_no_film(dataset: Dataset) -> None:
    ids = dataset.ids("test")
    others = [m for m in metrics_of(dataset.info) if m.name != "cardiac"]
    assert not RunFigures.of(dataset, ids, others).parts
    assert not RunFigures.of(dataset, ids, others).wanted
    assert Film.of(dataset, ids[:2]) is None
    assert Film.of(dataset, ()) is None
    assert not run_figures(Cardiac(), dataset, ids[:2]).wanted


def test_masks_without_a_fitting_image_lie_on_grey(dataset: Dataset) -> None:
    found = predictions(dataset)
    film = filmed(dataset, found)
    ids = sorted(film.wanted)
    broken, other, absent = (dataset.files(i, "image")[0] for i in ids[:3])
    broken.write_bytes(broken.read_bytes()[:100])
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(other)
    absent.unlink()
    assert [image is None for image in film.images(ids)] == [True] * 3 + [False] * (len(ids) - 3)


def written(dataset: Dataset, folder: Path) -> tuple[list[str], list[str]]:
    """Names of the plots of a run, and warnings."""
    found, warnings = predictions(dataset), list[str]()
    metrics = metrics_of(dataset.info)
    pairs = ((sample_id, Prediction(labels=labels)) for sample_id, labels in found.items())
    statistics = evaluate(dataset, metrics, pairs, workers=0)
    paths = figures_of(dataset, found).write(folder, statistics, warnings.append)
    assert all(path.is_file() for path in paths)
    return [path.name for path in paths], warnings


@pytest.mark.slow
def test_the_strip_is_written_the_same_each_time(dataset: Dataset, tmp_path: Path) -> None:
    names, warnings = written(dataset, tmp_path / "one")
    assert {f"{STRIP}.png", f"{STRIP}.svg", VIDEO, "area-curves-1.png", "volume-loops-1.png"} <= set(names)
    assert not warnings
    assert len(video.read_video(tmp_path / "one" / VIDEO)) == FRAMES
    written(dataset, tmp_path / "two")
    for name in (f"{STRIP}.png", f"{STRIP}.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.slow
def test_a_film_that_cannot_be_coded_costs_no_result(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("there is no encoder")

    monkeypatch.setattr(video, "write_video", refuse)
    names, warnings = written(dataset, tmp_path / "plots")
    assert "area-curves-1.png" in names
    assert VIDEO not in names
    assert warnings == ["no film of lateral-test-0050: there is no encoder"]


@pytest.mark.slow
def test_a_run_leaves_its_film_where_plots_are_wanted(bench: Run, tmp_path: Path) -> None:
    root = write_hearts(tmp_path / "hearts", sequences=2, frames=FRAMES)
    command = ["run", "-d", "medaka", "-m", "threshold", "--root", root, "--set", "view=lateral", "--json"]
    plotted = printed_json(bench(*command, "--set", "kind=[otsu]", "--out", "here", "--save-predictions"))
    for name in (f"{STRIP}.png", VIDEO):
        assert (tmp_path / "here" / "plots" / name).is_file()
    bare = printed_json(bench(*command, "--set", "kind=[otsu]", "--out", "bare", "--no-plots"))
    assert not (tmp_path / "bare" / "plots").exists()
    assert (bare["run_id"], bare["scores"]) == (plotted["run_id"], plotted["scores"])
    assert bare["command"].endswith(" --no-plots --out bare")
    assert "plots" not in plotted["command"]
    predictions = tmp_path / "here" / "predictions"
    scored = ["evaluate", *command[1:3], *command[5:], "-p", predictions]
    assert printed_json(bench(*scored, "--out", "unplotted", "--no-plots"))["scores"] == bare["scores"]
    assert not (tmp_path / "unplotted" / "plots").exists()
