"""Fuzz the readers by hand: PYTHONPATH=tests/helpers python tests/fuzz/fuzz.py --inputs 100000 --out found

With `--targets png,tiff` only those, with `--seed 7` other inputs.

Inputs run in a process of their own, a thousand at a time, so that a crash loses nothing: the input that crashed it, or
took longer than `LIMIT_S`, is kept with those that raised another error than UserError.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from fuzz_targets import TARGETS
from mutations import damaged

BATCH = 1000
LIMIT_S = 5.0
"""Seconds of processor time for one input."""


def fault_of(name: str, data: bytes, folder: Path) -> str | None:
    """What is wrong with how a reader took an input; None where it returned, or said what is wrong with the file."""
    from segbench.errors import UserError

    path = folder / f"damaged{TARGETS[name].suffix}"
    path.write_bytes(data)
    begun = time.process_time()
    try:
        TARGETS[name].read(path)
    except UserError as error:
        if "Traceback" in str(error):
            return "a message with a traceback"
    except Exception as error:  # what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
    spent = time.process_time() - begun
    return f"took {spent:.1f} s" if spent > LIMIT_S else None


def _batch(name: str, seed: int, count: int, out: Path) -> None:
    """Run inputs, keeping each on disk until it is through."""
    import cv2

    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    chance, seeds = random.Random(seed), TARGETS[name].seeds()
    folder = Path(tempfile.mkdtemp(dir=out))
    for number in range(count):
        data = damaged(seeds, chance)
        (folder / "now").write_bytes(data)
        if fault := fault_of(name, data, folder):
            (out / f"{name}-{seed}-{number}").write_bytes(data)
            print(f"{name}-{seed}-{number}: {fault}", flush=True)
    shutil.rmtree(folder)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--inputs", type=int, default=len(TARGETS) * BATCH)
    asked.add_argument("--targets", default=",".join(TARGETS))
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--out", type=Path, default=Path("found"))
    given = asked.parse_args()
    given.out.mkdir(exist_ok=True)
    names = given.targets.split(",")
    done = dict.fromkeys(names, 0)
    begun = time.monotonic()
    for number in range(-(-given.inputs // BATCH)):
        name = names[number % len(names)]
        seed = given.seed + number
        process = multiprocessing.get_context("fork").Process(target=_batch, args=(name, seed, BATCH, given.out))
        process.start()
        process.join(BATCH * LIMIT_S)
        if process.exitcode != 0:
            process.kill()
            kept = sorted(given.out.glob("*/now"))
            print(f"{name}-{seed}: ended with {process.exitcode}, input kept as {kept}", flush=True)
            for path in kept:
                path.replace(given.out / f"{name}-{seed}-crash")
                shutil.rmtree(path.parent)
        done[name] += BATCH
    print(f"{sum(done.values())} inputs in {time.monotonic() - begun:.0f} s: {done}")


if __name__ == "__main__":
    main()
