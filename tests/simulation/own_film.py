"""What 14 labelled frames of one's own film are worth, on a SYNTHETIC film with another look than those learned from.

Run: python tests/simulation/own_film.py runs/medaka-unet-… [--out own-film] [--labelled 14] [--seed 77]

The film is of an animal that no training has seen, and looks as no training image does: negative,
dim, mirrored and grainy. A trained run segments it as it is; then 14 frames of it, evenly spread, are
learned from, once starting from that run and once from random weights, with the same steps. Scored are the other
frames, and what `bench cardiac` says of the whole film. Each film takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from segbench.synthetic.medaka import Sequence
from segbench.synthetic.medaka.heart import FPS, rasterise
from segbench.synthetic.medaka.render import Scene

FRAMES = 150
COLUMNS = {
    "heart_rate_error_bpm": "rate, bpm off",
    "beat_detection_rate": "beats found",
    "fs_minor_error_pp": "FS minor, points off",
    "fs_major_error_pp": "FS major, points off",
    "ef_error_pp": "EF, points off",
}
STEPS = ["size=[192, 256]", "batch_size=2", "epochs=10", "iterations_per_epoch=30", "loss=bce", "flip=false"]


def another_look(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Negative, half as bright, mirrored and grainy: (H, W, 3) to (H, W) uint8."""
    grey = 255.0 - cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    dim = 0.45 * grey[:, ::-1] + rng.normal(12, 6, grey.shape)
    return np.asarray(dim.clip(0, 255), np.uint8)


def draw(root: Path, seed: int, labelled: int) -> None:
    """The film as a folder of frames with masks, of which `labelled` are to learn from."""
    film = Sequence("lateral", "long", 0, (), "", "", 0, FRAMES)
    heart = film.heart(seed)
    scene, rng = Scene(heart, film.random(seed, 1)), film.random(seed, 9)
    names = [f"{frame:04d}" for frame in range(FRAMES)]
    for folder in ("images", "masks", "splits"):
        (root / folder).mkdir(parents=True)
    for frame, name in enumerate(names):
        image = another_look(scene.frame(float(frame)), rng)
        mask = rasterise(heart.state(float(frame)).outline)[:, ::-1]
        cv2.imwrite(str(root / "images" / f"{name}.png"), image)
        cv2.imwrite(str(root / "masks" / f"{name}.png"), mask.astype(np.uint8) * 255)
    chosen = {names[round(place)] for place in np.linspace(0, FRAMES - 1, labelled)}
    for split, wanted in (("train", True), ("test", False)):
        listed = [name for name in names if (name in chosen) == wanted]
        (root / "splits" / f"{split}.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    (root / "SYNTHETIC.txt").write_text("Drawn by segbench, not filmed.\n", encoding="utf-8")


def bench(*arguments: str | Path) -> Any:
    """What the command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "segbench", *map(str, arguments), "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode == 2 or not done.stdout:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def rows(run: Path, out: Path, seed: int, labelled: int) -> list[list[Any]]:
    """One row for each way: as it is, from the run, from random weights."""
    root = out / f"film-{seed}"
    draw(root, seed, labelled)
    bench("data", "describe", "folder", "--root", root, "--write")
    common: list[str | Path] = ["-d", "folder", "--root", root, "--no-plots"]
    as_it_is = out / f"as-it-is-{seed}"
    bench("predict", run, root / "images", "--out", as_it_is)
    scored = bench(
        "evaluate", *common, "--predictions", as_it_is, "--name", "as-it-is", "--out", out / f"scored-{seed}"
    )
    found: list[tuple[str, Any, Path]] = [("drawn films alone", scored, run)]
    ways: dict[str, list[str]] = {"and": ["--init", str(run)], "alone": settings_of(network_of(run))}
    for way, start in ways.items():
        name = f"and {labelled} frames" if way == "and" else f"{labelled} frames alone"
        place = out / f"{way}-{seed}"
        record = bench("run", *common, "-m", "unet", *start, *settings_of(STEPS), "--out", place)
        found.append((name, record, place))
    return [[seed, name, *judged(record, place, root)] for name, record, place in found]


def settings_of(values: list[str]) -> list[str]:
    return [word for each in values for word in ("--set", each)]


def network_of(run: Path) -> list[str]:
    """The settings by which the run's network was built."""
    config = json.loads((run / "record.json").read_text(encoding="utf-8"))["method"]["config"]
    return [f"{name}={config[name]}" for name in ("base_channels", "depth", "reduction", "norm", "dropout")]


def judged(record: Any, run: Path, root: Path) -> list[Any]:
    """Dice of the frames that nobody labelled; of the film the errors against the true masks, and its flags."""
    cardiac: list[str | Path] = [
        "cardiac",
        root / "images",
        "--run",
        run,
        "--truth",
        root / "masks",
        "--fps",
        str(FPS),
        "--no-plots",
    ]
    block = bench(*cardiac, "--out", root.parent / f"cardiac-{root.name}-{run.name}")
    scores = {name: score["value"] for name, score in block["scores"].items()}
    return [
        record["scores"]["dice"]["value"],
        *(scores[name] for name in COLUMNS),
        ", ".join(block["sequences"][0]["flags"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("own-film"))
    parser.add_argument("--labelled", type=int, default=14)
    parser.add_argument("--seeds", type=int, nargs="+", default=[77])
    options = parser.parse_args()
    options.out.mkdir()
    table = [row for seed in options.seeds for row in rows(options.run, options.out, seed, options.labelled)]
    print(tabulate(table, ["seed", "trained on", "Dice", *COLUMNS.values(), "flags"], floatfmt=".3f", tablefmt="pipe"))


if __name__ == "__main__":
    main()
