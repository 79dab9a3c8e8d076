"""Print how well heart rate, shortening and ejection fraction come out of true masks of SYNTHETIC hearts.

Run: python tests/simulation/cardiac_hearts.py [--hearts 200] [--noise 0.3]

Hearts beat at 40 to 240 per minute with EF 0.2 to 0.9, at 15 to 60 frames/s and at least 7 frames per beat, with
arrhythmia, drift, noise on the outline and missing frames. The truth of a rate is the mean of the true intervals
between the first and the last extremum that was found; that of a size is the outline in the very frame. What is lost
because extrema fall between frames, against the continuous truth, is the sampling error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import numpy as np
from tabulate import tabulate

from beating import BeatingHeart, Plan, plans, shortening, true_rate_bpm
from segbench.cardiac.beats import Heartbeat, beats_of
from segbench.cardiac.geometry import silhouette
from segbench.cardiac.track import tracks

MEASURES = ("fs_minor", "fs_major", "ef")
RATE, SIZE = 0.005, 0.01


@dataclass(frozen=True)
class Judged:
    """Errors of one heart: of its rate as parts, of its beats the largest at the frames, with and without the noise."""

    plan: Plan
    rate: float
    rate_refined: float
    at_frames: float
    without_noise: float
    sampling: float
    sampling_refined: float


def judge(plan: Plan) -> Judged:
    heart = BeatingHeart(plan)
    rows = [("heart", frame, silhouette(mask)) for frame, mask in zip(heart.frames, heart.masks(), strict=True)]
    found = beats_of(tracks(rows, plan.fps, (1.0, 1.0))[0])
    true = true_rate_bpm(heart, found.diastoles, found.systoles)
    assert found.heart_rate_bpm is not None
    assert found.heart_rate_bpm_refined is not None
    refined = [beat.refined.ef for beat in found.beats if beat.refined is not None]
    return Judged(
        plan,
        found.heart_rate_bpm / true - 1,
        found.heart_rate_bpm_refined / true - 1,
        _largest(heart, found, heart.sizes),
        _largest(heart, found, _smooth_sizes(heart)),
        float(np.mean([beat.ef for beat in found.beats])) - plan.ef,
        float(np.mean(refined)) - plan.ef,
    )


def _smooth_sizes(heart: BeatingHeart) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    axes = heart.axes_at(np.array(heart.frames, float))
    return np.column_stack([np.pi / 4 * axes.prod(axis=1), axes])


def _largest(heart: BeatingHeart, found: Heartbeat, sizes: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    place = {frame: n for n, frame in enumerate(heart.frames)}
    errors: list[float] = []
    for beat in found.beats:
        true = shortening(*(sizes[place[f]].tolist() for f in (beat.diastolic_frame, beat.systolic_frame)))
        errors += [abs(float(getattr(beat, measure)) - true[measure]) for measure in MEASURES]
    return max(errors)


def line(name: str, values: Sequence[float], limit: float | None = None) -> list[str]:
    size = 100 * np.abs(values)
    within = "" if limit is None else f"{(size < 100 * limit).sum()} of {size.size}"
    return [name, f"{size.mean():.3f}", f"{np.quantile(size, 0.95):.3f}", f"{size.max():.3f}", within]


def by(found: Sequence[Judged], key: Callable[[Judged], float], edges: Sequence[float], name: str) -> str:
    rows = []
    for low, high in pairwise(edges):
        mine = [j for j in found if low <= key(j) < high]
        if not mine:
            continue
        values = (
            f"{100 * np.mean([j.sampling for j in mine]):+.2f}",
            f"{100 * min(j.sampling for j in mine):+.2f}",
            f"{100 * np.mean([j.sampling_refined for j in mine]):+.2f}",
            f"{100 * np.mean([abs(j.rate) for j in mine]):.3f}",
            f"{100 * np.mean([abs(j.rate_refined) for j in mine]):.3f}",
        )
        rows.append([f"{low:g} to {high:g}", len(mine), *values])
    headers = [name, "hearts", "EF, points", "worst", "EF refined, points", "rate, %", "rate refined, %"]
    return tabulate(rows, headers=headers, disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hearts", type=int, default=200)
    parser.add_argument("--noise", type=float, help="of every outline, standard deviation in px [default: 0 to 0.3]")
    arguments = parser.parse_args()
    chosen = plans(arguments.hearts)
    if arguments.noise is not None:
        chosen = [replace(plan, noise_px=arguments.noise) for plan in chosen]
    found = [judge(plan) for plan in chosen]
    rows = [
        line("heart rate, whole frames, %", [j.rate for j in found], RATE),
        line("heart rate, refined, %", [j.rate_refined for j in found], RATE),
        line("FS and EF of the worst beat, points", [j.at_frames for j in found], SIZE),
        line("the same against the outline without noise", [j.without_noise for j in found]),
        line("mean EF against the continuous truth", [j.sampling for j in found]),
        line("the same, refined", [j.sampling_refined for j in found]),
    ]
    print(f"{len(found)} SYNTHETIC hearts, from true masks: error of each heart")
    print(tabulate(rows, headers=["", "mean", "95 %", "largest", "within"], disable_numparse=True))
    print("\nSampling error by frames per beat")
    slow = [judge(Plan(n, 15, 900 / f, 0.6)) for n, f in enumerate(np.linspace(4.6, 6.95, 40))]
    print(by([*slow, *found], lambda j: j.plan.frames_per_beat, [4, 5, 6, 7, 8, 10, 13, 18, 30, 100], "frames/beat"))
    worst = max(found, key=lambda j: abs(j.rate))
    print(f"\nlargest error of a rate: {worst.plan}")
    out = [j for j in found if max(abs(j.rate), abs(j.rate_refined)) >= RATE or j.at_frames >= SIZE]
    if out:
        sys.exit(f"{len(out)} of {len(found)} hearts are out of the limits")


if __name__ == "__main__":
    main()
