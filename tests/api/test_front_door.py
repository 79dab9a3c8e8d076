"""`segbench.…` from Python: what the command line does, seen by editors, quick to import, quiet unless asked."""

from __future__ import annotations

import inspect
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest

import segbench
from commands import Run, printed_json
from segbench.boards.check_result import CheckResult
from segbench.boards.comparison_document import Comparison
from segbench.io.reporter import Reporter
from segbench.runs.options import as_typed
from segbench.runs.record import Record
from segbench.runs.request import EvaluateRequest, RunRequest
from segbench.runs.stored_requests import CheckRequest, PanelsRequest, PlanRequest, SliceRequest, TableRequest
from synthetic_roots import write_hearts


@pytest.fixture(scope="module")
def heart_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hearts(tmp_path_factory.mktemp("hearts"))


@pytest.fixture(scope="module")
def made(heart_root: Path, tmp_path_factory: pytest.TempPathFactory) -> segbench.Run:
    """A run that kept its predictions."""
    out, settings = tmp_path_factory.mktemp("runs") / "mean-shape", {"view": "lateral"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", segbench.SegbenchWarning)
        return segbench.run(
            "medaka", "mean-shape", root=heart_root, out=out, settings=settings, save_predictions=True, plots=False
        )


def test_editors_see_everything() -> None:
    assert set(segbench.__all__) <= set(dir(segbench))
    assert not [name for name in dir(segbench) if name.startswith("_") and not name.startswith("__")]
    for name in segbench.__all__:
        value = getattr(segbench, name)
        assert name == "__version__" or inspect.getdoc(value), name
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        segbench.rnu  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.slow
def test_import_is_quick_and_loads_no_library() -> None:
    code = (
        "import sys, segbench\n"
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'pyarrow', 'cv2', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "segbench.run, segbench.compare, segbench.load_runs, segbench.list_datasets(), segbench.list_metrics()\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("function", "request_class"),
    [
        (segbench.run, RunRequest),
        (segbench.evaluate, EvaluateRequest),
        (segbench.check, CheckRequest),
        (segbench.slice_runs, SliceRequest),
        (segbench.plan, PlanRequest),
        (segbench.table, TableRequest),
        (segbench.panels, PanelsRequest),
    ],
)
def test_functions_take_what_requests_take(function: Callable[..., Any], request_class: Any) -> None:
    """With the same defaults, in the same order; a mapping or a sequence that is empty by default is so here."""
    taken = inspect.signature(function).parameters
    wanted = {each.name: each for each in fields(request_class)}
    assert list(taken) == [*wanted, "progress"]
    for name, each in wanted.items():
        default = taken[name].default
        if taken[name].kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        if name == "by":  # the command asks for it in words of its own
            assert default is inspect.Parameter.empty
            continue
        if each.default_factory is not MISSING:
            assert not default
        elif isinstance(each.default, Path):
            assert Path(default) == each.default, name
        else:
            assert default == (inspect.Parameter.empty if each.default is MISSING else each.default), name


@pytest.mark.slow
def test_a_run_is_that_of_the_command_line(bench: Run, made: segbench.Run, heart_root: Path) -> None:
    assert_type(made, segbench.Run)
    assert_type(made.record, Record)
    command = ["run", "-d", "medaka", "-m", "mean-shape", "--root", heart_root, "--save-predictions", "--json"]
    typed = printed_json(bench(*command, "--set", "view=lateral", "--no-plots"))
    assert made.run_id == typed["run_id"]
    stored = json.loads((made.folder / "record.json").read_text(encoding="utf-8"))
    assert made.record.model_dump(mode="json") == stored
    assert (stored["scores"], stored["command"]) == (typed["scores"], f"{typed['command']} --out {made.folder}")
    assert made.warnings == typed["warnings"]
    assert segbench.load_run(made.folder) == segbench.load_run(made.folder / "record.json") == made


@pytest.mark.slow
def test_slices_are_those_of_the_command_line(bench: Run, made: segbench.Run, heart_root: Path, tmp_path: Path) -> None:
    table = tmp_path / "hospitals.csv"
    ids = made.per_sample().index.tolist()
    rows = "".join(f"{sample},{'ab'[number % 2]}\n" for number, sample in enumerate(ids))
    table.write_text(f"sample,hospital\n{rows}", encoding="utf-8")
    by = [f"{table}:hospital", "brightness"]
    found = segbench.slice_runs(made, by=by, root=heart_root, permutations=200)
    words = ["slice", made.folder, "--by", by[0], "--by", by[1], "--root", heart_root, "--permutations", "200"]
    assert json.loads(found.to_json()) == printed_json(bench(*words, "--json"))
    assert found.answer in found._repr_html_()
    assert {row.by for row in found.slices} == {"hospital", "brightness"}
    assert segbench.slice_runs([made.folder], by=by[0], permutations=200).slices[0].by == "hospital"
    with pytest.raises(segbench.UserError, match="--by is missing"):
        segbench.slice_runs(made, by=())  # the command has a table for each property then
    tables = printed_json(bench("slice", made.folder, "--root", heart_root, "--json"))["tables"]
    assert ["brightness"] in [table["by"] for table in tables]
    mistakes: list[dict[str, Any]] = [{"by": "brightnes"}, {"by": "class", "score": "dcie"}]
    for wrong in mistakes:
        with pytest.raises(segbench.UserError) as caught:
            segbench.slice_runs(made, **wrong)
        typed = [text for key, value in wrong.items() for text in _option(key, value)]
        done = bench("slice", made.folder, *typed)
        assert done.returncode == 2
        assert " ".join(str(caught.value).split()) in " ".join(done.stderr.split())
    with pytest.raises(segbench.UserError, match="bins=1; expected a number from 2 to 50"):
        segbench.slice_runs(made, by=by[0], bins=1)
    with pytest.raises(segbench.UserError, match="no run is given"):
        segbench.slice_runs(by="class")


def _option(key: str, value: object) -> list[str]:
    """An argument of a function as it is typed."""
    name = {"score": "--metric"}.get(key, f"--{key}")
    return [] if value == () else [name, str(value)]


@pytest.mark.slow
def test_plans_are_those_of_the_command_line(bench: Run, made: segbench.Run, tmp_path: Path) -> None:
    found = segbench.plan(made, width=0.05, seconds_per_label=25, out=tmp_path / "drawn")
    words = ["plan", made.folder, "--width", "0.05", "--seconds-per-label", "25", "--json"]
    assert json.loads(found.to_json()) == printed_json(bench(*words))
    assert (tmp_path / "drawn" / "plan.svg").is_file()
    assert found.needed[0].target == 0.05
    assert f">{found.needed[0].units}<" in found._repr_html_().replace(" ", "")
    for wrong in ({"width": -1.0}, {"difference": 0.1}, {"score": "dcie"}):
        with pytest.raises(segbench.UserError) as caught:
            segbench.plan(made, **wrong)
        done = bench("plan", made.folder, *(text for key, value in wrong.items() for text in _option(key, value)))
        assert done.returncode == 2
        assert " ".join(str(caught.value).split()) in " ".join(done.stderr.split())
    with pytest.raises(segbench.UserError, match="no run is given"):
        segbench.plan()


@pytest.mark.slow
def test_predictions_are_scored(made: segbench.Run, heart_root: Path, tmp_path: Path) -> None:
    with pytest.warns(segbench.SegbenchWarning):
        found = segbench.evaluate(
            "medaka",
            made.folder / "predictions",
            root=heart_root,
            settings={"view": "lateral"},
            metrics=["boundary"],
            out=tmp_path / "scored",
            plots=False,
        )
    assert {name: found.scores[name] for name in made.scores} == made.scores
    assert "boundary_iou" in found.scores
    assert found.folder == tmp_path / "scored"


@pytest.mark.slow
def test_a_run_stands_for_its_folder(made: segbench.Run) -> None:
    assert Path(made) == made.folder
    table = segbench.load_runs([made])
    assert table[table.is_main].value.tolist() == [made.main and made.main.value]


@pytest.mark.slow
def test_samples_from_worst_to_best(made: segbench.Run) -> None:
    values = made.per_sample()
    assert values.name == "dice"
    assert len(values) == made.record.dataset.n
    assert values.is_monotonic_increasing
    assert values.nunique() > 3
    assert values.mean() == pytest.approx(made.scores["dice_per_image"].value, abs=1e-12)
    errors = made.per_sample("heart_rate_error_bpm")
    assert errors.dropna().is_monotonic_decreasing
    with pytest.raises(segbench.UserError, match=r"Unknown score 'dcie'\. Did you mean 'dice'"):
        made.per_sample("dcie")


@pytest.mark.slow
def test_it_is_quiet_and_warns_as_python_does(
    heart_root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"view": "lateral"}
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.INFO, "segbench"):
        warnings.simplefilter("always")
        found = segbench.run(
            "medaka", "mean-shape", root=heart_root, out=tmp_path / "a", settings=settings, plots=False
        )
    assert capfd.readouterr() == ("", "")
    mine = [each for each in caught if issubclass(each.category, segbench.SegbenchWarning)]
    assert [str(each.message) for each in mine] == found.warnings
    assert {each.filename for each in mine} == {__file__}
    assert "evaluating …" in caplog.messages
    assert "evaluating …" in (tmp_path / "a" / "log.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_progress_is_shown_where_asked_for(
    made: segbench.Run, heart_root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(segbench.SegbenchWarning):
        segbench.evaluate(
            "medaka",
            made.folder / "predictions",
            root=heart_root,
            settings={"view": "lateral"},
            out=tmp_path / "a",
            progress=True,
        )
    out, err = capfd.readouterr()
    assert out == ""
    assert "evaluating: " in err
    assert "/30 [" in err


@pytest.mark.slow
def test_a_reporter_of_ones_own_hears_everything(made: segbench.Run, heart_root: Path, tmp_path: Path) -> None:
    reporter = Reporter(quiet=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = segbench.evaluate(
            "medaka",
            made.folder / "predictions",
            root=heart_root,
            settings={"view": "lateral"},
            out=tmp_path / "a",
            progress=reporter,
        )
    assert reporter.warnings == found.warnings != []


@pytest.mark.slow
def test_what_is_wrong_is_said_without_a_terminal(heart_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(segbench.UserError, match=r"Unknown dataset 'medka'\. Did you mean 'medaka'"):
        segbench.run("medka", "threshold")
    with pytest.raises(segbench.UserError, match=r"progress='yes'; expected True, False or 'auto'"):
        segbench.run("medaka", "threshold", root=heart_root, progress="yes")  # type: ignore[arg-type]
    with pytest.raises(segbench.UserError, match="metrics='boundary' is one text"):
        segbench.evaluate("medaka", "x", root=heart_root, metrics="boundary")
    for call in (segbench.evaluate, segbench.run):
        with pytest.raises(segbench.UserError, match=r"the builtin_function_or_method len; .*'bench new metric NAME'"):
            call("medaka", "threshold", root=heart_root, metrics=["boundary", len])  # type: ignore[list-item]
    with pytest.raises(segbench.UserError, match="no run folder"):
        segbench.load_run(heart_root)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(segbench.UserError, match="accelerate launch -m segbench run --dataset medaka"):
        segbench.run("medaka", "unet", root=heart_root)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 1}, r"folds=1; expected a number from 2$"),
        ({"seed": -1}, r"seed=-1; expected a number from 0 to 9223372036854775807"),
        ({"workers": -1}, "workers=-1; expected a number from 0"),
        ({"source": "sythetic"}, r"Unknown source 'sythetic'\. Did you mean 'synthetic'"),
    ],
)
def test_what_the_command_line_refuses_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(segbench.UserError, match=message):
        segbench.run("medaka", "threshold", **given)


@pytest.mark.slow
def test_a_comparison_takes_what_a_run_stands_for(made: segbench.Run, heart_root: Path, tmp_path: Path) -> None:
    settings = {"view": "lateral"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", segbench.SegbenchWarning)
        out = tmp_path / "constant"
        other = segbench.run("medaka", "constant", root=heart_root, out=out, settings=settings, plots=False)
    found = segbench.compare(made, [str(other.folder)], score="iou_foreground", resamples=200)
    assert_type(found, Comparison)
    assert [run.run_id for run in found.runs] == [made.run_id, other.run_id]
    assert found.answer in str(found)
    assert "<td>mean-shape" in found._repr_html_()
    figure: Any = found.plot()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["mean-shape", "constant"]
    assert found == segbench.compare([made, other], score="iou_foreground", resamples=200)
    with pytest.raises(segbench.UserError, match="resamples=10; expected a number from 100"):
        segbench.compare(made, other, resamples=10)
    with pytest.raises(segbench.UserError, match="two runs or more"):
        segbench.compare(made)


@pytest.mark.slow
def test_a_gate_from_python(made: segbench.Run, tmp_path: Path) -> None:
    written = segbench.check(tmp_path / "baseline", made.folder.parent, update=True)
    assert_type(written, CheckResult)
    assert str(written) == "baseline: 1 run written"
    held = segbench.check(tmp_path / "baseline", made.folder.parent)
    (each,) = held.checks
    assert (held.ok, each.verdict, each.change) == (True, "ok", 0.0)
    record = json.loads((made.folder / "record.json").read_text(encoding="utf-8"))
    assert f"ok: {each.name}: dice {record['scores']['dice']['value']:.4f}" in str(held)
    assert "<td>ok" in held._repr_html_()
    figure: Any = held.plot()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [each.name]
    with pytest.raises(segbench.UserError, match="expected the baseline: run folders"):
        segbench.check(tmp_path / "nothing", made.folder.parent)


def test_numbers_of_numpy_are_those_of_python() -> None:
    settings = {"sigma": [np.float64(1.5)], "deep": {"flag": np.True_}}
    asked = RunRequest("medaka", "threshold", seed=np.int64(1), folds=np.int32(2), settings=settings)  # type: ignore[arg-type]
    found = as_typed(asked)
    assert found == RunRequest(
        "medaka", "threshold", seed=1, folds=2, settings={"sigma": [1.5], "deep": {"flag": True}}
    )
    assert [type(value) for value in (found.seed, found.folds, found.settings["deep"]["flag"])] == [int, int, bool]
    assert json.dumps(dict(found.settings)) == '{"sigma": [1.5], "deep": {"flag": true}}'
    with pytest.raises(segbench.UserError, match="seed=-1"):
        as_typed(RunRequest("medaka", "threshold", seed=np.int64(-1)))  # type: ignore[arg-type]


def test_names() -> None:
    # Whoever runs the tests may have plugins of their own.
    assert {"camvid", "cityscapes", "cocostuff", "folder", "isbi2012", "medaka", "voc2012"} <= set(
        segbench.list_datasets()
    )
    everything = segbench.list_methods()
    assert set(segbench.list_methods("voc2012")) < set(everything) == set(segbench.list_methods("folder"))
    assert "unet" in segbench.list_methods("medaka", family="learned")
    assert "unet" not in segbench.list_methods("medaka", family="classical")
    assert segbench.list_presets() == ["quick", "standard", "paper"]
    with pytest.raises(segbench.UserError, match=r"Unknown family 'lerned'\. Did you mean 'learned'"):
        segbench.list_methods(family="lerned")


@pytest.mark.slow
def test_a_notebook_shows_a_table_and_a_plot(made: segbench.Run) -> None:
    name = "<b>mine</b>"
    odd = segbench.Run(
        made.folder, made.record.model_copy(update={"method": made.record.method.model_copy(update={"name": name})})
    )
    page = odd._repr_html_()
    assert "<td>dice" in page
    assert "&lt;b&gt;mine" in page
    assert "<b>" not in page
    assert repr(made).startswith("<Run mean-shape on medaka, split test, 30 samples: dice 0.")
    figure: Any = made.plot()
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["dice", "dice_per_image"]
    assert "heart_rate_error_bpm" not in [label.get_text() for label in axes.get_yticklabels()]
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert axes.get_xlabel() == "fraction"
