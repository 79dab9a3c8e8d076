"""`bench cardiac`: the numbers of a beating heart from masks, or from a video and a trained run."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cardiac.agreement import Agreement
from ..cardiac.beats import Detection, Heartbeat, beats_of, tracks
from ..cardiac.geometry import Silhouette, cleaned, silhouette
from ..cardiac.to_json import beat_rows, cardiac_json, frame_rows
from ..data.image_sources import Frames, open_frames
from ..evaluation.scoring import score
from ..evaluation.statistics import Statistics
from ..figures.cardiac.pages import write_cardiac_plots
from ..figures.cardiac.run_plots import STRIP, VIDEO, write_agreement_plots
from ..io.atomic import atomic_path, write_text
from ..io.reporter import Reporter
from ..metrics.cardiac import Cardiac, statistic_of
from ..registry import dataset_class
from ..runs.mask_sequences import MaskSequence, find_sequences
from ..runs.predict import predict
from ..runs.record import read_record, recorded_info
from ..runs.request import PredictRequest
from ..text import counted
from ..types import Array, DatasetInfo, Statistic, UserError

if TYPE_CHECKING:
    import pandas as pd

FPS = 15.0
"""Frames per second of HeartSeg, taken where neither the user nor a video says otherwise."""

RESULT, MASKS = "cardiac.json", "masks"


@dataclass(frozen=True)
class CardiacRequest:
    """What the user asked for, as on the command line."""

    input: Path
    run: Path | None = None
    truth: Path | None = None
    fps: float | None = None
    pixel_size_um: float | None = None
    detection: Detection = field(default_factory=Detection)
    clean: bool | None = None
    out: Path | None = None
    plots: bool = True
    device: str = "auto"
    fold: int | None = None
    propagation: bool = False

    @property
    def folder(self) -> Path | None:
        """Where files go: what the user named; for a video one named after it."""
        if self.out is not None or self.run is None:
            return self.out
        return Path("cardiac") / self.input.stem

    def command(self) -> str:
        """The command line that does it again."""
        words = ["bench", "cardiac", str(self.input)]
        for name in ("run", "truth", "fps", "pixel_size_um", "out", "fold"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        words += [] if self.device == "auto" else ["--device", self.device]
        for name in ("prominence", "distance", "smoothing", "refractory"):
            value = getattr(self.detection, name)
            words += [] if value == getattr(Detection(), name) else [f"--{name}", str(value)]
        words += [] if self.clean is None else ["--clean" if self.clean else "--no-clean"]
        words += ["--propagation"] if self.propagation else []
        words += [] if self.plots else ["--no-plots"]
        return shlex.join(words)


@dataclass(frozen=True)
class _Sides:
    """What was read: sequences of masks, those of the truth by the same names, and pictures, where there are any."""

    masks: Mapping[str, MaskSequence]
    truths: Mapping[str, MaskSequence]
    frames: Frames | None
    fps: float
    clean: bool

    def mask(self, name: str) -> Iterator[Array]:
        """The masks of a sequence, one by one."""
        return (cleaned(mask) if self.clean else mask for mask in self.masks[name])


def cardiac(request: CardiacRequest, reporter: Reporter) -> dict[str, Any]:
    """Do what `bench cardiac` says: the block of `--json`, with `files` that were written.

    Raises
    ------
    UserError
        For masks, videos, runs or settings that cannot be used.
    """
    folder = request.folder
    if folder is not None:
        _refuse_foreign(folder)
    if request.propagation and request.run is not None and request.truth is None:
        raise UserError("--propagation changes true masks: give masks without --run, or the true ones with --truth")
    sides = _read(request, reporter)
    with reporter.progress("measuring masks") as update:
        total = sum(map(len, sides.masks.values()))
        measured = _measured({name: sides.mask(name) for name in sides.masks}, sides.masks, total, update)
    pixel_size = None if request.pixel_size_um is None else (request.pixel_size_um, request.pixel_size_um)
    rows = [(name, number, mask) for name, found in measured.items() for number, mask in found.items()]
    hearts = [beats_of(track, request.detection) for track in tracks(rows, sides.fps, pixel_size)]
    document = cardiac_json(hearts)
    agreement = None
    if sides.truths:
        agreement = _held_against_truth(request, sides, measured, reporter, document)
    if request.propagation:
        document["propagation"] = _propagated(request, sides, reporter)
    about = {"command": request.command(), "input": str(request.input), "cleaned": sides.clean}
    document = {**about, **document}
    if folder is not None:
        with reporter.progress("writing tables and plots"):
            document["files"] = [str(path) for path in _write(request, folder, sides, hearts, agreement, document)]
    return document


def _read(request: CardiacRequest, reporter: Reporter) -> _Sides:
    frames = None
    if request.run is not None:
        frames = open_frames(request.input)
        found = _segmented(request, reporter)
    else:
        if (request.input / RESULT).is_file() and (request.input / MASKS).is_dir():
            raise UserError(
                f"'{request.input}' is what 'bench cardiac' wrote. To measure its masks again give "
                f"'{request.input / MASKS}' (with --fps and --clean, as they were)."
            )
        found = find_sequences(request.input)
    masks = {sequence.name: sequence for sequence in found}
    if len(masks) < len(found):
        twice = min(name for name, count in Counter(sequence.name for sequence in found).items() if count > 1)
        raise UserError(f"'{request.input}' holds two sequences that would be called '{twice}'; rename a folder")
    fps = request.fps if request.fps is not None or frames is None else frames.fps
    if fps is None:
        fps = FPS
        reporter.say(f"frames per second: {fps:g}, those of HeartSeg; give your own with --fps")
    if not 0 < fps < math.inf:
        raise UserError(f"--fps is a positive number of frames per second, found {fps:g}")
    clean = request.run is not None if request.clean is None else request.clean
    if clean:
        reporter.say("of each mask the largest piece was kept and its holes were filled (--no-clean leaves them)")
    if request.run is not None and request.detection == Detection.for_predicted_masks():
        reporter.say(
            "extrema are looked for as suits predicted masks, which flicker; the published definition is "
            "--prominence 0.2 --smoothing 0 --refractory 0"
        )
    truths = {} if request.truth is None else _named_alike(masks, find_sequences(request.truth), request, reporter)
    return _Sides(masks, truths, frames, fps, clean)


def _segmented(request: CardiacRequest, reporter: Reporter) -> list[MaskSequence]:
    """Segment the input with the run; the masks are kept, so an interrupted run goes on with --resume."""
    assert request.run is not None
    assert request.folder is not None
    record = read_record(request.run)
    info = recorded_info(record.dataset)
    if record.dataset.origin == "synthetic":
        reporter.warn(f"{record.run_id} was trained on SYNTHETIC data: look at the overlays before you trust a number")
    if info.task != "binary":
        raise UserError(f"'{request.run}' segments {info.name} into {len(info.classes)} classes; a heart needs masks")
    out = request.folder / MASKS
    predict(PredictRequest(request.run, request.input, out, request.device, fold=request.fold, resume=True), reporter)
    found = find_sequences(out)
    stem = request.input.stem
    # A video with a long gap is several sequences.
    names = [stem] if len(found) == 1 else [f"{stem}-{sequence.first_frame:06d}" for sequence in found]
    return [replace(sequence, name=name) for sequence, name in zip(found, names, strict=True)]


def _named_alike(
    masks: Mapping[str, MaskSequence], truths: Sequence[MaskSequence], request: CardiacRequest, reporter: Reporter
) -> dict[str, MaskSequence]:
    """True sequences by the names of the predicted ones: by name, else by the file numbers that both have.

    Raises UserError where a true sequence has no frame in common with any predicted one.
    """
    found: dict[str, MaskSequence] = {}
    strangers: list[str] = []
    for truth in truths:
        common = {name: len(set(sequence.numbers) & set(truth.numbers)) for name, sequence in masks.items()}
        free = {name: count for name, count in common.items() if count and name not in found}
        name = truth.name if free.get(truth.name) else max(free, key=lambda n: free[n], default=None)
        if name is None:
            strangers.append(truth.name)
            continue
        found[name] = truth
    if not found:
        raise UserError(
            f"no frame of '{request.truth}' has the number of one of '{request.input}'. Masks and truth are paired by "
            "the last number in their names, pages of a stack by their place."
        )
    if strangers:
        left_out = counted(len(strangers), "true sequence")
        reporter.warn(f"{left_out} without a frame in common with the masks left out, first: {strangers[0]}")
    unjudged = [name for name in masks if name not in found]
    if unjudged:
        reporter.warn(f"no truth for {counted(len(unjudged), 'sequence')}, first: {unjudged[0]}")
    return found


def _measured(
    masks: Mapping[str, Iterable[Array]],
    sequences: Mapping[str, MaskSequence],
    total: int,
    update: Callable[[int, int, str], None],
) -> dict[str, dict[int, Silhouette]]:
    """Silhouettes by sequence and file number."""
    found: dict[str, dict[int, Silhouette]] = {}
    done = 0
    for name, each in masks.items():
        found[name] = {}
        for number, mask in zip(sequences[name].numbers, each, strict=True):
            found[name][number] = silhouette(mask)
            done += 1
            update(done, total, "")
    return found


def _held_against_truth(
    request: CardiacRequest,
    sides: _Sides,
    measured: Mapping[str, Mapping[int, Silhouette]],
    reporter: Reporter,
    document: dict[str, Any],
) -> Agreement:
    """Add `truth`, `agreement` and `scores` to the document; a true frame without a mask counts as an empty one."""
    metric = Cardiac(request.detection)
    statistics: list[Statistic] = []
    absent = 0
    for name, sequence in sides.truths.items():
        for number, mask in zip(sequence.numbers, sequence, strict=True):
            true = silhouette(mask)
            predicted = measured[name].get(number)
            absent += predicted is None
            nothing = Silhouette(true.height, true.width, *[0] * 9)
            statistics.append(statistic_of(name, number, number - sequence.first_frame, true, predicted or nothing))
    if absent:
        reporter.warn(f"{counted(absent, 'true frame')} without a mask: taken as empty")
    info = _info(request, sides.fps)
    scored = score(Statistics(statistics), [metric], info)
    # Its sequences are without micrometres, and without those that have no truth.
    document |= {name: scored.details[metric.name][name] for name in ("truth", "agreement")}
    document["scores"] = {name: found.model_dump(mode="json") for name, found in scored.scores.items()}
    return metric.agreement(Statistics(statistics).of(metric.name), info)


def _propagated(request: CardiacRequest, sides: _Sides, reporter: Reporter) -> dict[str, Any]:
    """What changes of the true masks do to the beats; without a truth the masks themselves are taken for true."""
    from .cardiac_propagation import propagation

    sequences = sides.truths or sides.masks
    masks: Mapping[str, Iterable[Array]] = sides.truths or {name: sides.mask(name) for name in sides.masks}
    with reporter.progress("changing masks") as update:
        return propagation(masks, sequences, Cardiac(request.detection), _info(request, sides.fps), update)


def _info(request: CardiacRequest, fps: float) -> DatasetInfo:
    info: DatasetInfo = replace(dataset_class("medaka").info, frames_per_second=fps)
    size = request.pixel_size_um
    return info if size is None else replace(info, pixel_size_um=(size, size))


def _refuse_foreign(folder: Path) -> None:
    """A folder is ours when it is empty or holds our result, or masks that were begun."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; --out names a folder")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and not names & {RESULT, MASKS}:
        raise UserError(f"'{folder}' holds '{min(names)}' and no result of 'bench cardiac'; choose another with --out")


def _write(
    request: CardiacRequest,
    folder: Path,
    sides: _Sides,
    hearts: Sequence[Heartbeat],
    agreement: Agreement | None,
    document: Mapping[str, Any],
) -> list[Path]:
    """Tables of frames and beats, plots, and last the result, which marks the folder as complete."""
    written: list[Path] = []
    for name, rows in (("frames", frame_rows(hearts)), ("beats", beat_rows(hearts))):
        written += _write_table(folder / name, rows)
    if request.plots:
        written += _plots(folder, sides, hearts, agreement)
    if request.propagation:
        written += _write_propagation(request, folder, document["propagation"]["rows"])
    write_text(folder / RESULT, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return [*written, folder / RESULT]


def _write_table(stem: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """The same table as CSV and as Parquet."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(list(rows))
    csv, parquet = stem.with_suffix(".csv"), stem.with_suffix(".parquet")
    write_text(csv, table.to_csv(index=False))
    with atomic_path(parquet) as temporary:
        table.to_parquet(temporary, index=False)
    return [csv, parquet]


def _write_propagation(request: CardiacRequest, folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Error against Dice as a table and as a plot."""
    from ..figures.cardiac.agreement import propagation
    from ..figures.style import write_figure

    written = _write_table(folder / "propagation", rows)
    if request.plots:
        written += write_figure(folder / "plots" / "propagation", lambda: propagation(rows))
    return written


def _plots(folder: Path, sides: _Sides, hearts: Sequence[Heartbeat], agreement: Agreement | None) -> list[Path]:
    truths = {} if agreement is None else {heart.track.name: heart for heart in agreement.truths}
    written = write_cardiac_plots(folder / "plots", hearts, [truths.get(heart.track.name) for heart in hearts])
    if agreement is not None:
        written += write_agreement_plots(folder / "plots", agreement)
    if sides.frames is not None and len(hearts) == 1:
        written += _pictures(folder, sides, sides.frames, hearts[0], truths)
    return written


def _pictures(
    folder: Path, sides: _Sides, frames: Frames, heart: Heartbeat, truths: Mapping[str, Heartbeat]
) -> list[Path]:
    """The film strip of a typical beat and the overlay video."""
    from ..figures.cardiac.film_strip import film_strip, typical_beat
    from ..figures.cardiac.overlay import write_overlay_video
    from ..figures.style import write_figure

    name = heart.track.name
    written = []
    if beat := typical_beat(heart):
        written += write_figure(folder / "plots" / STRIP, lambda: film_strip(frames, sides.mask(name), heart, beat))
    video = folder / VIDEO
    write_overlay_video(video, frames, sides.mask(name), heart, truth=truths.get(name))
    return [*written, video]
