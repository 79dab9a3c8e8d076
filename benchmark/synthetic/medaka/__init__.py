"""Synthetic HeartSeg data: films of beating medaka hearts in the official folder layout, with known truth.

References
----------
Layout and masks: Schutera et al. 2019, "Machine learning methods for automated quantification of ventricular
dimensions", Zebrafish 16(6), and its HeartSeg data set. Volumes and axes follow the same paper.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.locations import MARKER as MARKER
from ..output_folder import Mark, building, drawing_processes, save_picture, submit_all, write_json
from .heart import FPS, Heart, State, axes, draw_heart, mask_covariance, moments, rasterise, spheroid_volume
from .render import Scene

GENERATOR_VERSION = "5"
TRUTH = "synthetic_truth.json"
_MADE = frozenset({TRUTH, "train_images", "test_images"})
_NOTICE = "Synthetic: made by segbench, not filmed. Never publish a score on these images as a result on HeartSeg."
_MARK = Mark("segbench.synthetic.medaka", GENERATOR_VERSION, _NOTICE)

_VIEWS = ("lateral", "ventral")
_SETS = ("train", "short", "long")
_LONG_NAME = {"lateral": "N0092", "ventral": "R0004"}
# The real training masks lack frame 2508: the ninth frame of the eleventh lateral sequence.
_MISSING_SEQUENCE, _MISSING_FRAME = 10, 8


@dataclass(frozen=True)
class Plan:
    """How much to make; ``train_sequences`` and ``train_frames`` are (view, number) pairs.

    Per view there are also ``short_sequences`` test sequences of ``short_frames`` and one of ``long_frames``.
    """

    train_sequences: tuple[tuple[str, int], ...]
    train_frames: tuple[tuple[str, int], ...]
    short_sequences: int = 5
    short_frames: int = 25
    long_frames: int = 150
    colour: bool = True
    """Whether the ventral training frames lie there in colour too: only their grey copies are ever read."""

    @property
    def views(self) -> tuple[str, ...]:
        """The views that are made."""
        return tuple(view for view, _ in self.train_sequences)


# Many animals, two frames of each: what a network lacks first is variety between animals, not between frames.
SMALL = Plan((("lateral", 320), ("ventral", 320)), (("lateral", 2), ("ventral", 2)), colour=False)
FULL = Plan((("lateral", 24), ("ventral", 29)), (("lateral", 21), ("ventral", 25)))


@dataclass(frozen=True)
class Sequence:
    """One film to make: which animal (``view``, ``set``, ``index``), where its files go, their numbers."""

    view: str
    set: str
    index: int
    folders: tuple[str, ...]
    mask_folder: str
    suffix: str
    first_frame: int
    n_frames: int
    missing: tuple[int, ...] = ()

    def random(self, seed: int, purpose: int) -> np.random.Generator:
        """A stream of random numbers that depends on the animal only, not on what else is made."""
        key = [seed, _VIEWS.index(self.view), _SETS.index(self.set), self.index, purpose]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))

    def heart(self, seed: int) -> Heart:
        """The animal's heart."""
        return draw_heart(self.random(seed, 0), self.view, self.n_frames)


def sequences(plan: Plan) -> list[Sequence]:
    """Every film of a plan, in the order in which they are numbered."""
    return [sequence for view in plan.views for sequence in _of_view(plan, view)]


def _of_view(plan: Plan, view: str) -> Iterator[Sequence]:
    count, frames = dict(plan.train_sequences)[view], dict(plan.train_frames)[view]
    folders: tuple[str, ...] = (f"train_images/{view}_sample_gray",)
    if view == "ventral" and plan.colour:
        folders += ("train_images/ventral_samples",)
    missing_at = min(_MISSING_SEQUENCE, count // 2) if view == "lateral" else None
    for index, first in enumerate(_first_frames(count, frames)):
        missing = (first + min(_MISSING_FRAME, frames // 2),) if index == missing_at else ()
        mask_folder = f"train_images/{view}_mask"
        yield Sequence(view, "train", index, folders, mask_folder, "_sample", first, frames, missing)
    folders, mask_folder = (f"test_images/{view}_sample_gray",), f"test_images/{view}_mask"
    for index, first in enumerate(_first_frames(plan.short_sequences, plan.short_frames)):
        yield Sequence(view, "short", index, folders, mask_folder, "_sample", first, plan.short_frames)
    name = _LONG_NAME[view]
    folders, mask_folder = (f"test_images/frames_{name}",), f"test_images/label_masks_{name}"
    yield Sequence(view, "long", 0, folders, mask_folder, "", 0, plan.long_frames)


def _first_frames(count: int, frames: int) -> list[int]:
    """First numbers of consecutive sequences: uneven and about 210 apart as in the real data, of four digits."""
    apart = max(frames + 20, min(210, 9900 // max(count, 1)))
    return [index * apart + 7 * (index * 5 % 3) for index in range(count)]


def synthesize(
    root: Path,
    *,
    seed: int = 0,
    plan: Plan = SMALL,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the dataset below `root`: the same bytes for one seed and plan, whatever the number of workers.

    Parameters and errors are those of every generator: see `segbench.synthetic`. `progress` counts frames.
    """
    with building(root, _MADE, _MARK, seed, plan) as partial:
        films = sequences(plan)
        for folder in {f for film in films for f in (*film.folders, film.mask_folder)}:
            (partial / folder).mkdir(parents=True, exist_ok=True)
        total, done = sum(film.n_frames for film in films), 0
        truths: dict[int, dict[str, Any]] = {}
        for position, truth in _run(films, seed, partial, workers):
            truths[position] = truth
            done += films[position].n_frames
            if progress is not None:
                progress(done, total)
        content = {
            "generator_version": GENERATOR_VERSION,
            "seed": seed,
            "fps": FPS,
            "notice": f"{_MARK.sentence}. {_NOTICE}",
        }
        write_json(partial / TRUTH, {**content, "sequences": [truths[i] for i in range(len(films))]})


def _run(films: list[Sequence], seed: int, root: Path, workers: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Make every film and yield (position, truth) as they are finished, the longest first."""
    order = sorted(range(len(films)), key=lambda i: -films[i].n_frames)
    processes = min(workers or os.cpu_count() or 1, len(films))
    if processes == 1:
        yield from ((i, write_sequence(films[i], seed, root)) for i in order)
        return
    with drawing_processes(processes) as pool:
        futures = submit_all(pool, write_sequence, [(films[i], seed, root) for i in order])
        positions = dict(zip(futures, order, strict=True))
        for future in as_completed(futures):
            yield positions[future], future.result()


def write_sequence(film: Sequence, seed: int, root: Path) -> dict[str, Any]:
    """Write the images and masks of one film and return its truth."""
    heart = film.heart(seed)
    scene = Scene(heart, film.random(seed, 1))
    frames = []
    for t in range(film.n_frames):
        number = film.first_frame + t
        picture = scene.frame(float(t))
        if number in film.missing:
            continue
        state = heart.state(float(t))
        mask = rasterise(state.outline)
        for folder in film.folders:
            gray = folder.endswith("_gray")
            image = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if gray else picture
            save_picture(root / folder / f"{number:04d}{film.suffix}.tif", np.asarray(image, dtype=np.uint8), _MARK)
        rgb = cv2.merge([mask.view(np.uint8) * np.uint8(255)] * 3)
        save_picture(root / film.mask_folder / f"{number:04d}_mask.tif", np.asarray(rgb), _MARK)
        frames.append(_frame_truth(state, t, number, mask))
    return {
        "view": film.view,
        "set": film.set,
        "folders": list(film.folders),
        "mask_folder": film.mask_folder,
        "first_frame": film.first_frame,
        "n_frames": film.n_frames,
        "missing": list(film.missing),
        "fps": FPS,
        **_beat_truth(heart, film.n_frames),
        "frames": frames,
    }


def _frame_truth(state: State, t: int, number: int, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Size of the ventricle in one frame: of the exact outline and of the pixels of its mask."""
    major, minor = axes(mask_covariance(mask))
    return {
        "frame": number,
        "t": t,
        "phase": round(state.phase, 4),
        "area_px2": round(moments(state.outline)[0], 2),
        "volume_px3": round(state.volume, 1),
        "axis_major_px": round(state.major, 4),
        "axis_minor_px": round(state.minor, 4),
        "mask_area_px": int(mask.sum()),
        "mask_volume_px3": round(spheroid_volume(major, minor), 1),
        "mask_axis_major_px": round(major, 4),
        "mask_axis_minor_px": round(minor, 4),
    }


def _beat_truth(heart: Heart, n_frames: int) -> dict[str, Any]:
    """Heart rate and beats (diastole, next systole) of the continuous movement; times in frames."""
    beats = []
    for diastole, systole in zip(heart.knots[:-2:2], heart.knots[1:-1:2], strict=True):
        if systole < 0 or diastole > n_frames - 1:
            continue
        full, full_major, full_minor = heart.size(float(diastole))
        empty, empty_major, empty_minor = heart.size(float(systole))
        beats.append(
            {
                "t_diastole": float(diastole),
                "t_systole": float(systole),
                "volume_diastole_px3": round(full, 1),
                "volume_systole_px3": round(empty, 1),
                "ejection_fraction": round(1 - empty / full, 5),
                "fractional_shortening_major": round(1 - empty_major / full_major, 5),
                "fractional_shortening_minor": round(1 - empty_minor / full_minor, 5),
            }
        )
    # The mean over whole beats, from the last diastole before the film to the first one after it.
    diastoles = heart.knots[::2]
    before = int(np.searchsorted(diastoles, 0.0, side="right")) - 1
    after = int(np.searchsorted(diastoles, n_frames - 1.0, side="right"))
    rate = 60 * FPS * (after - before) / float(diastoles[after] - diastoles[before])
    return {"heart_rate_bpm": round(rate, 3), "beats": beats}
