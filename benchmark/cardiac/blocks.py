"""The block `cardiac` of records and of `bench cardiac --json` as typed documents: None where undefined."""

from __future__ import annotations

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ..io.documents import Document
from .agreement import Verdict


class Block(Document):
    """A part of the block. A field that is not given has no key; one that is given as None is null."""

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unset = type(self).model_fields.keys() - self.model_fields_set
        return {key: value for key, value in handler(self).items() if key not in unset}


class DistributionBlock(Block):
    """See `segbench.cardiac.beats.Distribution`."""

    n: int
    mean: float | None
    std: float | None
    median: float | None
    q25: float | None
    q75: float | None


class RhythmBlock(Block):
    """See `segbench.cardiac.beats.Rhythm`."""

    intervals: int
    interval_mean_s: float | None
    interval_sd_s: float | None
    interval_cv: float | None
    rmssd_s: float | None


class FrameBlock(Block):
    """One frame, counted from the first; sizes in micrometres may be left out, for they follow from those in pixels."""

    frame: int
    area_px: int
    axis_major_px: float | None
    axis_minor_px: float | None
    equivalent_diameter_px: float | None
    volume_px3: float | None
    centroid_y_px: float | None
    centroid_x_px: float | None
    area_um2: float | None = None
    axis_major_um: float | None = None
    axis_minor_um: float | None = None
    volume_nl: float | None = None
    flags: list[str]


class RefinedBlock(Block):
    """See `segbench.cardiac.beats.Refined`."""

    diastolic_time: float
    systolic_time: float
    heart_rate_bpm: float | None
    fs_minor: float | None
    fs_major: float | None
    fac: float | None
    ef: float | None


class BeatBlock(Block):
    """See `segbench.cardiac.beats.Beat`."""

    diastolic_frame: int
    systolic_frame: int
    heart_rate_bpm: float | None
    fs_minor: float | None
    fs_major: float | None
    fac: float | None
    ef: float | None
    stroke_volume_px3: float | None
    stroke_volume_nl: float | None
    refined: RefinedBlock | None
    flags: list[str]


class FlickerBlock(Block):
    """See `segbench.cardiac.flicker.Flicker`; without a correction both mappings are empty."""

    area_noise: float
    false_beats: int
    corrected: dict[str, float]
    bias: dict[str, float]


class SequenceBlock(Block):
    """One sequence. `first_frame`, `last_frame` and `missing` are file numbers, all else counts from the first frame.

    `pixel_size_um` is the side of a pixel, or [height, width] where these differ. `bench cardiac` names in
    `do_not_use` the measures that tables and summary leave out, and says why, and in `flicker` what flicker of the
    masks does to the means, null where that is not known; records have no such keys.
    """

    name: str
    first_frame: int
    last_frame: int
    n_frames: int
    missing: list[int]
    fps: float
    pixel_size_um: float | list[float]
    frames: list[FrameBlock] | None = None
    diastoles: list[int]
    systoles: list[int]
    beats: list[BeatBlock]
    heart_rate_bpm: float | None
    heart_rate_bps: float | None
    heart_rate_bpm_refined: float | None
    heart_rate_bpm_spectral: float | None
    frames_per_beat: float | None
    beat_heart_rate_bpm: DistributionBlock
    fs_minor: DistributionBlock
    fs_major: DistributionBlock
    fac: DistributionBlock
    ef: DistributionBlock
    stroke_volume_px3: DistributionBlock
    stroke_volume_nl: DistributionBlock
    rhythm: RhythmBlock
    flags: list[str]
    flicker: FlickerBlock | None = None
    do_not_use: list[str] | None = None
    do_not_use_because: list[str] | None = None


class SummaryBlock(Block):
    """Over all sequences: rates by sequence, everything else over all beats, and how many frames have which flag."""

    n_sequences: int
    n_frames: int
    n_missing: int
    n_beats: int
    heart_rate_bpm: DistributionBlock
    fs_minor: DistributionBlock
    fs_major: DistributionBlock
    fac: DistributionBlock
    ef: DistributionBlock
    stroke_volume_px3: DistributionBlock
    stroke_volume_nl: DistributionBlock
    cardiac_output_nl_per_min: DistributionBlock
    flagged_frames: dict[str, int]
    flagged_sequences: dict[str, int]


class FrameErrorBlock(Block):
    """Distance of the predicted frames of one kind of extremum from the true ones, in frames."""

    mean: float
    max: int


class VerdictBlock(Block):
    """An error with its 95 % interval, percentage points, and what it means beside human annotators."""

    error_pp: float | None
    low: float | None
    high: float | None
    error_relative: float | None
    verdict: Verdict


class LimitsBlock(Block):
    """See `segbench.cardiac.agreement.Limits`."""

    n: int
    bias: float | None
    low: float | None
    high: float | None


class PairBlock(Block):
    """A true beat that was found: diastolic and systolic frame on both sides, and prediction less truth."""

    sequence: str
    truth: list[int]
    predicted: list[int]
    fs_minor_difference_pp: float | None
    fs_major_difference_pp: float | None
    ef_difference_pp: float | None


class AgreementBlock(Block):
    """Errors, Bland and Altman's limits and verdicts of predictions against truth."""

    human_range_pp: list[float]
    n_true_beats: int
    n_predicted_beats: int
    n_matched_beats: int
    enough_beats: float
    frame_error: dict[str, FrameErrorBlock | None]
    verdicts: dict[str, VerdictBlock]
    bland_altman_pp: dict[str, LimitsBlock]
    bland_altman_heart_rate_bpm: LimitsBlock
    pairs: list[PairBlock]


class CardiacBlock(Block):
    """Every sequence with its frames and beats, the summary over all, and where there is a truth, what it says."""

    sequences: list[SequenceBlock]
    summary: SummaryBlock
    truth: list[SequenceBlock] | None = None
    agreement: AgreementBlock | None = None
