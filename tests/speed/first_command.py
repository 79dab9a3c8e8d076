"""Time the first command of the README in its parts: synthesis, training, scoring; and say which Dice each seed gives.

Run: python tests/speed/first_command.py [--seeds 0 1 2] [--threads 2] [--avx2] [--set key=value ...]

Each seed is a `bench run` in a process of its own, on one synthetic sample that is made first. Seconds by the clock are
true on a quiet machine only; those of the processors (of all processes of a part) say what it costs on any. `--avx2`
keeps the libraries from newer instructions, bf16 among them, as on an ordinary laptop.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench import load_run

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@dataclass(frozen=True)
class Part:
    """What a command took: seconds by the clock, and of all its processes together."""

    name: str
    wall_s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.name:<22} {self.wall_s:7.1f} s {self.cpu_s:9.1f} CPU-s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="first-command-") as folder:
        data = {"SEGBENCH_DATA": f"{folder}/data", "SEGBENCH_CACHE": f"{folder}/cache"}
        environment = {**os.environ, **data, "OMP_NUM_THREADS": str(options.threads), **(AVX2 if options.avx2 else {})}
        sample = Path(folder) / "data" / "medaka-synthetic"
        print(measured("synthesis", ["data", "synthesize", "medaka", "--root", str(sample)], environment))
        for seed in options.seeds:
            out = Path(folder) / f"seed-{seed}"
            words = ["run", "--dataset", "medaka", "--method", "unet", "--seed", str(seed), "--out", str(out)]
            words += [word for setting in options.settings for word in ("--set", setting)]
            print(measured(f"run, seed {seed}", words, environment))
            print(in_words(out))


def measured(name: str, words: Sequence[str], environment: dict[str, str]) -> Part:
    """Run a command of `bench` in a process of its own; its own output goes to stderr."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "segbench", *words], env=environment, stdout=sys.stderr, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Part(name, time.perf_counter() - start, cpu)


def in_words(run: Path) -> str:
    """What a run gave, and how long its training took."""
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    told = re.findall(r"training takes about (.*?) more", (run / "log.txt").read_text(encoding="utf-8"))
    sections = ", ".join(f"{name} {dice:.3f}" for name, dice in dice_by_section(run).items())
    return (
        f"  Dice {record['scores']['dice']['value']:.4f} ({sections}); fitted in {record['cost']['train_s']:.1f} s "
        f"(told: {told[0] if told else 'nothing'}), {record['cost']['predict_ms_per_image']:.1f} ms per image"
    )


def dice_by_section(run: Path) -> dict[str, float]:
    """Mean Dice of the images of each view and section of the test split."""
    dice = load_run(run).per_sample("dice")
    sections = dice.groupby(lambda sample_id: str(sample_id).rpartition("-")[0]).mean()
    return {str(name): float(value) for name, value in sections.items()}


if __name__ == "__main__":
    main()
