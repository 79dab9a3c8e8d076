"""Time and space of films in `bench cardiac` and `bench predict`: axes, frame interval, pixel size, names of files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from beating import BeatingHeart, Plan
from commands import Run, printed_json
from segbench.commands.run import RunRequest
from segbench.commands.run import run as do_run
from segbench.io.reporter import Reporter
from synthetic_roots import write_hearts

pytestmark = pytest.mark.slow

PLAN = Plan(seed=4, fps=30, rate_bpm=120, ef=0.6, seconds=2, contraction=0.5)


@cache
def masks() -> Any:
    """A SYNTHETIC heart of 120 beats a minute at 30 frames a second, (N, H, W) of 0 and 255."""
    return np.stack(list(BeatingHeart(PLAN).masks())).astype(np.uint8) * np.uint8(255)


def write_hyperstack(path: Path, axes: str = "TZYX", **metadata: Any) -> Path:
    """The heart in one z-slice (and channel) of several, the others empty."""
    film = masks()
    empty = np.zeros_like(film)
    values = np.stack([empty, film, empty], axis=1)
    if axes == "TZCYX":
        values = np.stack([np.zeros_like(values), values], axis=2)
    tifffile.imwrite(path, values, imagej=True, metadata={"axes": axes, **metadata})
    return path


def test_a_hyperstack_is_refused_or_one_slice_is_chosen(bench: Run, tmp_path: Path) -> None:
    write_hyperstack(tmp_path / "heart.tif", finterval=1 / 30)
    done = bench("cardiac", "heart.tif")
    assert done.returncode == 2
    assert "60 time points x 3 z-slices, axes TZYX" in done.stderr
    assert "--z N (1 to 3)" in done.stderr
    block = printed_json(bench("cardiac", "heart.tif", "--z", "2", "--json"))
    assert block["sequences"][0]["n_frames"] == 60
    assert block["sequences"][0]["heart_rate_bpm"] == pytest.approx(120, rel=0.02)
    assert "--z 2" in block["command"]
    assert bench("cardiac", "heart.tif", "--z", "4").returncode == 2
    write_hyperstack(tmp_path / "both.tif", "TZCYX", finterval=1 / 30)
    assert "--z N (1 to 3) and --channel N (1 to 2)" in bench("cardiac", "both.tif").stderr
    again = printed_json(bench("cardiac", "both.tif", "--z", "2", "--channel", "2", "--json"))
    assert again["sequences"][0]["beats"] == block["sequences"][0]["beats"]


def test_interval_and_pixel_size_are_the_files_own(bench: Run, tmp_path: Path) -> None:
    said = {"axes": "TYX", "finterval": 1 / 30, "unit": "micron"}
    tifffile.imwrite(tmp_path / "heart.tif", masks(), imagej=True, resolution=(2.0, 2.0), metadata=said)
    block = printed_json(bench("cardiac", "heart.tif", "--json"))
    (sequence,) = block["sequences"]
    assert (sequence["fps"], sequence["pixel_size_um"]) == (pytest.approx(30), 0.5)
    assert sequence["heart_rate_bpm"] == pytest.approx(120, rel=0.02)
    assert (block["fps_from"], block["pixel_size_from"], block["warnings"]) == ("file", "file", [])
    words = ("--fps", "15", "--pixel-size-um", "2", "--json")
    done = bench("cardiac", "heart.tif", *words)
    other = json.loads(done.stdout)
    assert (other["sequences"][0]["fps"], other["sequences"][0]["pixel_size_um"]) == (15, 2)
    assert (other["fps_from"], other["pixel_size_from"]) == ("option", "option")
    assert "as --fps says" in done.stderr
    assert "itself says 30" in done.stderr
    assert "itself says 0.5" in done.stderr


def test_a_rate_that_nobody_states_is_warned_of(bench: Run, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "heart.tif", masks(), photometric="minisblack")
    done = bench("cardiac", "heart.tif", "--json", "--quiet")
    block = json.loads(done.stdout)
    assert (block["fps_from"], block["pixel_size_from"]) == ("default", "default")
    warning, of_size = block["warnings"]
    assert "does not say its frames per second: 15" in warning
    assert "does not say the size of its pixels: 1.115" in of_size
    assert "every length and volume rests on it; give your own with --pixel-size-um" in of_size
    assert warning in done.stderr.replace("\n", " ")
    assert of_size in done.stderr.replace("\n", " ")
    said = bench("cardiac", "heart.tif")
    assert "15 frames per second were assumed" in said.stdout
    assert "frames per second" not in said.stderr, "people are told once"
    assert "size of its pixels" not in said.stderr
    assert "pixels of 2.973 µm were assumed" in bench("cardiac", "heart.tif", "--fps", "30").stdout
    done = bench("cardiac", "heart.tif", "--fps", "30", "--pixel-size-um", "1", "--json")
    assert json.loads(done.stdout)["warnings"] == []
    assert "assumed" not in bench("cardiac", "heart.tif", "--fps", "30", "--pixel-size-um", "1").stdout


@pytest.mark.parametrize(("option", "value"), [("--fps", "0"), ("--pixel-size-um", "-1")])
def test_a_number_that_is_none_is_refused_before_anything_is_read(
    bench: Run, tmp_path: Path, option: str, value: str
) -> None:
    done = bench("cardiac", "not-there.mp4", "--run", "no-run", option, value)
    assert done.returncode == 2
    assert f"{option} is a positive number" in done.stderr
    assert not list(tmp_path.iterdir())


def test_slices_alone_are_frames_and_that_is_said(bench: Run, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "heart.tif", masks(), imagej=True, metadata={"axes": "ZYX"})
    done = bench("cardiac", "heart.tif", "--fps", "30", "--json")
    assert json.loads(done.stdout)["sequences"][0]["n_frames"] == 60
    assert "z-slices are taken as the frames" in done.stderr


def test_names_of_films_are_no_markup(bench: Run, tmp_path: Path) -> None:
    """`[b]` in a name was taken for bold by the terminal's library, and left out."""
    for name in ("fish [b] 1", "fish [b] 2"):
        (tmp_path / "films" / "[dim]").mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / "films" / "[dim]" / f"{name}.tif", masks(), photometric="minisblack")
        tifffile.imwrite(tmp_path / "films" / f"{name}.tif", masks()[:1], photometric="minisblack")
    done = bench("cardiac", "films", "--fps", "30")
    assert done.returncode == 0, done.stderr
    table, below = done.stdout.split(" beats in 4 films.")
    assert table.count("fish [b] 1") + table.count("[dim]__fish [b]") >= 2
    assert "  [dim] (2 films): " in below
    flagged = next(line for line in done.stdout.splitlines() if "flagged 'no beat'" in line)
    assert "fish [b] 1, fish [b] 2" in flagged


def test_what_to_do_next_is_said(bench: Run, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "heart.tif", masks(), photometric="minisblack")
    first = bench("cardiac", "heart.tif", "--fps", "30")
    assert "next: bench cardiac heart.tif --fps 30.0 --out heart" in first.stdout
    assert "next:" not in bench("cardiac", "heart.tif", "--fps", "30", "--quiet").stdout
    kept = bench("cardiac", "heart.tif", "--fps", "30", "--truth", "heart.tif", "--out", "heart")
    assert "next: look at heart/plots/area-heart.png" in kept.stdout
    assert "--truth DIR" not in kept.stdout


def test_every_column_is_described_with_its_unit(bench: Run, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "heart.tif", masks(), photometric="minisblack")
    assert bench("cardiac", "heart.tif", "--fps", "30", "--out", "heart", "--no-plots").returncode == 0
    text = (tmp_path / "heart" / "methods.txt").read_text()
    words = " ".join(text.split())
    assert "at 30 frames per second and with pixels of" in words
    assert "(ASSUMED: put yours here)" in words
    for name in ("sequences", "beats", "frames"):
        columns = (tmp_path / "heart" / f"{name}.csv").read_text().splitlines()[0].split(",")
        told = text.partition(f"COLUMNS OF {name}.csv\n\n")[2].partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in told] == columns
        assert all(len(line.split()) > 2 for line in told)


def test_a_film_that_cannot_be_trusted_says_so_wherever_it_is_read(bench: Run, tmp_path: Path) -> None:
    """Masks of which each is wrong by chance: no mean of EF is left to copy, in print, in tables, or over films."""
    random = np.random.default_rng(2)
    good = masks()
    shaken = np.stack([good[int(place)] for place in np.clip(np.arange(60) + random.normal(0, 4, 60), 0, 59)])
    for name, stack in (("good", good), ("shaken", shaken)):
        (tmp_path / "films").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "films" / f"{name}.tif", stack, photometric="minisblack")
    done = bench("cardiac", "films", "--fps", "30", "--out", "found", "--no-plots")
    said = " ".join(done.stdout.split())
    assert "shaken: do not use its" in said
    assert "the masks do not follow the beat" in said
    assert "means over films leave these numbers out (1 of 2 films)" in said
    (row,) = [line for line in done.stdout.splitlines() if line.split()[:1] == ["shaken"]]
    assert row.split().count("unfit") >= 4
    block = json.loads((tmp_path / "found" / "cardiac.json").read_text())
    by_name = {each["name"]: each for each in block["sequences"]}
    assert by_name["good"]["do_not_use"] == by_name["good"]["do_not_use_because"] == []
    assert {"ef", "fs_minor", "stroke_volume_nl"} <= set(by_name["shaken"]["do_not_use"])
    assert "not_following" in by_name["shaken"]["flags"]
    assert block["summary"]["ef"]["n"] == len(by_name["good"]["beats"])
    assert block["summary"]["ef"]["mean"] == by_name["good"]["ef"]["mean"]
    assert "NOT TO BE USED" in (tmp_path / "found" / "methods.txt").read_text()


def test_masks_mean_what_they_show(bench: Run, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", masks() > 0, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white.tif", masks() == 0, photometric="miniswhite")
    (tmp_path / "palette").mkdir()
    for number, mask in enumerate(masks()):
        image = Image.fromarray((mask == 0).astype(np.uint8), "P")
        image.putpalette([255, 255, 255, 0, 0, 0])
        image.save(tmp_path / "palette" / f"{number:04d}.png")
    blocks = [printed_json(bench("cardiac", name, "--json")) for name in ("plain.tif", "white.tif", "palette")]
    found = [block["sequences"][0]["frames"] for block in blocks]
    assert found[0] == found[1] == found[2]
    assert found[0][0]["area_px"] > 0


def test_the_frame_in_names_with_a_channel_is_said(bench: Run, tmp_path: Path) -> None:
    for folder, channels in (("one", (1,)), ("two", (0, 1))):
        (tmp_path / folder).mkdir()
        for number, mask in enumerate(masks()):
            for channel in channels:
                image = Image.fromarray(mask if channel == 1 else np.zeros_like(mask))
                image.save(tmp_path / folder / f"img_t{number:03d}_c{channel}.png")
    done = bench("cardiac", "one", "--fps", "30", "--json")
    assert "the frame is number 1 of 2 after 't'" in done.stderr
    one = json.loads(done.stdout)
    assert one["sequences"][0]["n_frames"] == 60
    done = bench("cardiac", "two", "--fps", "30")
    assert done.returncode == 2
    assert "--channel N (0-1)" in done.stderr
    assert "keep one" not in done.stderr
    two = printed_json(bench("cardiac", "two", "--fps", "30", "--channel", "1", "--json"))
    assert two["sequences"][0]["beats"] == one["sequences"][0]["beats"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `threshold` on SYNTHETIC discs."""
    base = tmp_path_factory.mktemp("films")
    root = write_hearts(base / "hearts", sequences=2)
    do_run(RunRequest("medaka", "threshold", root=root, out=base / "run", plots=False), Reporter(quiet=True))
    return base / "run"


def test_predict_chooses_and_remembers_what_the_film_says(trained: Path, bench: Run, tmp_path: Path) -> None:
    write_hyperstack(tmp_path / "film.tif", finterval=1 / 30, unit="um")
    done = bench("predict", trained, "film.tif", "--out", "masks")
    assert done.returncode == 2
    assert "--z N (1 to 3)" in done.stderr
    assert not (tmp_path / "masks").exists()
    about = printed_json(bench("predict", trained, "film.tif", "--out", "masks", "--z", "2", "--json"))
    assert (about["input"]["frames"], about["input"]["fps"], about["input"]["z"]) == (60, pytest.approx(30), 2)
    assert len(list((tmp_path / "masks").glob("*.png"))) == 60
    done = bench("predict", trained, "film.tif", "--out", "masks", "--z", "1", "--resume")
    assert done.returncode == 2
    assert "input z: 2, now 1" in done.stderr
    # The masks remember the rate of their film.
    block = printed_json(bench("cardiac", "masks", "--json"))
    assert (block["fps_from"], block["sequences"][0]["fps"]) == ("file", pytest.approx(30))
    # And the run that made them, which a Methods section is to name.
    assert block["run_id"] == json.loads((trained / "record.json").read_text())["run_id"]
    assert "run_id" not in printed_json(bench("cardiac", tmp_path / "film.tif", "--z", "2", "--json"))
    (tmp_path / "masks" / "predict.json").write_text("{")
    told = bench("cardiac", "masks").stderr
    assert "Predict again, or remove the file: the masks are then measured as any others" in " ".join(told.split())
    assert "Choose a new folder" not in told


def test_a_film_and_a_run_are_refused_before_the_work(trained: Path, bench: Run, tmp_path: Path) -> None:
    write_hyperstack(tmp_path / "film.tif")
    (tmp_path / "two").mkdir()
    for number, mask in enumerate(masks()[:4]):
        for channel in (0, 1):
            Image.fromarray(mask).save(tmp_path / "two" / f"img_t{number:03d}_c{channel}.png")
    for name, said in (("film.tif", "--z N"), ("two", "--channel N")):
        done = bench("cardiac", name, "--run", trained)
        assert done.returncode == 2
        assert said in done.stderr
    assert not (tmp_path / "cardiac").exists()
    block = printed_json(bench("cardiac", "film.tif", "--run", trained, "--z", "2", "--no-plots", "--json"))
    assert block["sequences"][0]["n_frames"] == 60
    assert block["fps_from"] == "default"
    assert len(block["warnings"]) >= 1
    assert bench("cardiac", "two", "--run", trained, "--channel", "1", "--no-plots").returncode == 0


def test_a_name_that_is_too_long_for_its_masks_is_found_before_the_work(
    trained: Path, bench: Run, tmp_path: Path
) -> None:
    name = f"{'f' * 250}.tif"
    tifffile.imwrite(tmp_path / name, masks()[:3], photometric="minisblack")
    done = bench("predict", trained, name, "--out", "masks")
    assert done.returncode == 2
    assert "names of files have at most 255" in " ".join(done.stderr.split())
    assert not (tmp_path / "masks").exists()
