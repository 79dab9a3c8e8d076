"""Which numbers of a film at hand are not to be used, and why: what tables, plots and means over films leave out.

`cardiac.json` keeps every number of a film as it was measured, and names these beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...cardiac.beats import Heartbeat, beats_of, distribution, rates_disagree
from ...cardiac.blocks import DistributionBlock, FlickerBlock, SequenceBlock, SummaryBlock
from ...cardiac.detection import Detection
from ...cardiac.flicker import flicker_of
from ...cardiac.to_json import BEAT_MEASURES, cardiac_output
from ...text import counted
from .doubts import cannot_judge, doubtful, extra_beats, like_flicker, longest_gap, reasons_of_not_following
from .flicker import FLICKER, flickers

FRACTIONS = ("ef", "fs_minor", "fs_major", "fac")
VOLUMES = ("stroke_volume_px3", "stroke_volume_nl", "end_diastolic_volume_nl", "end_systolic_volume_nl")
LENGTHS = ("end_diastolic_major_um", "end_diastolic_minor_um", "end_systolic_major_um", "end_systolic_minor_um")
INTERVALS = ("beat_heart_rate_bpm", "interval_s", "interval_cv")
RATE = "heart_rate_bpm"


@dataclass(frozen=True)
class Unfit:
    """Names of measures that are not to be used, as in the tables, and a sentence for each reason."""

    measures: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def holds(self, measure: str) -> bool:
        """Whether a measure is not to be used."""
        return measure in self.measures


@dataclass
class _Found:
    measures: dict[str, None] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str, *groups: Sequence[str]) -> None:
        self.reasons.append(reason)
        self.measures |= dict.fromkeys(name for group in groups for name in group)


def unfit(heart: Heartbeat, film_bpm: float | None = None) -> Unfit:
    """What is not to be used of a film.

    Sizes and single intervals of masks that do not follow the beat; lengths and volumes in impossible pixels; and the
    heart rate where no heart has it, where frames without masks may hide a beat, where the film's own colours have
    another (`film_bpm`, beats per minute), or where without these the rhythm of masks that do not follow is another, or
    the published definition finds twice as many beats that they do follow.
    """
    flags, found = doubtful(heart), _Found()
    astray = reasons_of_not_following(heart)
    if astray:
        found.add(f"the masks do not follow the beat: {'; '.join(astray)}", FRACTIONS, VOLUMES, LENGTHS, INTERVALS)
    if "implausible_size" in flags:
        found.add("no heart has such a volume, so the size of a pixel is wrong", VOLUMES, LENGTHS)
    if gap := longest_gap(heart):
        what = f"{counted(gap, 'frame')} in a row have no mask, and beats in there were not seen"
        found.add(what, (RATE,), INTERVALS)
    if astray and (counted_plainly := _rate_that_masks_follow(heart)) is not None:
        what = "by the published definition (--no-pulsation --smoothing 0 --refractory 0) the masks follow"
        found.add(f"{what} {counted_plainly:.1f} beats per minute", (RATE,))
    if astray and "motionless" in flags:
        found.add("what is still has no heart rate", (RATE,))
    rate = heart.heart_rate_bpm
    if "implausible_rate" in flags:
        found.add("no heart beats at such a rate, so the frames per second are wrong", (RATE,), INTERVALS)
    elif rate is not None and film_bpm is not None and not cannot_judge(film_bpm, rate):
        if rates_disagree(rate, film_bpm):
            found.add(f"the film's own colours beat {film_bpm:.1f} times a minute", (RATE,), INTERVALS)
    elif extra_beats(heart) or (astray and "rates_disagree" in flags):
        rhythm = heart.heart_rate_bpm_spectral or 0.0
        found.add(f"the rhythm of these masks is {rhythm:.1f} per minute", (RATE,), INTERVALS)
    elif like_flicker(heart):
        found.add("what may be flicker has no heart rate", (RATE,))
    return Unfit(tuple(found.measures), tuple(found.reasons))


def _rate_that_masks_follow(heart: Heartbeat) -> float | None:
    """Twice the rate, where the masks follow that when beats are looked for by the published definition; else None.

    A heart whose every other beat is weak has half the rhythm, by which the weak beats are passed over.
    """
    rate, plain = heart.heart_rate_bpm, beats_of(heart.track, Detection())
    other = plain.heart_rate_bpm
    if rate is None or other is None or heart.detection == plain.detection or rates_disagree(other, 2 * rate):
        return None
    return None if reasons_of_not_following(plain) else other


def with_doubts(sequences: Sequence[SequenceBlock], hearts: Sequence[Heartbeat], unfits: Mapping[str, Unfit]) -> None:
    """Put the flags of sequences at hand into their blocks, and what is not to be used of each."""
    for sequence, heart in zip(sequences, hearts, strict=True):
        each = unfits[sequence.name]
        flicker = None if each.holds("ef") else flicker_of(heart)
        sequence.flicker = None if flicker is None else FlickerBlock(**vars(flicker))
        sequence.flags = [*doubtful(heart), *([FLICKER] if flickers(flicker) else [])]
        sequence.do_not_use, sequence.do_not_use_because = list(each.measures), list(each.reasons)


def usable_summary(summary: SummaryBlock, hearts: Sequence[Heartbeat], unfits: Mapping[str, Unfit]) -> SummaryBlock:
    """A summary over what may be used of each film; numbers of films, frames and beats are of all."""

    def over(values: Sequence[float | None]) -> DistributionBlock:
        return DistributionBlock(**vars(distribution(value for value in values if value is not None)))

    def fit(*measures: str) -> list[Heartbeat]:
        return [h for h in hearts if not any(unfits[h.track.name].holds(name) for name in measures)]

    means = {name: over([getattr(beat, name) for h in fit(name) for beat in h.beats]) for name in BEAT_MEASURES}
    means[RATE] = over([h.heart_rate_bpm for h in fit(RATE)])
    means["cardiac_output_nl_per_min"] = over([cardiac_output(h) for h in fit(RATE, "stroke_volume_nl")])
    return summary.model_copy(update=means)
