"""How time and memory of commands grow: python tests/speed/growth.py [--images 100 … 100000] [--pages 200 400 800]
[--runs 10 30 100].

`evaluate` is measured over numbers of images, and of pages where all predictions are one stack, `compare`,
`leaderboard`, `report` and `verify` over numbers of runs (of `--of` images each), every command in a process of its
own: its processor time, and the most memory that it held. What any command needs to start is measured with one that
does nothing else and taken off before the exponent is fitted. Images (16 x 16), pages (128 x 128) and runs are
SYNTHETIC.

`tests/speed/growth.json` holds what the documentation shows: `--save` writes it, and `--from tests/speed/growth.json
--plot docs/images/growth.svg` measures nothing, draws the plot of `docs/speed.md` and prints its table.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from compare import made_up
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import measured
from growth_figure import Growth, Measured, read, table, write, write_plot

from segbench.evaluation.scoring import score
from segbench.evaluation.statistics import Statistics
from segbench.io.fingerprints import ids_sha256
from segbench.metrics.overlap import VOC2012Overlap
from segbench.registry import dataset_class
from segbench.runs.environment import describe
from segbench.runs.record import DatasetBlock, Environment, MethodBlock, Record
from segbench.runs.writer import RunWriter, current_time
from segbench.types import Statistic

SIDE = 16
DIFFERENT = 20
INFO = dataset_class("voc2012").info


def write_images(root: Path, number: int) -> None:
    """A VOC layout of tiny label maps with predictions; most files are links to the first ones."""
    voc = root / "VOC2012"
    lists, truth, pictures = voc / "ImageSets" / "Segmentation", voc / "SegmentationClass", voc / "JPEGImages"
    for folder in (lists, truth, pictures, root / "predictions"):
        folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    ids = [f"2007_{k:06d}" for k in range(number)]
    for k, name in enumerate(ids):
        paths = [truth / f"{name}.png", root / "predictions" / f"{name}.png", pictures / f"{name}.jpg"]
        if k >= DIFFERENT:
            for path in paths:
                path.hardlink_to(path.with_name(f"{ids[k % DIFFERENT]}{path.suffix}"))
            continue
        for path in paths:
            Image.fromarray(random.integers(0, 21, (SIDE, SIDE), np.uint8)).save(path)
    (lists / "val.txt").write_text("\n".join([*ids, ""]))
    for split in ("train", "trainval"):
        (lists / f"{split}.txt").write_text("")


def write_runs(folder: Path, number: int, images: int) -> None:
    """Run folders of made-up methods over the same images."""
    metric = VOC2012Overlap()
    ids = tuple(f"{k:06d}" for k in range(images))
    block = DatasetBlock(
        name=INFO.name,
        version=INFO.version,
        split="val",
        n=images,
        ids_sha256=ids_sha256(ids),
        data_sha256=64 * "0",
        origin="synthetic",
    )
    environment = Environment(**describe(), code_sha256=64 * "0")
    for k, run in enumerate(made_up(images, 21, np.linspace(0.2, 0.3, number).tolist())):
        renamed = (Statistic(metric.name, s.sample_id, s.sample_id, s.index, s.columns) for s in run)
        statistics = Statistics(renamed)
        predictions = {"predictions_sha256": f"{k:064x}"}
        made_of = {"dataset": block.model_dump(mode="json"), "metrics": {metric.name: metric.version}}
        identity = {**made_of, "name": f"m{k}", **predictions}
        out = folder / f"m{k}"
        command = f"bench evaluate -d {INFO.name} -p m{k} --out {out}"
        writer = RunWriter.of(INFO.name, f"m{k}", identity, out, command, overwrite=False)
        record = Record(
            run_id=writer.run_id,
            created=current_time(),
            complete=True,
            dataset=block,
            method=MethodBlock(name=f"m{k}", family="external", config=predictions),
            metrics={metric.name: metric.version},
            main_score=INFO.main_score,
            environment=environment,
            command=command,
        )
        with writer.locked():
            writer.write_config()
            writer.write_statistics(statistics, [metric])
            writer.write_log(record, [])
            writer.finish(record, statistics, score(statistics, [metric], INFO), [])


def measure(command: Sequence[str | Path], folder: Path) -> tuple[float, float]:
    """Processor time in seconds and peak memory in MB of `bench` with these words, in a process of its own."""
    return measured.measure(["-m", "segbench", *command], folder / "cache")


def over_images(folder: Path, numbers: Sequence[int]) -> list[Measured]:
    """`evaluate` of these numbers of images."""
    found = []
    for number in numbers:
        root = folder / f"images-{number}"
        write_images(root, number)
        words = ["evaluate", "-d", INFO.name, "--root", root, "-p", root / "predictions", "--quiet", "--no-plots"]
        found.append(Measured("evaluate", "images", number, *measure([*words, "--out", root / "run"], folder)))
        shutil.rmtree(root)
    return found


def over_pages(folder: Path, numbers: Sequence[int]) -> list[Measured]:
    """`evaluate` of predictions in one file, of each kind of stack, with these numbers of pages of 128 x 128."""
    found = []
    for number in numbers:
        root = folder / f"pages-{number}"
        masks = np.random.default_rng(0).integers(0, 2, (number, 4, 4), np.uint8) * np.uint8(255)
        masks = masks.repeat(32, axis=1).repeat(32, axis=2)
        (root / "masks").mkdir(parents=True)
        for place, mask in enumerate(masks):
            Image.fromarray(mask).save(root / "masks" / f"{place:06d}.png")
        (root / "classes.yaml").write_text("name: stacks\nclasses: {0: background, 1: cell}\n")
        stacks = {name: folder / f"stack{name}" for name in (".npz", ".npy", ".tif", "-of-one-directory.tif")}
        np.savez_compressed(stacks[".npz"], masks)
        np.save(stacks[".npy"], masks)
        tifffile.imwrite(stacks[".tif"], masks, compression="zlib")
        tifffile.imwrite(stacks["-of-one-directory.tif"], masks, imagej=True, truncate=True)
        for name, path in stacks.items():
            words: list[str | Path] = ["evaluate", "-d", "folder", "--root", root, "-p", path, "--split", "all"]
            took = measure([*words, "--quiet", "--no-plots", "--out", root / f"run{name}"], folder)
            found.append(Measured(f"evaluate stack{name}", "pages", number, *took))
            print(found[-1], file=sys.stderr)
        shutil.rmtree(root)
    return found


def over_runs(folder: Path, numbers: Sequence[int], images: int) -> list[Measured]:
    """What compares and shows these numbers of runs."""
    found = []
    for number in numbers:
        runs = folder / f"runs-{number}"
        write_runs(runs, number, images)
        commands: dict[str, list[str | Path]] = {
            "compare": ["compare", runs, "--json"],
            "leaderboard": ["leaderboard", runs, "--out", folder / "boards"],
            "report": ["report", runs, "--out", folder / "page"],
            "verify": ["verify", *sorted(runs.iterdir()), "--quiet"],
        }
        for name, words in commands.items():
            found.append(Measured(name, "runs", number, *measure(words, folder)))
            print(found[-1], file=sys.stderr)
        shutil.rmtree(runs)
    return found


def main() -> None:
    """Measure, print a table, and draw it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[100, 1000, 10_000, 100_000])
    parser.add_argument("--pages", type=int, nargs="*", default=[200, 400, 800])
    parser.add_argument("--runs", type=int, nargs="*", default=[10, 30, 100])
    parser.add_argument("--of", type=int, default=300, metavar="IMAGES")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--from", dest="stored", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    growth = measured_now(arguments) if arguments.stored is None else read(arguments.stored)
    print("\n".join(table(growth)))
    if arguments.plot is not None:
        write_plot(arguments.plot, growth)
    if arguments.save is not None:
        write(arguments.save, growth)


def measured_now(arguments: argparse.Namespace) -> Growth:
    """Measure all that was asked for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start, _ = measure(["list", "metrics"], folder)
        found = [*over_images(folder, arguments.images), *over_pages(folder, arguments.pages)]
        return Growth(start, (*found, *over_runs(folder, arguments.runs, arguments.of)))


if __name__ == "__main__":
    main()
