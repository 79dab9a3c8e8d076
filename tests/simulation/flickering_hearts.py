"""Print how far masks that flicker push EF up, how far `flicker_of` says so, and what is left.

Run: python tests/simulation/flickering_hearts.py [--films 20] [--beats 12]

SYNTHETIC ellipses of EF 0.5, whose beats vary in length and strength by 3 %, and of which each frame is too large or
too small by a random part of its diameter. The truth is the EF of the same film without flicker, read in the same way.
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from contracting import heart, masks, of_beats
from tabulate import tabulate

from segbench.cardiac.detection import Detection
from segbench.cardiac.flicker import flicker_of
from segbench.types import Float64

MINOR = 0.25
READ_AS = {"drawn": Detection(), "of a network": Detection.for_predicted_masks()}


def contraction(frames_per_beat: float, beats: int, resting: bool, random: np.random.Generator) -> Float64:
    """Of a heart that beats as a sine, or rests in its diastole for half of the beat."""
    lengths = frames_per_beat * np.clip(1 + 0.03 * random.standard_normal(beats), 0.8, 1.2)
    strengths = 1 + 0.03 * random.standard_normal(beats)
    part = of_beats(lengths.tolist())
    strong = np.repeat(strengths, np.diff(np.round(np.cumsum([0.0, *lengths])).astype(int)))
    strong = np.pad(strong, (0, max(0, part.size - strong.size)), mode="edge")[: part.size]
    return np.asarray(strong * (part**2 if resting else part), np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--beats", type=int, default=12)
    parser.add_argument("--read-as", choices=list(READ_AS), nargs="+", default=list(READ_AS))
    parser.add_argument("--frames-per-beat", type=float, nargs="+", default=[7.5, 10, 15, 30])
    parser.add_argument("--flicker", type=float, nargs="+", default=[0, 2, 4, 6], help="of the area, in percent")
    parser.add_argument("--correlation", type=float, default=0.0, help="of the flicker of a frame and the next")
    arguments = parser.parse_args()
    random, rows = np.random.default_rng(0), []
    for name, frames_per_beat, resting, noise in product(
        arguments.read_as, arguments.frames_per_beat, (False, True), arguments.flicker
    ):
        films = []
        for _ in range(arguments.films):
            parts = contraction(frames_per_beat, arguments.beats, resting, random)
            wrong = noise / 200 * np.clip(correlated(parts.size, arguments.correlation, random), -3, 3)
            fps = 2 * frames_per_beat
            true, found = (heart(masks(parts, MINOR, each), fps, detection=READ_AS[name]) for each in (0.0, wrong))
            known, flicker = true.distribution("ef").mean, flicker_of(found)
            if known is not None and flicker is not None and flicker.bias:
                beats = len(found.beats) / len(true.beats)
                ef = found.distribution("ef").mean or np.nan
                films.append(
                    (beats, flicker.area_noise, ef - known, flicker.bias["ef"], flicker.corrected["ef"] - known)
                )
        if films:
            count, size, pushed, said, left = np.mean(films, axis=0)
            deviation = 100 * float(np.std([each[-1] for each in films]))
            points = (f"{100 * value:+.2f}" for value in (pushed, said, left))
            what = (name, f"{frames_per_beat:g}", "rests" if resting else "sine", f"{noise:g}", len(films))
            row = (*what, f"{count:.2f}", f"{100 * size:.1f}", *points, f"{deviation:.2f}")
            rows.append(row)
    headers = ("read as", "frames/beat", "beat", "flicker of area, %", "films", "beats found", "seen, %")
    in_points = ("EF too high", "said", "left", "deviation of a film")
    print(tabulate(rows, headers=(*headers, *in_points), disable_numparse=True))


def correlated(frames: int, correlation: float, random: np.random.Generator) -> Float64:
    """Values of deviation 1, of which each is correlated with the one before."""
    values = random.standard_normal(frames)
    for frame in range(1, frames):
        values[frame] = correlation * values[frame - 1] + (1 - correlation**2) ** 0.5 * values[frame]
    return np.asarray(values, np.float64)


if __name__ == "__main__":
    main()
