"""`bench cardiac`: masks, stacks, truth, a video with a trained run, what is written, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from beating import BeatingHeart, Bool, Plan
from commands import Run, printed_json
from places import ROOT
from segbench.commands.run import RunRequest
from segbench.commands.run import run as do_run
from segbench.io.images.video import read_video, write_video
from segbench.io.reporter import Reporter
from segbench.runs.record import read_record
from synthetic_roots import write_hearts

pytestmark = pytest.mark.slow

PLAN = Plan(seed=4, fps=15, rate_bpm=90, ef=0.6, seconds=3, contraction=0.5)


@cache
def drawn(plan: Plan) -> tuple[Bool, ...]:
    return tuple(BeatingHeart(plan).masks())


def write(folder: Path, masks: tuple[Bool, ...], first: int = 0, skip: tuple[int, ...] = ()) -> Path:
    """Masks by file number, some left out."""
    folder.mkdir(parents=True)
    for n, mask in enumerate(masks):
        if n not in skip:
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{first + n:04d}_mask.png")
    return folder


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A SYNTHETIC heart from file number 100 on, without number 117."""
    return write(tmp_path / "masks", drawn(PLAN), first=100, skip=(17,))


SEQUENCE_KEYS = {"first_frame", "last_frame", "n_frames", "missing", "fps", "pixel_size_um", "frames", "beats",
                 "heart_rate_bpm", "heart_rate_bps", "ef", "fs_minor", "fs_major"}  # fmt: skip
FRAME_KEYS = {"frame", "area_px", "axis_major_px", "axis_minor_px", "equivalent_diameter_px", "volume_px3", "flags"}
BEAT_KEYS = {"diastolic_frame", "systolic_frame", "heart_rate_bpm", "fs_minor", "fs_major", "fac", "ef",
             "stroke_volume_px3"}  # fmt: skip


def test_json_has_the_keys_of_the_contract(masks: Path, bench: Run) -> None:
    block = printed_json(bench("cardiac", masks, "--json"))
    assert set(block) >= {"sequences", "summary"}
    (sequence,) = block["sequences"]
    assert set(sequence) >= SEQUENCE_KEYS
    assert (sequence["first_frame"], sequence["last_frame"], sequence["n_frames"]) == (100, 144, 44)
    assert sequence["missing"] == [117]
    assert sequence["fps"] == 15
    # 180 x 240 is 480 x 640 made smaller, so a pixel is larger.
    assert sequence["pixel_size_um"] == pytest.approx(1.115 * 480 / 180)
    assert all(set(frame) >= FRAME_KEYS for frame in sequence["frames"])
    assert [frame["frame"] for frame in sequence["frames"]] == [n for n in range(45) if n != 17]
    assert len(sequence["beats"]) >= 3
    assert all(set(beat) >= BEAT_KEYS for beat in sequence["beats"])
    assert sequence["beats"][-1]["heart_rate_bpm"] in (None, 90)
    assert sequence["heart_rate_bpm"] == 90
    assert sequence["heart_rate_bps"] == 1.5
    for name in ("ef", "fs_minor", "fs_major"):
        values = [beat[name] for beat in sequence["beats"]]
        found = sequence[name]
        assert found["mean"] == pytest.approx(np.mean(values))
        assert found["std"] == pytest.approx(np.std(values, ddof=1))
        assert [found["q25"], found["median"], found["q75"]] == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))


def test_a_stack_is_a_folder_in_one_file(bench: Run, tmp_path: Path) -> None:
    write(tmp_path / "heart", drawn(PLAN))
    tifffile.imwrite(tmp_path / "heart.tif", np.stack(drawn(PLAN)).astype(np.uint8) * 255, photometric="minisblack")
    folder, stack = (printed_json(bench("cardiac", name, "--json")) for name in ("heart", "heart.tif"))
    assert folder["sequences"] == stack["sequences"]
    assert folder["summary"] == stack["summary"]


def test_settings_are_obeyed(masks: Path, bench: Run) -> None:
    block = printed_json(bench("cardiac", masks, "--fps", "30", "--pixel-size-um", "0.5", "--json"))
    sequence = block["sequences"][0]
    assert (sequence["heart_rate_bpm"], sequence["pixel_size_um"], sequence["fps"]) == (180, 0.5, 30)
    assert sequence["frames"][0]["area_um2"] == pytest.approx(sequence["frames"][0]["area_px"] / 4)
    assert "--fps 30" in block["command"]
    strict = printed_json(bench("cardiac", masks, "--distance", "15", "--json"))
    assert strict["sequences"][0]["heart_rate_bpm"] < 90
    done = bench("cardiac", masks)
    assert done.returncode == 0
    told = " ".join(done.stdout.split())
    assert "15 frames per second were assumed: the input does not say its rate, so HeartSeg's is taken" in told
    assert "90.0" in done.stdout


def test_pieces_are_measured_as_they_are_or_cleaned(bench: Run, tmp_path: Path) -> None:
    dirty = [mask.copy() for mask in drawn(PLAN)]
    for mask in dirty:
        mask[:4, :4] = True
    write(tmp_path / "dirty", tuple(dirty))
    write(tmp_path / "whole", drawn(PLAN))
    as_is, clean, whole = (
        printed_json(bench("cardiac", *words, "--json"))["sequences"][0]
        for words in (("dirty",), ("dirty", "--clean"), ("whole",))
    )
    assert {tuple(frame["flags"]) for frame in as_is["frames"]} == {("components", "border")}
    assert clean["frames"] == whole["frames"]
    assert as_is["frames"][0]["area_px"] == whole["frames"][0]["area_px"] + 16


def test_files_are_written_and_hold_what_is_printed(masks: Path, bench: Run, tmp_path: Path) -> None:
    block = printed_json(bench("cardiac", masks, "--out", "found", "--json"))
    folder = tmp_path / "found"
    assert json.loads((folder / "cardiac.json").read_text())["sequences"] == block["sequences"]
    for name in ("frames", "beats"):
        rows = list(csv.DictReader((folder / f"{name}.csv").open()))
        table = pd.read_parquet(folder / f"{name}.parquet")
        assert list(table.columns) == list(rows[0])
        assert len(table) == len(rows) == len(block["sequences"][0][name])
        wanted = {"frames": "area_px", "beats": "ef"}[name]
        assert table[wanted].tolist() == [row[wanted] for row in block["sequences"][0][name]]
    first, second = pd.read_parquet(folder / "beats.parquet").to_dict("records")[:2]
    assert first["diastole_s"] == first["diastolic_frame"] / 15
    assert first["interval_s"] == pytest.approx(second["diastole_s"] - first["diastole_s"])
    emptied = first["end_diastolic_volume_nl"] - first["end_systolic_volume_nl"]
    assert emptied == pytest.approx(first["stroke_volume_nl"])
    frames = pd.read_parquet(folder / "frames.parquet")
    assert frames["number"].tolist()[15:19] == [115, 116, 118, 119]
    assert frames["time_s"].tolist()[17] == 18 / 15
    assert all((tmp_path / path).is_file() for path in block["files"])
    assert any(path.endswith(".png") for path in block["files"])
    # It may be written again, and without plots.
    again = printed_json(bench("cardiac", masks, "--out", "found", "--no-plots", "--json"))
    assert not any(path.endswith(".png") for path in again["files"])
    # Another film does not replace it.
    shutil.copytree(masks, tmp_path / "other")
    refused = bench("cardiac", "other", "--out", "found")
    assert refused.returncode == 2
    assert "'found' holds the result of" in refused.stderr
    assert json.loads((folder / "cardiac.json").read_text())["input"] == str(masks)


def test_truth_gives_errors_and_verdicts(masks: Path, bench: Run, tmp_path: Path) -> None:
    """Another outline of the same heart; one true frame has no mask."""
    write(tmp_path / "predicted", drawn(replace(PLAN, noise_px=0.4)), first=100, skip=(17, 23))
    block = printed_json(bench("cardiac", "predicted", "--truth", masks, "--json"))
    scores, agreement = block["scores"], block["agreement"]
    # One film has one heart rate, which says nothing of others.
    assert scores["heart_rate_error_bpm"]["value"] is not None
    assert scores["heart_rate_error_bpm"]["low"] is scores["heart_rate_error_bpm"]["high"] is None
    for name in ("fs_minor_error_pp", "fs_major_error_pp", "fs_minor_error_relative",
                 "fs_major_error_relative", "ef_error_pp", "beat_detection_rate", "beat_frame_error"):  # fmt: skip
        assert scores[name]["value"] is not None
        assert scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"]
    assert scores["fs_minor_error_pp"]["unit"] == "pp"
    assert 0 < scores["fs_minor_error_pp"]["value"] < 5
    assert agreement["n_true_beats"] == agreement["n_matched_beats"] >= 3
    alone = printed_json(bench("cardiac", "predicted", "--json"))
    assert block["sequences"] == alone["sequences"]
    assert block["summary"] == alone["summary"]
    assert agreement["verdicts"]["fs_minor"]["verdict"] == "better than human"
    assert len(block["truth"]) == 1
    # Without frame 123, which the truth has.
    assert block["dice"]["n_frames"] == 43
    assert 0.97 < block["dice"]["pooled"] < 1
    assert "dice" not in alone
    done = bench("cardiac", "predicted", "--truth", masks, "--out", "judged")
    assert done.returncode == 0
    assert "1 true frame without a mask" in done.stderr
    assert "better than human" in done.stdout
    assert f"Dice of the masks: {block['dice']['pooled']:.4f} over all pixels" in done.stdout
    assert (tmp_path / "judged" / "plots" / "bland-altman-fs-minor.png").is_file()
    same = printed_json(bench("cardiac", masks, "--truth", masks, "--json"))
    assert {same["scores"][name]["value"] for name in scores if "error" in name} == {0}


def test_masks_that_flicker_are_said_to_be_read_otherwise(bench: Run, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    clean = drawn(PLAN)
    shaken = tuple(
        (cv2.dilate if random.random() < 0.5 else cv2.erode)(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        for mask in clean
    )
    write(tmp_path / "shaken", shaken)
    done = bench("cardiac", "shaken", "--json")
    assert "--clean --pulsation --smoothing 2 --refractory 0.5" in done.stderr
    assert "'shaken': " in done.stderr
    said = ("--clean", "--pulsation", "--smoothing", "2", "--refractory", "0.5")
    steady = bench("cardiac", "shaken", *said, "--json")
    assert "masks that flicker" not in steady.stderr
    true = printed_json(bench("cardiac", write(tmp_path / "clean", clean), "--json"))["sequences"][0]
    one, other = (printed_json(each)["sequences"][0]["heart_rate_bpm"] for each in (done, steady))
    assert abs(other - true["heart_rate_bpm"]) < abs(one - true["heart_rate_bpm"])


def test_masks_of_another_size_than_the_truth_are_judged_in_micrometres(
    masks: Path, bench: Run, tmp_path: Path
) -> None:
    """128 x 128 for 180 x 240: their pixels are not square, so axes in pixels would give another shortening."""
    (tmp_path / "small").mkdir()
    for path in masks.iterdir():
        small = Image.open(path).resize((128, 128), Image.Resampling.NEAREST)
        small.save(tmp_path / "small" / path.name)
    block = printed_json(bench("cardiac", "small", "--truth", masks, "--json"))
    height, width = block["sequences"][0]["pixel_size_um"]
    assert (height, width) == pytest.approx((1.115 * 480 / 128, 1.115 * 640 / 128))
    assert block["scores"]["heart_rate_error_bpm"]["value"] == 0
    assert block["scores"]["fs_minor_error_pp"]["value"] < 1
    assert block["scores"]["fs_major_error_pp"]["value"] < 1
    frame = block["sequences"][0]["frames"][0]
    assert frame["axis_major_um"] / frame["axis_major_px"] not in (height, width)


def test_sequences_that_would_share_a_name_are_refused(bench: Run, tmp_path: Path) -> None:
    for folder in ("a__b", "a/b"):
        write(tmp_path / "all" / folder, drawn(PLAN)[:3])
    done = bench("cardiac", "all")
    assert done.returncode == 2
    assert "a__b" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing-here",), "does not exist"),
        (("empty",), "holds no mask"),
        (("masks", "--fps", "0"), "positive number"),
        (("masks", "--fps", "-3"), "positive number"),
        (("masks", "--pixel-size-um", "0"), "positive number"),
        (("masks", "--pixel-size-um", "nan"), "positive number"),
        (("masks", "--prominence", "1.5"), "prominence"),
        (("masks", "--distance", "0"), "distance"),
        (("masks", "--truth", "elsewhere"), "does not exist"),
        (("masks", "--truth", "later"), "no frame"),
        (("masks", "--out", "masks"), "no result of 'bench cardiac'"),
        (("masks", "--run", "no-run"), "no-run"),
        (("video.mp4",), "--run"),
        (("masks.zip",), "archive"),
        (("twice",), "number"),
        (("grey",), "grey"),
        (("sizes",), "one size"),
    ],
)
@pytest.mark.usefixtures("masks")
def test_wrong_input_is_one_message(words: tuple[str, ...], said: str, bench: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "video.mp4").write_bytes(b"no video")
    (tmp_path / "masks.zip").write_bytes(b"PK")
    write(tmp_path / "later", drawn(PLAN)[:5], first=900)
    for name in ("twice", "grey", "sizes"):
        write(tmp_path / name, drawn(PLAN)[:3])
    Image.fromarray(drawn(PLAN)[0]).save(tmp_path / "twice" / "2.png")
    Image.fromarray(np.arange(180 * 240, dtype=np.uint8).reshape(180, 240)).save(tmp_path / "grey" / "0001_mask.png")
    Image.fromarray(drawn(PLAN)[0][:90]).save(tmp_path / "sizes" / "0001_mask.png")
    done = bench("cardiac", *words)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `threshold` on SYNTHETIC discs."""
    base = tmp_path_factory.mktemp("cardiac")
    root = write_hearts(base / "hearts", sequences=2)
    do_run(RunRequest("medaka", "threshold", root=root, out=base / "threshold", plots=False), Reporter(quiet=True))
    return base


def write_beating_video(path: Path, fps: float = 15.0) -> Path:
    """A SYNTHETIC video: a bright heart on grey."""
    masks = drawn(replace(PLAN, fps=fps, noise_px=0.2))
    random = np.random.default_rng(2)
    frames = (np.where(mask, 180, 60) + random.integers(-15, 16, mask.shape) for mask in masks)
    write_video(path, (np.repeat(frame.astype(np.uint8)[:, :, None], 3, axis=2) for frame in frames), fps)
    return path


def test_a_video_and_a_run_give_the_numbers_and_the_overlay(trained: Path, bench: Run, tmp_path: Path) -> None:
    """One line: the rate of the video is taken, and masks, tables, plots and the overlay are left in a folder."""
    write_beating_video(tmp_path / "fish.mp4", fps=20)
    block = printed_json(bench("cardiac", "fish.mp4", "--run", trained / "threshold", "--json"))
    (sequence,) = block["sequences"]
    assert sequence["name"] == "fish"
    assert sequence["fps"] == 20
    assert sequence["heart_rate_bpm"] == pytest.approx(90, rel=0.03)
    assert sequence["ef"]["mean"] == pytest.approx(0.6, abs=0.06)
    folder = tmp_path / "cardiac" / "fish"
    assert len(list((folder / "masks").glob("*.png"))) == 60
    assert (folder / "plots" / "film-strip.png").is_file()
    overlaid = read_video(folder / "overlay.mp4")
    assert (overlaid.fps, len(overlaid)) == (20, 60)
    whole = bench("cardiac", folder, "--json")
    assert whole.returncode == 2
    assert f"'{Path('cardiac') / 'fish' / 'masks'}'" in whole.stderr.replace(f"{tmp_path}/", "")
    # The masks that were kept give the same numbers without the run, and with all that was taken for them.
    same = bench("cardiac", folder / "masks", "--json")
    assert "were written by a run" in " ".join(same.stderr.split())
    same_block = json.loads(same.stdout)
    assert same_block["cleaned"] is True
    assert same_block["sequences"][0]["fps"] == 20
    assert same_block["sequences"][0]["beats"] == sequence["beats"]
    kept = printed_json(bench("cardiac", folder / "masks", "--fps", "20", "--clean", "--smoothing", "1", "--json"))
    assert kept["sequences"][0]["beats"] == sequence["beats"]
    again = printed_json(bench("cardiac", "fish.mp4", "--run", trained / "threshold", "--no-plots", "--json"))
    assert again["sequences"] == block["sequences"]


def test_a_film_without_a_ventricle_is_named_with_the_run_that_found_none(
    trained: Path, bench: Run, tmp_path: Path
) -> None:
    write_video(tmp_path / "dark.mp4", (np.full((60, 80, 3), 20 + n % 2, np.uint8) for n in range(12)), 15)
    done = bench("cardiac", "dark.mp4", "--run", trained / "threshold", "--no-plots", "--json")
    assert done.returncode == 1, done.stderr
    run_id = read_record(trained / "threshold").run_id
    said = " ".join(done.stderr.split())
    assert f"'dark': no ventricle found in any of 12 frames by {run_id}. It was trained on medaka" in said
    block = json.loads(done.stdout)
    assert block["no_ventricle"] == ["dark"]
    assert block["sequences"][0]["flags"] == ["no_beat", "no_rate"]


def test_only_the_empty_one_of_several_films_is_named(bench: Run, tmp_path: Path) -> None:
    full, empty = drawn(PLAN), tuple(np.zeros_like(mask) for mask in drawn(PLAN)[:20])
    write(tmp_path / "films" / "seen", full)
    write(tmp_path / "films" / "unseen", empty)
    # One frame with a ventricle makes a film that is none of these, whatever else is wrong with it.
    write(tmp_path / "films" / "once", (*empty, full[0]))
    done = bench("cardiac", "films", "--json")
    assert done.returncode == 1
    block = json.loads(done.stdout)
    assert len(block["no_ventricle"]) == 1
    assert "unseen" in block["no_ventricle"][0]
    assert "no ventricle found in any of 20 frames" in " ".join(done.stderr.split())
    whole = bench("cardiac", "films/seen", "--json")
    assert whole.returncode == 0
    assert "no_ventricle" not in json.loads(whole.stdout)


def test_a_run_on_medaka_holds_the_block(trained: Path) -> None:
    record = read_record(trained / "threshold")
    block: dict[str, Any] = record.details["cardiac"]
    assert set(block) >= {"sequences", "summary", "truth", "agreement"}
    assert block["agreement"]["verdicts"].keys() == {"fs_minor", "fs_major"}
    assert record.scores["fs_minor_error_pp"].unit == "pp"


def test_a_deviation_has_the_digits_of_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Not "0.414 ± 6e-17 nL", and no "EF – %" where there is no beat."""
    from rich.console import Console

    from segbench.cardiac.blocks import SummaryBlock
    from segbench.cli.cardiac_output import summary

    record = read_record(ROOT / "leaderboards" / "records" / "medaka-unet-dded3d8e")
    block = SummaryBlock.model_validate(record.details["cardiac"]["summary"])
    volume = block.stroke_volume_nl.model_copy(update={"mean": 0.4142, "std": 6e-17})
    summary(Console(width=200), block.model_copy(update={"stroke_volume_nl": volume}))
    assert "stroke volume 0.414 ± 0.000 nL" in capsys.readouterr().out
    none = record.details["cardiac"]["summary"] | {"n_beats": 0}
    nothing = dict.fromkeys(("mean", "std", "median", "q25", "q75")) | {"n": 0}
    measures = ("heart_rate_bpm", "ef", "fs_minor", "fs_major", "stroke_volume_nl")
    summary(Console(width=200), SummaryBlock.model_validate(none | dict.fromkeys(measures, nothing)))
    assert capsys.readouterr().out.strip() == "0 beats in 12 sequences"


def test_too_few_beats_are_given_as_the_reason_for_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from segbench.cli.cardiac_agreement_output import of_record

    for name, said in (("canny-a06cf9d2", True), ("unet-dded3d8e", False)):
        record = read_record(ROOT / "leaderboards" / "records" / f"medaka-{name}")
        of_record(Console(width=80), record.details["cardiac"], record.scores)
        printed = " ".join(capsys.readouterr().out.split())
        assert ("fewer than 80% of the true beats were found" in printed) == said
        assert "percentage points (pp), not about the relative error, and rest on" in printed
        assert f"rest on {record.details['cardiac']['agreement']['n_matched_beats']} beats of 12 films" in printed
