"""`bench run --log …` with the real trackers, offline, and `bench export --format mlflow`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from commands import Run, printed_json
from places import ROOT
from segbench import UserError, run
from segbench.io.reporter import Reporter
from segbench.runs.record import Record, read_record
from segbench.runs.tracking.log import run_log
from segbench.runs.tracking.trackers import CsvTracker
from segbench.runs.tracking.values import results_of, settings_of
from warm_processes import BENCH, WarmProcess

pytestmark = pytest.mark.slow

SMALL = "epochs=3 iterations_per_epoch=2 batch_size=2 crop=32 base_channels=4 depth=2 tta=none elastic=0 ema=0"
UNET = ["run", "-d", "isbi2012", "-m", "unet", "--device", "cpu", "--set", SMALL, "--set", "select=best"]
THRESHOLD = ["run", "-d", "isbi2012", "-m", "threshold", "--set", "max_images=4", "--set", "fit_images=4"]
RECORD = next((ROOT / "leaderboards" / "records").glob("isbi2012-unet-*"))
Curve = list[tuple[int, float]]


@pytest.fixture(autouse=True)
def _no_places_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the environment says of trackers, now and once their packages have been imported, stays out of a test."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(name, "true" if name.startswith("MLFLOW") else "false")
    monkeypatch.chdir(tmp_path)


def table(folder: Path) -> dict[str, Curve]:
    """What the CSV file of a run holds, by name."""
    found: dict[str, Curve] = {}
    with (folder / "tracking" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["name"], []).append((int(row["step"]), float(row["value"])))
    return found


def of_training(found: dict[str, Curve]) -> dict[str, Curve]:
    return {name: curve for name, curve in found.items() if "train/" in name}


def mlflow_curve(client: Any, run_id: str, name: str) -> Curve:
    return [(each.step, each.value) for each in client.get_metric_history(run_id, name)]


def test_a_csv_file_holds_every_step_every_epoch_and_the_scores(bench: Run, stacks: Path, tmp_path: Path) -> None:
    plain = printed_json(bench(*UNET, "--root", stacks, "--out", "plain", "--json"))
    logged = printed_json(bench(*UNET, "--root", stacks, "--out", "logged", "--log", "csv", "--json"))
    assert not (tmp_path / "plain" / "tracking").exists()
    assert (logged["run_id"], logged["scores"]) == (plain["run_id"], plain["scores"])
    found = table(tmp_path / "logged")
    steps = list(range(1, 7))
    assert [step for step, _ in found["train/loss"]] == [step for step, _ in found["train/learning_rate"]] == steps
    assert found["train/epoch"] == [(2, 1), (4, 2), (6, 3)]
    epochs = (tmp_path / "logged" / "log.txt").read_text().splitlines()
    assert [line.split(" is ")[0] for line in epochs if "precision" in line] == ["precision=auto"]
    losses = [value for _, value in found["train/loss"]]
    for epoch in range(3):
        mean, score = sum(losses[2 * epoch : 2 * epoch + 2]) / 2, found["train/validation_score"][epoch][1]
        assert f"epoch {epoch + 1}/3: loss {mean:.4f}, validation score {score:.4f}" in epochs
    for name, score in logged["scores"].items():
        for bound, key in (("", "value"), ("_low", "low"), ("_high", "high")):
            assert found[f"scores/{name}{bound}"] == [(6, score[key])]
    assert found["cost/train_s"] == [(6, logged["cost"]["train_s"])]
    assert found["cost/parameters"] == [(6, logged["cost"]["parameters"])]


def test_folds_follow_one_another(bench: Run, stacks: Path, tmp_path: Path) -> None:
    assert bench(*UNET, "--root", stacks, "--out", "run", "--folds", "2", "--log", "csv").returncode == 0
    found = table(tmp_path / "run")
    assert [step for step, _ in found["fold-1/train/loss"]] == list(range(1, 7))
    assert [step for step, _ in found["fold-2/train/loss"]] == list(range(7, 13))
    assert found["scores/v_rand"][0][0] == 12


def test_a_method_without_epochs_logs_its_scores(bench: Run, stacks: Path, tmp_path: Path) -> None:
    done = printed_json(bench(*THRESHOLD, "--root", stacks, "--out", "run", "--log", "csv,csv", "--json"))
    found = table(tmp_path / "run")
    assert found["scores/v_rand"] == [(0, done["scores"]["v_rand"]["value"])]
    assert not of_training(found)


def test_a_killed_run_that_is_resumed_has_the_log_of_a_straight_one(bench: Run, stacks: Path, tmp_path: Path) -> None:
    """It is killed in the second of two folds, whose steps follow those of the first."""
    command = [*UNET[:9], "--set", "epochs=8", "--root", stacks, "--folds", "2"]
    log = ("--log", "csv")
    assert bench(*command, *log, "--out", "straight").returncode == 0
    killed, places = tmp_path / "killed", {"SEGBENCH_DATA": str(tmp_path / "data")}
    process = WarmProcess.start(BENCH, [*command, *log, "--out", "killed"], tmp_path, places)
    state, end = killed / "tracking" / "state.json", time.monotonic() + 120
    while not (state.is_file() and json.loads(state.read_text())["last"] > 16):
        assert time.monotonic() < end, "nothing was logged"
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not read_record(killed).complete
    with (killed / "tracking" / "metrics.csv").open("a") as file:
        file.write("9999,train/lo")  # as a kill in the middle of a line leaves it
    assert bench(*command, *log, "--out", "killed", "--resume").returncode == 0
    straight, resumed = table(tmp_path / "straight"), table(killed)
    assert of_training(resumed) == of_training(straight)
    assert resumed["scores/v_rand"] == straight["scores/v_rand"]
    # A finished run is found as it is, with or without a log.
    assert "current" in bench(*command, *log, "--out", "killed").stderr
    assert "current" in bench(*command, "--out", "killed").stderr
    assert table(killed) == resumed


def test_a_run_that_was_made_without_a_log_says_so(bench: Run, stacks: Path, tmp_path: Path) -> None:
    command = [*THRESHOLD, "--root", stacks, "--out", "run"]
    assert bench(*command).returncode == 0
    again = bench(*command, "--log", "csv")
    assert again.returncode == 0
    assert "made without --log" in again.stderr
    assert bench(*command, "--log", "csv", "--overwrite").returncode == 0
    assert "scores/v_rand" in table(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".run")) == []


def test_a_loss_that_diverges_is_seen_in_the_log(bench: Run, stacks: Path, tmp_path: Path) -> None:
    wild = ["--set", "learning_rate=1e30", "--set", "clip_norm=0", "--set", "optimizer=sgd", "--set", "warmup=0"]
    command = [*UNET, *wild, "--set", "iterations_per_epoch=20", "--root", stacks]
    done = bench(*command, "--out", "run", "--log", "csv")
    assert done.returncode == 2
    assert "diverged" in done.stderr
    assert len(table(tmp_path / "run")["train/loss"]) > 1


def test_tensorboard_reads_it(bench: Run, stacks: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    command = [*UNET, "--root", stacks, "--out", "run", "--log", "tensorboard", "--log", "csv"]
    done = bench(*command)
    assert "tensorboard --logdir run/tracking/tensorboard" in done.stderr
    events = EventAccumulator(str(tmp_path / "run" / "tracking" / "tensorboard")).Reload()
    for name, curve in table(tmp_path / "run").items():
        assert [(each.step, each.value) for each in events.Scalars(name)] == [
            (step, pytest.approx(value, rel=1e-6)) for step, value in curve
        ]
    (settings,) = (tmp_path / "run" / "tracking" / "tensorboard").glob("*/hparams.yml")
    assert "set.base_channels: 4" in settings.read_text()


def test_wandb_has_it_offline(bench: Run, stacks: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="needs the extra wandb")
    import wandb

    import wandb_files

    command = [*UNET, "--root", stacks, "--out", "run", "--log", "wandb,csv"]
    assert bench(*command).returncode == 0
    wandb.teardown()  # as at the end of a process: waits for the service that writes the file
    (written,) = (tmp_path / "run" / "tracking" / "wandb").glob("offline-run-*/*.wandb")
    rows, expected = wandb_files.history(written), table(tmp_path / "run")
    for name, curve in expected.items():
        assert {row["_step"]: row[name] for row in rows if name in row} == dict(curve)
    settings = wandb_files.settings(written)
    assert (settings["dataset"], settings["method"], settings["set.base_channels"]) == ("isbi2012", "unet", 4)


def test_mlflow_has_it_in_a_database_of_the_run(bench: Run, stacks: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    pytest.importorskip("alembic", reason="needs the extra mlflow")
    assert bench(*UNET, "--root", stacks, "--out", "run", "--log", "mlflow,csv").returncode == 0
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'run' / 'tracking' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("segbench-isbi2012")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    assert logged.data.params["set.base_channels"] == "4"
    assert logged.info.run_name == read_record(tmp_path / "run").run_id
    for name, curve in table(tmp_path / "run").items():
        assert mlflow_curve(client, logged.info.run_id, name) == curve
    assert mlflow.active_run() is None
    assert not list(tmp_path.glob("mlruns*"))


def test_every_tracker_goes_on_where_it_was(tmp_path: Path) -> None:
    """The log of one run that is interrupted and resumed, without the training."""
    names = [
        name
        for name, package in (("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "alembic"), ("csv", "csv"))
        if _installed(package)
    ]
    record = read_record(RECORD)
    folder, reporter = tmp_path / "run", Reporter(quiet=True)
    steps = [(step, {"loss": 1 / step}) for step in range(1, 7)]

    def trained(*epochs: list[tuple[int, dict[str, float]]], interrupted: bool) -> None:
        with run_log(names, folder, record, reporter) as log:
            track = log.training()
            assert track is not None
            for epoch in epochs:
                track(epoch)
            if interrupted:
                raise KeyboardInterrupt
            log.finish(record)

    with pytest.raises(KeyboardInterrupt):
        trained(steps[:2], steps[2:4], interrupted=True)
    trained(steps[2:4], steps[4:], interrupted=False)  # the epoch that was under way is trained again
    expected = [(step, values["loss"]) for step, values in steps]
    assert table(folder)["train/loss"] == expected
    tracking = folder / "tracking"
    if "tensorboard" in names:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(tracking / "tensorboard")).Reload()
        assert [each.step for each in events.Scalars("train/loss")] == list(range(1, 7))
        assert len(list((tracking / "tensorboard").glob("*/hparams.yml"))) == 1
    if "wandb" in names:
        import wandb

        import wandb_files

        wandb.teardown()
        parts = sorted((tracking / "wandb").glob("offline-run-*/*.wandb"))
        assert len({wandb_files.identity(part) for part in parts}) == 1
        rows = [(row["_step"], row["train/loss"]) for part in parts for row in wandb_files.history(part)]
        assert sorted(dict(rows).items()) == expected
    if "mlflow" in names:
        import mlflow

        client = mlflow.MlflowClient(f"sqlite:///{tracking / 'mlflow.db'}")
        (logged,) = client.search_runs([client.get_experiment_by_name("segbench-isbi2012").experiment_id])
        assert mlflow_curve(client, logged.info.run_id, "train/loss") == expected
        assert logged.info.status == "FINISHED"


def test_an_interrupted_run_is_not_finished_in_mlflow(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    pytest.importorskip("alembic", reason="needs the extra mlflow")
    record = read_record(RECORD)
    with pytest.raises(UserError), run_log(["mlflow"], tmp_path / "run", record, Reporter(quiet=True)):
        raise UserError("training diverged")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'run' / 'tracking' / 'mlflow.db'}")
    (logged,) = client.search_runs([client.get_experiment_by_name("segbench-isbi2012").experiment_id])
    assert logged.info.status == "FAILED"


def test_a_tracker_that_fails_does_not_end_the_training(tmp_path: Path) -> None:
    record = read_record(RECORD)
    reporter = Reporter(quiet=True)
    with run_log(["csv"], tmp_path / "run", record, reporter) as log:
        (tmp_path / "run" / "tracking" / "metrics.csv").unlink()
        (tmp_path / "run" / "tracking" / "metrics.csv").mkdir()
        track = log.training()
        assert track is not None
        track([(1, {"loss": 1.0})])
        track([(2, {"loss": 1.0})])
    (warning,) = reporter.warnings
    assert "--log csv wrote no more" in warning


@pytest.mark.parametrize(
    ("name", "package"),
    [("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow"), ("mlflow", "alembic")],
)
def test_a_missing_package_is_named_before_anything_is_read(
    bench: Run, stacks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    if package != name:
        pytest.importorskip(name, reason=f"needs the extra {name}")
    monkeypatch.setitem(sys.modules, package, None)
    done = bench(*THRESHOLD, "--root", stacks, "--out", "run", "--log", name)
    assert done.returncode == 2
    assert f"needs the package {package}. Install it with: pip install 'segbench[{name}]'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_named(bench: Run, stacks: Path) -> None:
    done = bench(*THRESHOLD, "--root", stacks, "--log", "tensorbord")
    assert done.returncode == 2
    assert "tensorbord" in done.stderr
    assert "Did you mean 'tensorboard'?" in done.stderr
    with pytest.raises(UserError, match=r"expected a sequence, such as \('csv',\)"):
        run("isbi2012", "threshold", root=stacks, log="csv")


def test_a_server_that_is_not_there_is_told_before_the_training(bench: Run, stacks: Path) -> None:
    pytest.importorskip("mlflow", reason="needs the extra mlflow")
    places = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = bench(*UNET, "--root", stacks, "--out", "run", "--log", "mlflow", **places)
    assert done.returncode == 2
    assert "--log mlflow: cannot begin to write" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_tracker_is_imported_without_being_asked_for(stacks: Path) -> None:
    code = "import sys; print(sorted({'wandb', 'mlflow', 'tensorboard', 'sqlalchemy'} & set(sys.modules)))"
    script = f"from segbench.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script, *THRESHOLD, "--root", str(stacks), "--out", "run", "--log", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_settings_and_results_are_flat() -> None:
    record = read_record(RECORD)
    settings = settings_of(record)
    assert all(isinstance(value, bool | int | float | str) for value in settings.values())
    assert {f"set.{key}" for key, value in record.method.config.items() if value is not None} <= settings.keys()
    undefined = Record.model_validate_json(record.to_json())
    undefined.scores["dice"].value = None
    assert "scores/dice" not in results_of(undefined)
    assert "scores/dice_low" in results_of(undefined)


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    CsvTracker(tmp_path).log({"loss": 0.5}, step=1)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("2,lo")
    CsvTracker(tmp_path).log({"loss": 0.25}, step=2)
    assert (tmp_path / "metrics.csv").read_text() == "step,name,value\n1,loss,0.5\n2,loss,0.25\n"


def test_a_table_that_a_kill_has_left_empty_gets_its_header(tmp_path: Path) -> None:
    for left in ("", "step,na"):
        (tmp_path / "metrics.csv").write_text(left)
        CsvTracker(tmp_path).log({"loss": 0.5}, step=1)
        assert (tmp_path / "metrics.csv").read_text() == "step,name,value\n1,loss,0.5\n"


@pytest.mark.parametrize(
    "state", ["", "[]", '{"begun": {}}', '{"begun": 1, "last": 0, "starts": {}, "complete": true}']
)
def test_a_damaged_state_of_a_log_is_named(state: str, tmp_path: Path) -> None:
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "state.json").write_text(state)
    with (
        pytest.raises(UserError, match="does not say what was logged"),
        run_log(["csv"], tmp_path, read_record(RECORD), Reporter(quiet=True)),
    ):
        pass


def test_a_finished_run_becomes_one_of_mlflow(bench: Run, stacks: Path, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    pytest.importorskip("alembic", reason="needs the extra mlflow")
    assert bench(*UNET, "--root", stacks, "--out", "run", "--log", "csv").returncode == 0
    record = read_record(tmp_path / "run")
    first = printed_json(bench("export", "run", "--format", "mlflow", "--out", "store", "--json"))
    again = printed_json(bench("export", "run", "--format", "mlflow", "--out", "store", "--json"))
    assert (first["new"], again["new"]) == (True, False)
    assert first["mlflow_run_id"] == again["mlflow_run_id"]
    assert first["out"] == f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}"
    client = mlflow.MlflowClient(first["out"])
    exported = client.get_run(first["mlflow_run_id"])
    assert exported.data.params == {name: str(value) for name, value in settings_of(record).items()}
    for name, value in results_of(record).items():
        assert exported.data.metrics[name] == value
    assert mlflow_curve(client, exported.info.run_id, "train/loss") == table(tmp_path / "run")["train/loss"]
    assert exported.data.tags["segbench.run_id"] == record.run_id
    names = {each.path for each in client.list_artifacts(exported.info.run_id)}
    assert {"record.json", "statistics.parquet", "config.yaml", "log.txt"} <= names
    assert not names & {"checkpoint", "predictions", "tracking"}
    fetched = client.download_artifacts(exported.info.run_id, "record.json", str(tmp_path))
    assert Path(fetched).read_bytes() == (tmp_path / "run" / "record.json").read_bytes()
    # Made again it is another run, and predictions from elsewhere are exported as well.
    assert bench(*UNET, "--root", stacks, "--out", "run", "--overwrite", "--save-predictions").returncode == 0
    assert printed_json(bench("export", "run", "--format", "mlflow", "--out", "store", "--json"))["new"]
    scored = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", "run/predictions", "--out", "mine"]
    assert bench(*scored).returncode == 0
    done = bench("export", "mine", "--format", "mlflow", MLFLOW_TRACKING_URI=first["out"])
    assert done.stdout.startswith(first["out"])
    assert len(client.search_runs([exported.info.experiment_id])) == 3


def test_what_an_export_to_mlflow_refuses(bench: Run, stacks: Path, tmp_path: Path) -> None:
    pytest.importorskip("alembic", reason="needs the extra mlflow")
    assert bench(*THRESHOLD, "--root", stacks, "--out", "run").returncode == 0
    (tmp_path / "file").write_text("")
    for words, said in (
        (("--out", "file"), "is a file; of MLflow it is a folder"),
        (("--out", "run/store"), "lies in the run folder"),
        (("--root", stacks), "leave them out"),
    ):
        done = bench("export", "run", "--format", "mlflow", *words)
        assert done.returncode == 2
        assert said in done.stderr
    assert "needs --out" in bench("export", "run", "--format", "isbi2012").stderr


def _installed(package: str) -> bool:
    try:
        __import__(package)
    except ImportError:
        return False
    return True
