"""The command line as a user types it: help, names, errors, evaluate, leaderboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from commands import Run, printed_json
from places import ROOT
from segbench.io.native import engine
from segbench.synthetic.medaka import FULL, GENERATOR_VERSION
from synthetic_roots import write_hearts, write_stacks

COMMANDS = [
    [],
    ["list"],
    ["describe"],
    ["run"],
    ["evaluate"],
    ["doctor"],
    ["leaderboard"],
    ["plan"],
    ["explain"],
    ["suite"],
    ["verify"],
    ["data"],
    ["data", "status"],
    ["data", "describe"],
    ["data", "verify"],
    ["data", "download"],
    ["data", "synthesize"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(bench: Run, command: list[str]) -> None:
    done = bench(*command, "--help")
    assert done.returncode == 0
    assert "Usage: bench" in done.stdout
    assert re.search(r"^  Examples?:(\n    bench \S.*)+\n*\Z", done.stdout, re.MULTILINE) or command in ([], ["data"])


NEVER = frozenset({"torch", "tensorflow", "pandas", "matplotlib", "skimage", "sklearn", "transformers"})
"""What no command imports that only lists, scores or ranks."""
SCORING = frozenset({"scipy", "segbench.cardiac", "segbench.boards", "segbench.methods", "segbench.report"})
"""What scoring label maps does without, too: half a second of imports, or what belongs to other data."""
REQUESTS = frozenset({"segbench.runs.request", "segbench.runs.stored_requests", "segbench.runs.data_requests"})
OPTIONS = frozenset({"numpy", "PIL", "cv2", "rich", "segbench.types", "segbench.registry"})
"""What no command needs that only says how it is called."""
EVALUATE = "evaluate -d isbi2012 --root isbi -p isbi/train-labels.tif --split all --out run --no-plots"
IMPORTS: dict[str, frozenset[str]] = {
    "--help": NEVER | SCORING | OPTIONS | REQUESTS | {"pydantic"},
    "data --help": NEVER | SCORING | OPTIONS | REQUESTS,
    "run --help": NEVER | SCORING | OPTIONS,
    "--version": NEVER | {"scipy"},
    "list methods": NEVER | {"scipy", "pyarrow"},
    "list datasets": NEVER | SCORING | {"pyarrow"},
    "list presets": NEVER | SCORING | {"pyarrow"},
    "list metrics": NEVER | {"scipy", "pyarrow", "segbench.boards"},
    "data describe medaka": NEVER | {"scipy"},
    EVALUATE: NEVER | SCORING,
    "leaderboard run --json": NEVER,
}


@pytest.mark.slow
@pytest.mark.parametrize("command", IMPORTS, ids=lambda command: " ".join(command.split()[:2]))
def test_a_command_imports_only_what_it_needs(command: str, bench: Run, stacks: Path, tmp_path: Path) -> None:
    del stacks
    if command.startswith("leaderboard"):
        assert bench(*EVALUATE.split()).returncode == 0
    code = (
        "import sys; from segbench.cli import main; sys.argv = ['bench', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command.split()], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(IMPORTS[command] & set(done.stderr.split())) == []


@pytest.mark.slow
def test_scoring_label_maps_is_there_without_opencv_and_arrow() -> None:
    """They are 50 MB of memory: the one is needed by some families, the other to write and read statistics."""
    code = "import sys, segbench.commands.evaluate; print(*{'cv2', 'pyarrow', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_version_names_commit_and_counting(bench: Run) -> None:
    assert f"counting: {engine()}" in bench("--version").stdout


def test_listings_are_tables_json_or_names(bench: Run) -> None:
    assert {entry["name"] for entry in printed_json(bench("list", "methods", "--json"))} >= {"threshold", "unet"}
    assert bench("list", "datasets", "--quiet").stdout.split() == [
        *("camvid", "cityscapes", "cocostuff", "drive", "folder", "isbi2012", "medaka", "voc2012"),
    ]
    assert bench("--quiet", "list", "presets").stdout.split() == ["quick", "standard", "paper"]
    assert "Otsu" in bench("list", "methods").stdout


def test_describe_names_licence_and_citation(bench: Run) -> None:
    about = printed_json(bench("data", "describe", "isbi", "--json"))
    assert about["name"] == "isbi2012"
    assert about["splits"]["train"]["official_size"] == 20
    text = bench("data", "describe", "heartseg").stdout
    assert "LGPL-3.0" in text
    assert "Schutera" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--dataset", "medka", "--method", "unet"], "Unknown dataset 'medka'. Did you mean 'medaka'?"),
        (["run", "--dataset", "medaka", "--method", "umet"], "Unknown method 'umet'. Did you mean 'unet'?"),
        (["run", "-d", "isbi", "-m", "unet", "--preset", "quik"], "Did you mean 'quick'?"),
        (["run", "-d", "isbi", "-m", "unet", "--set", "learning_rat=1"], "Did you mean 'learning_rate'?"),
        (["run", "-d", "isbi", "-m", "unet", "--set", "epochs"], "key=value"),
        (["run", "-d", "isbi", "-m", "threshold", "--root", "nowhere"], "--root 'nowhere' does not exist"),
        (["run", "-d", "isbi", "-m", "threshold", "--source", "real"], "No data of isbi2012 found"),
        (["evaluate", "-d", "isbi", "--root", ".", "-p", "x.tif"], "no ISBI 2012 stack below"),
        (["data", "verify", "medaka", "--root", "."], "no masks of medaka"),
        (["leaderboard", "nowhere"], "'nowhere' does not exist"),
        (["run", "--dataset", "isbi"], "Missing option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_ends_with_2_and_one_message(bench: Run, arguments: list[str], words: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_the_golden_stack_through_the_command_line(bench: Run, golden_isbi: Path) -> None:
    cases = json.loads((ROOT / "tests" / "golden" / "isbi2012" / "scores.json").read_text())["cases"]
    for case in (c for c in cases if c.get("files", {}).get("labels") == "train-labels.tif"):
        record = printed_json(
            bench(
                *("evaluate", "--dataset", "isbi2012", "--root", golden_isbi, "--split", "all", "--json"),
                *("--predictions", golden_isbi / case["files"]["prediction"]),
            )
        )
        scores = {name: score["value"] for name, score in record["scores"].items()}
        assert scores["v_rand"] == pytest.approx(case["official_stack"]["V_Rand_thinned"], abs=1e-12)
        assert scores["v_info"] == pytest.approx(case["official_stack"]["V_Info_thinned"], abs=1e-12)
        assert record["complete"]
        assert record["main_score"] == "v_rand"
        assert record["method"]["family"] == "external"
        assert record["method"]["name"] == Path(case["files"]["prediction"]).stem
    done = bench("evaluate", "-d", "isbi", "--root", golden_isbi, "-p", golden_isbi / "train-labels.tif")
    assert done.returncode == 2
    assert "has 4" in done.stderr


def _halves(stacks: Path, folder: Path, pages: range = range(25, 30)) -> Path:
    """Predictions of the test slices as single images: truth with its upper half taken away."""
    folder.mkdir(exist_ok=True)
    labels = tifffile.imread(stacks / "train-labels.tif")
    for page in pages:
        values = labels[page].copy()
        values[: len(values) // 2] = 0
        Image.fromarray(values).save(folder / f"slice-{page:02d}.png")
    return folder


def test_single_images_a_split_stack_and_a_whole_stack_score_alike(bench: Run, stacks: Path, tmp_path: Path) -> None:
    folder = _halves(stacks, tmp_path / "single")
    pages = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
    tifffile.imwrite(tmp_path / "split.tif", pages, photometric="minisblack")
    whole = np.concatenate([np.zeros((25, *pages.shape[1:]), np.uint8), pages])
    tifffile.imwrite(tmp_path / "whole.tif", whole, photometric="minisblack")
    np.save(tmp_path / "float.npy", pages.astype(np.float32) / 255)
    results = [
        printed_json(bench("evaluate", "-d", "isbi2012", "--root", stacks, "-p", tmp_path / name, "--json"))
        for name in ("single", "split.tif", "whole.tif", "float.npy")
    ]
    assert len({json.dumps(result["scores"]) for result in results}) == 1
    assert results[0]["dataset"]["n"] == 5
    assert 0 < results[0]["scores"]["dice"]["value"] < 1


def test_missing_duplicate_and_extra_predictions(bench: Run, stacks: Path, tmp_path: Path) -> None:
    folder = _halves(stacks, tmp_path / "p", range(25, 29))
    command = ["evaluate", "-d", "isbi2012", "--root", stacks, "-p", folder, "--json"]
    done = bench(*command)
    assert done.returncode == 2
    assert "1 of 5 samples have no prediction" in done.stderr
    assert "slice-29" in done.stderr
    assert not (tmp_path / "runs").exists()
    partial = printed_json(bench(*command, "--partial"))
    assert (partial["complete"], partial["dataset"]["n"]) == (False, 4)
    _halves(stacks, folder)
    shutil.copy(folder / "slice-25.png", folder / "slice-03.png")
    extra = printed_json(bench(*command))
    assert any("slice-03.png" in warning for warning in extra["warnings"])
    (folder / "again").mkdir()
    shutil.copy(folder / "slice-25.png", folder / "again" / "slice-25.png")
    done = bench(*command)
    assert done.returncode == 2
    assert "more than one prediction" in done.stderr
    assert "slice-25" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("size", np.zeros((5, 40, 48), np.uint8), "40 x 48"),
        ("pages", np.zeros((7, 48, 48), np.uint8), "has 7 pages"),
        ("deep", np.zeros((5, 48, 48), np.uint16), "uint16"),
        ("range", np.full((5, 48, 48), 2, np.float32), "values from 2 to 2"),
        ("nan", np.full((5, 48, 48), np.nan, np.float32), "NaN"),
    ],
)
def test_impossible_predictions_end_with_2(
    bench: Run, stacks: Path, tmp_path: Path, name: str, content: np.ndarray, words: str
) -> None:
    path = tmp_path / f"{name}.tif"
    tifffile.imwrite(path, content, photometric="minisblack")
    done = bench("evaluate", "-d", "isbi2012", "--root", stacks, "-p", path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_truncated_prediction_ends_with_2(bench: Run, stacks: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", np.zeros((5, 48, 48), np.uint8), photometric="minisblack")
    (tmp_path / "cut.tif").write_bytes((tmp_path / "whole.tif").read_bytes()[:6000])
    done = bench("evaluate", "-d", "isbi2012", "--root", stacks, "-p", tmp_path / "cut.tif")
    assert done.returncode == 2
    assert "cut.tif" in done.stderr
    assert "Traceback" not in done.stderr


def test_slices_numbered_from_1_are_refused(bench: Run, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "shifted").mkdir()
    for number, page in enumerate(tifffile.imread(stacks / "train-labels.tif"), 1):
        Image.fromarray(page).save(tmp_path / "shifted" / f"{number:02d}.png")
    done = bench("evaluate", "-d", "isbi2012", "--root", stacks, "-p", "shifted")
    assert done.returncode == 2
    assert "slices count from 0" in done.stderr


@pytest.mark.slow
def test_the_marker_above_a_root_makes_it_synthetic(bench: Run, hearts: Path, tmp_path: Path) -> None:
    (hearts / "segbench-synthetic.json").write_text("{}")
    masks = hearts / "train_images" / "lateral_mask"
    command = ["evaluate", "-d", "medaka", "--root", hearts / "train_images", "--split", "all", "-p", masks]
    assert printed_json(bench(*command, "--no-plots", "--json"))["dataset"]["origin"] == "synthetic"
    shutil.copytree(hearts, tmp_path / "data" / "medaka")
    done = bench("run", "-d", "medaka", "-m", "threshold", "--source", "real")
    assert done.returncode == 2
    assert "No data of medaka found" in done.stderr


@pytest.mark.slow
def test_synthetic_data_of_an_earlier_generator_is_told(bench: Run, tmp_path: Path) -> None:
    hearts = write_hearts(tmp_path / "hearts", sequences=1, frames=2)
    masks = hearts / "test_images" / "lateral_mask"
    command = ["evaluate", "-d", "medaka", "--root", hearts, "-p", masks, "--no-plots", "--json"]
    for marker, told in (
        ({"version": "1", "seed": 7}, f"--root {hearts} --seed 7"),
        ({"version": "1", "seed": 0, "plan": json.loads(json.dumps(asdict(FULL)))}, "--seed 0 --full"),
        ({"version": GENERATOR_VERSION, "seed": 7}, None),
        ({"version": 1, "seed": 7}, None),
        ({}, None),
        ([], None),
    ):
        (hearts / "segbench-synthetic.json").write_text(json.dumps(marker))
        warnings = [w for w in printed_json(bench(*command))["warnings"] if "of its generator" in w]
        assert len(warnings) == (told is not None)
        assert told is None or warnings[0].endswith(told)
    (hearts / "segbench-synthetic.json").write_text("{")
    assert printed_json(bench(*command))["dataset"]["origin"] == "synthetic"


@pytest.mark.slow
def test_odd_names_do_not_stop_a_result(bench: Run, bench_process: Run, stacks: Path, tmp_path: Path) -> None:
    odd = tmp_path / "übung 日本.v0.5"
    _halves(stacks, odd)
    record = printed_json(
        bench_process("evaluate", "-d", "isbi2012", "--root", stacks, "-p", odd, "--json", PYTHONIOENCODING="ascii")
    )
    assert record["method"]["name"] == "übung 日本.v0.5"
    done = bench("evaluate", "-d", "isbi2012", "--root", stacks, "-p", odd, "--name", "../../x[bold]\x1b[2J")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "[bold]" in done.stdout
    assert not (tmp_path.parent / "x").exists()


def test_0_and_1_in_8_bits_are_read_over_255_with_a_warning(bench: Run, stacks: Path, tmp_path: Path) -> None:
    ones = (tifffile.imread(stacks / "train-labels.tif")[25:] // 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "ones.tif", ones, photometric="minisblack")
    record = printed_json(bench("evaluate", "-d", "isbi", "--root", stacks, "-p", tmp_path / "ones.tif", "--json"))
    assert any("1/255" in warning for warning in record["warnings"])
    assert record["scores"]["v_rand"]["value"] == 1.0
    assert record["scores"]["dice"]["value"] == 0.0


@pytest.mark.slow
def test_evaluate_needs_no_images(bench: Run, hearts: Path, tmp_path: Path) -> None:
    predictions = tmp_path / "predictions"
    shutil.copytree(hearts / "test_images" / "lateral_mask", predictions)
    for folder in hearts.glob("*/*gray"):
        shutil.rmtree(folder)
    record = printed_json(bench("evaluate", "-d", "medaka", "--root", hearts, "-p", predictions, "--json"))
    assert record["scores"]["dice"]["value"] == 1.0
    assert record["scores"]["dice"]["resampled"] == "groups"
    assert record["dataset"]["origin"] == "real"
    assert any("the official one has 550" in warning for warning in record["warnings"])
    # Masks are drawn on grey.
    (plots,) = (tmp_path / "runs").glob("*/plots")
    assert (plots / "overlay.mp4").stat().st_size > 1000


@pytest.mark.slow
def test_leaderboards_rank_and_are_stable(bench: Run, stacks: Path, tmp_path: Path) -> None:
    labels = tifffile.imread(stacks / "train-labels.tif")[25:]
    for name, content in (("good", labels), ("bad", np.roll(labels, 9, axis=2)), ("a|b<script>", labels)):
        tifffile.imwrite(tmp_path / "p.tif", content, photometric="minisblack")
        assert bench("evaluate", "-d", "isbi", "--root", stacks, "-p", "p.tif", "--name", name).returncode == 0
    shutil.copytree(tmp_path / "runs", tmp_path / "elsewhere")
    backwards = sorted((tmp_path / "elsewhere").iterdir(), reverse=True)
    assert bench("leaderboard", "runs", "--out", "one").returncode == 0
    assert bench("leaderboard", *backwards, "--out", "two").returncode == 0
    pages = [(tmp_path / out / "isbi2012.md").read_bytes() for out in ("one", "two")]
    assert pages[0] == pages[1]
    rows = [line for line in pages[0].decode().splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in row.replace("\\|", "¦").split("|")[1:-1]] for row in rows]
    # Five slices tell the shifted labels from the true ones; two equal runs share their ranks.
    assert [row[0] for row in cells[:3]] == ["1–2", "1–2", "3"]
    assert cells[2][1] == "◆ bad"
    assert "<script>" not in pages[0].decode().replace("\\<", "")
    ranked = printed_json(bench("leaderboard", "runs", "--json"))
    assert [row["rank"] for row in ranked[0]["rows"]] == [1, 1, 3]
    (tmp_path / "runs" / "broken").mkdir()
    whole = next((tmp_path / "elsewhere").iterdir()) / "record.json"
    infinite = whole.read_text().replace('"value": ', '"value": Infinity, "was": ', 1)
    for text in ('{"schema_version": 1}', "[" * 100_000, "", infinite):
        (tmp_path / "runs" / "broken" / "record.json").write_text(text)
        done = bench("leaderboard", "runs")
        assert done.returncode == 2
        assert "broken" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_data_commands(bench: Run, stacks: Path, tmp_path: Path) -> None:
    fine = printed_json(bench("data", "verify", "isbi2012", "--root", stacks, "--json"))
    assert fine["faults"] == []
    write_stacks(tmp_path / "short", slices=4)
    done = bench("data", "verify", "isbi2012", "--root", tmp_path / "short")
    assert done.returncode == 1
    assert "has 4 pages; the official stack has 30" in done.stdout
    (stacks / "train-labels.tif").write_bytes((stacks / "train-labels.tif").read_bytes()[:3000])
    done = bench("data", "verify", "isbi2012", "--root", stacks, "--json")
    assert done.returncode == 1
    assert any("truncated" in fault for fault in json.loads(done.stdout)["faults"])
    stacks = write_stacks(tmp_path / "again")
    status = printed_json(bench("data", "status", "isbi2012", "--root", stacks, "--json"))
    assert status["places"][0]["found"]
    assert status["places"][0]["splits"]["test"] == 5
    assert not status["places"][1]["found"]


@pytest.mark.slow
def test_a_users_own_folder_of_plugins(bench: Run, stacks: Path, tmp_path: Path) -> None:
    (tmp_path / "own" / "baselines").mkdir(parents=True)
    (tmp_path / "own" / "datasets").mkdir()
    shipped = (ROOT / "datasets" / "isbi2012.py").read_text()
    mine = shipped.replace('name="isbi2012"', 'name="mine"').replace('aliases=("isbi",)', "aliases=()")
    mine = mine.replace("        synthesizable=True,\n", "")
    (tmp_path / "own" / "datasets" / "mine.py").write_text(mine)
    plugins = {"SEGBENCH_PLUGINS": str(tmp_path / "own")}
    assert "mine" in bench("list", "datasets", "-q", **plugins).stdout.split()
    shutil.copy(stacks / "train-labels.tif", tmp_path / "all.tif")
    record = printed_json(
        bench("evaluate", "-d", "mine", "--root", stacks, "-p", "all.tif", "--workers", "2", "--json", **plugins)
    )
    assert record["scores"]["v_rand"]["value"] == 1.0
    done = bench("data", "synthesize", "mine", **plugins)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no synthetic mine" in done.stderr
    done = bench("run", "-d", "mine", "-m", "threshold", **plugins)
    assert done.returncode == 2
    assert "No data of mine found" in done.stderr
    (tmp_path / "own" / "baselines" / "broken.py").write_text("import no_such_module")
    done = bench("list", "methods", "-q", **plugins)
    assert (done.returncode, "threshold" in done.stdout.split()) == (0, True)
    assert done.stderr.count("broken.py") == 1
    done = bench("run", "-d", "isbi2012", "--root", stacks, "-m", "broken", **plugins)
    assert (done.returncode, "no_such_module" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


@pytest.mark.slow
def test_an_added_metric_family_does_not_keep_runs_apart(bench: Run, hearts: Path) -> None:
    predictions = hearts / "test_images" / "lateral_mask"
    command = ["evaluate", "-d", "medaka", "--root", hearts, "-p", predictions, "--no-plots"]
    assert bench(*command, "--name", "plain").returncode == 0
    added = printed_json(bench(*command, "--name", "more", "--metric", "partition", "--json"))
    assert added["metrics"]["partition"] == "1"
    assert added["scores"]["v_rand"]["value"] is not None
    boards = printed_json(bench("leaderboard", "runs", "--json"))
    assert [len(board["rows"]) for board in boards] == [2]
    assert "v_rand" not in bench("leaderboard", "runs").stdout
    done = bench(*command, "--metric", "partitoin")
    assert done.returncode == 2
    assert "Did you mean 'partition'?" in done.stderr
