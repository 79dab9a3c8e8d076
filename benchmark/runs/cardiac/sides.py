"""What `bench cardiac` measures: masks at hand or of a video that a run segments, and the true ones beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...cardiac.detection import Detection
from ...cardiac.geometry import PIXEL_SIZE_UM, Silhouette, cells_of, cleaned, silhouette
from ...data.frame_numbers import number_frames
from ...data.image_sources import Frames, open_frames
from ...io.images.stacks import NOTHING_CHOSEN
from ...io.reporter import Reporter
from ...types import Array, ClassInfo, DatasetInfo, Uint8, UserError
from ..predict import predict
from ..predict_folder import DOCUMENT, read_predicting_run
from ..record import read_record, recorded_info
from ..request import PredictRequest
from .calibration import Calibration, calibration, run_folder_of
from .mask_sequences import MaskSequence, find_sequences
from .request import CardiacRequest
from .truth import DiceBlock, dice_of, joined_frames, paired_with_truth, refuse_other_size

RESULT, MASKS = "cardiac.json", "masks"


@dataclass(frozen=True)
class Measured:
    """What is kept of masks, by sequence and file number."""

    silhouettes: dict[str, dict[int, Silhouette]]
    cells: dict[str, dict[int, Uint8]]


@dataclass(frozen=True)
class Sides:
    """What was read: sequences of masks, those of the truth by the same names, and pictures, where there are any."""

    masks: Mapping[str, MaskSequence]
    truths: Mapping[str, MaskSequence]
    frames: Frames | None
    calibration: Calibration
    clean: bool
    beating: bool = True
    """Whether the truth holds consecutive frames, and so beats."""
    alike: bool = True
    """Whether masks and truth are of one size, and so have a Dice."""

    def dice(self) -> DiceBlock | None:
        """Dice of the masks, as they are measured, over the frames that the truth has too; None without a truth."""
        return dice_of(self.masks, self.truths, self.mask) if self.truths and self.alike else None

    def mask(self, name: str) -> Iterator[Array]:
        """The masks (H, W) of a sequence, one by one."""
        return (cleaned(mask) if self.clean else mask for mask in self.masks[name])

    def measured(self, update: Callable[[int, int, str], None]) -> Measured:
        """Silhouettes and coarse masks by sequence and file number."""
        total = sum(map(len, self.masks.values()))
        found = Measured({name: {} for name in self.masks}, {name: {} for name in self.masks})
        done = 0
        for name, sequence in self.masks.items():
            for number, mask in zip(sequence.numbers, self.mask(name), strict=True):
                found.silhouettes[name][number] = silhouette(mask)
                found.cells[name][number] = cells_of(mask)
                done += 1
                update(done, total, "")
        return found


def read_sides(request: CardiacRequest, reporter: Reporter) -> Sides:
    """Find the masks, or segment the video, and the truth.

    Raises
    ------
    UserError
        For masks, videos, runs or settings that cannot be used.
    """
    masks, frames = _masks(request, reporter)
    for note in dict.fromkeys(note for sequence in masks.values() for note in sequence.notes):
        reporter.say(note)
    found = calibration(request, frames, reporter)
    clean = request.predicted if request.clean is None else request.clean
    if request.written_by_run:
        reporter.say(f"the masks of '{request.input}' were written by a run: they are measured as with --run")
    if clean:
        reporter.say("of each mask the largest piece was kept and its holes were filled (--no-clean leaves them)")
    if request.predicted and request.detection == Detection.for_predicted_masks():
        reporter.say(
            "extrema are looked for as suits predicted masks, which flicker; the published definition is "
            "--smoothing 0 --refractory 0 --no-pulsation"
        )
    truths: Mapping[str, MaskSequence] = {}
    beating = alike = True
    if request.truth is not None:
        true, beating = joined_frames(_true_sequences(request, request.truth), reporter.warn)
        truths = paired_with_truth(masks, true, reporter.say, reporter.warn)
        # Pixels of HeartSeg follow from the size of the frames, those of any other film are one size.
        warn = reporter.warn if found.pixel_size_um is None else None
        of_one_size = [refuse_other_size(name, masks[name], each, warn) for name, each in truths.items()]
        alike = all(of_one_size)
    return Sides(masks, truths, frames, found, clean, beating, alike)


def _true_sequences(request: CardiacRequest, truth: Path) -> list[MaskSequence]:
    """True masks, which need no choice of a channel or slice even where the film does."""
    try:
        return find_sequences(truth)
    except UserError:
        if request.chosen == NOTHING_CHOSEN:
            raise
        return find_sequences(truth, request.chosen)


def _masks(request: CardiacRequest, reporter: Reporter) -> tuple[dict[str, MaskSequence], Frames | None]:
    """Sequences of masks by name, and the pictures that a run segmented into them."""
    frames = None
    if request.run is not None:
        frames = open_frames(request.input, request.chosen)
        if frames.kind == "folder" and not frames.numbered:
            number_frames(frames.paths)  # says what is wrong with the names before the work
        found = _segmented(request, request.run, reporter)
    else:
        if (request.input / RESULT).is_file() and (request.input / MASKS).is_dir():
            raise UserError(
                f"'{request.input}' is what 'bench cardiac' wrote. To measure its masks again give "
                f"'{request.input / MASKS}' (with the --fps and --pixel-size-um of then, if any)."
            )
        found = find_sequences(request.input, request.chosen)
    masks = {sequence.name: sequence for sequence in found}
    if len(masks) < len(found):
        twice = min(name for name, count in Counter(sequence.name for sequence in found).items() if count > 1)
        raise UserError(f"'{request.input}' holds two sequences that would be called '{twice}'; rename a folder")
    return masks, frames


def _segmented(request: CardiacRequest, run: Path, reporter: Reporter) -> list[MaskSequence]:
    """Segment the input with the run; the masks stay, so an interrupted run is resumed by the same command."""
    assert request.folder is not None
    record = read_record(run)
    info = recorded_info(record.dataset)
    if record.dataset.origin == "synthetic":
        reporter.warn(f"{record.run_id} was trained on SYNTHETIC data: look at the overlays before you trust a number")
    if info.task != "binary":
        raise UserError(f"'{run}' segments {info.name} into {len(info.classes)} classes; a heart needs masks")
    out = request.folder / MASKS
    predict(
        PredictRequest(
            run,
            request.input,
            out,
            request.device,
            fold=request.fold,
            channel=request.channel,
            z=request.z,
            resume=True,
        ),
        reporter,
    )
    found = find_sequences(out)
    stem = request.input.stem
    # A video with a long gap is several sequences.
    names = [stem] if len(found) == 1 else [f"{stem}-{sequence.first_frame:06d}" for sequence in found]
    return [replace(sequence, name=name) for sequence, name in zip(found, names, strict=True)]


def run_of(request: CardiacRequest) -> str | None:
    """The id of the run that makes the masks, or that made those at hand and says so beside them."""
    if request.written_by_run:
        return read_predicting_run(request.input / DOCUMENT).run_id
    folder = run_folder_of(request.input) if request.run is None else request.run
    return None if folder is None else read_record(folder).run_id


def info_of(calibration: Calibration) -> DatasetInfo:
    """What is true of masks at hand: a film of one ventricle, 1 in its masks."""
    return DatasetInfo(
        name="masks",
        version="1",
        summary="masks of a beating heart",
        task="binary",
        classes=(ClassInfo(0, "background", (0, 0, 0), "background"), ClassInfo(1, "ventricle", (255, 255, 255))),
        splits={},
        default_split="",
        metrics=(),
        main_score="",
        licence="",
        citation="",
        homepage="",
        layout="",
        pixel_size_um=calibration.pixel_size_um or (PIXEL_SIZE_UM, PIXEL_SIZE_UM),
        frames_per_second=calibration.fps,
    )
