"""The numbers of beating hearts at the terminal, by sequence and over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ..cardiac.geometry import FLAGS as MASK_FLAGS
from ..runs.cardiac.doubts import FLAGS, cannot_judge
from ..runs.cardiac.flicker import FLICKER, raised_by_flicker
from ..runs.cardiac.groups import CORRECTED, MEASURES, means_over_films
from ..runs.cardiac.methods import METHODS
from ..text import UNDEFINED, counted, number
from .cardiac_agreement_output import agreement, propagation, table_of_numbers
from .output import safe, stdout

if TYPE_CHECKING:
    from rich.console import Console

    from ..cardiac.beats import Distribution
    from ..cardiac.blocks import DistributionBlock, SequenceBlock, SummaryBlock
    from ..runs.cardiac.document import CardiacDocument
    from ..runs.cardiac.truth import DiceBlock

MAX_NAMED = 5
"""Number of sequences that are named for one flag."""
UNFIT = "unfit"
"""Stands in the table for a number that is not to be used."""
_GROUPS = {
    "heart rate": ("heart_rate_bpm",),
    "intervals (CV)": ("interval_cv",),
    "EF, FS and FAC": ("ef", "fs_minor", "fs_major", "fac"),
    "volumes and diameters": ("stroke_volume_nl", "end_diastolic_major_um"),
}
_COLUMNS = (
    "± is the standard deviation over the beats of a film; CV that of its intervals, over their mean; rhythm the rate "
    "of the masks, found without looking for beats"
)


def document(found: CardiacDocument, as_json: bool, quiet: bool = False) -> None:
    """Beats of every sequence, what they are worth beside a truth, and what to do next."""
    if as_json:
        print(found.to_json(), end="")
        return
    console = stdout()
    sequences(console, found.sequences, found.summary)
    if len(found.sequences) > 1:
        over_films(console, found.sequences)
    else:
        summary(console, found.summary)
    if len(found.sequences) == 1:
        _size_of(console, found.sequences[0])
    _flicker(console, found.sequences)
    _do_not_use(console, found.sequences)
    if found.film_heart_rate_bpm is not None:
        text = f"rhythm of the film's own colours, without any mask: {found.film_heart_rate_bpm:.1f} beats/min"
        if cannot_judge(found.film_heart_rate_bpm):
            text += ", at the edge of where one is looked for: what changes may be no heart"
        console.print(text, soft_wrap=True)
    if found.fps_from == "default" and found.sequences:
        fps = found.sequences[0].fps
        console.print(
            f"[bold red]{fps:g} frames per second were assumed:[/] the input does not say its rate, so HeartSeg's is "
            "taken and every heart rate rests on it; give it with --fps",
            soft_wrap=True,
        )
    if found.pixel_size_from == "default" and found.sequences:
        console.print(
            f"[bold red]pixels of {_side(found.sequences[0].pixel_size_um)} µm were assumed:[/] the input does not say "
            "their size, so HeartSeg's is taken and lengths and volumes are only right if it is yours; give it with "
            "--pixel-size-um",
            soft_wrap=True,
        )
    if found.dice is not None:
        console.print()
        dice(console, found.dice)
    if found.agreement is not None and found.scores is not None:
        console.print()
        agreement(console, found.agreement, len(found.sequences), found.scores)
        for each in found.truth or ():
            if "ef" in (each.do_not_use or ()):
                why = safe("; ".join(each.do_not_use_because or ()))
                text = f"[bold red]the truth of {safe(each.name)} is in doubt[/], and so are these errors: {why}"
                console.print(text, soft_wrap=True)
    if found.propagation is not None:
        console.print()
        propagation(console, found.propagation)
    if found.files:
        console.print(
            f"{counted(len(found.files), 'file')} in {safe(str(Path(found.files[-1]).parent))}", soft_wrap=True
        )
    if not quiet:
        console.print(f"next: {_next(found)}", soft_wrap=True)


def dice(console: Console, found: DiceBlock) -> None:
    """How much masks and truth overlap, over the frames that both have."""
    console.print(
        f"[bold]Dice[/] of the masks: {number(found.pooled, '.4f')} over all pixels, "
        f"{number(found.mean_per_frame, '.4f')} in the mean of {counted(found.n_frames, 'frame')}",
        soft_wrap=True,
    )


def sequences(console: Console, found: Sequence[SequenceBlock], over_all: SummaryBlock) -> None:
    """One line for each sequence, then the flags that need a word; `rhythm` is the rate found without beats.

    `CV` is that of the intervals between beats: how unevenly it beats. What is not to be used is `unfit`.
    """
    table = table_of_numbers(
        "sequence", "frames", "beats", "beats/min", "CV %", "rhythm", "EF %", "FS minor", "FS major"
    )
    for each in found:
        table.add_row(
            safe(each.name),
            f"{each.n_frames}" + (f" (-{len(each.missing)})" if each.missing else ""),
            str(len(each.beats)),
            _fit(each, "heart_rate_bpm", number(each.heart_rate_bpm, ".1f")),
            _fit(each, "interval_cv", number(each.rhythm.interval_cv and 100 * each.rhythm.interval_cv, ".1f")),
            number(each.heart_rate_bpm_spectral, ".1f"),
            *(_fit(each, name, _spread(getattr(each, name), 100, ".0f")) for name in ("ef", "fs_minor", "fs_major")),
        )
    console.print(table)
    if any(each.beats for each in found):
        console.print(_COLUMNS, soft_wrap=True)
    _notes(console, found, over_all)


def summary(console: Console, found: SummaryBlock) -> None:
    """Over all sequences and their beats: mean and standard deviation of what may be used."""
    known = _means({name: getattr(found, name) for name in MEASURES})
    count = f"{counted(found.n_beats, 'beat')} in {counted(found.n_sequences, 'sequence')}"
    console.print(f"{count}: {known}" if known else count, soft_wrap=True)


def over_films(console: Console, found: Sequence[SequenceBlock]) -> None:
    """Over the means of films, by group where there are several."""
    beats = counted(sum(len(each.beats) for each in found), "beat")
    console.print(f"{beats} in {len(found)} films. Over films, each counting once with its mean:")
    flickers = any(FLICKER in each.flags for each in found)
    for name, (count, means) in means_over_films(found).items():
        known = _means({key: spread for key, spread in means.items() if flickers or key != CORRECTED})
        console.print(f"  {safe(name)} ({counted(count, 'film')}): {known or UNDEFINED}", soft_wrap=True)


def _means(found: Mapping[str, Distribution | DistributionBlock]) -> str:
    """Mean and standard deviation of each measure that there is."""
    volume = found["stroke_volume_nl"].mean
    forms = {
        "heart_rate_bpm": ("", 1, ".1f", " beats/min"),
        "ef": ("EF ", 100, ".1f", " %"),
        CORRECTED: ("EF without flicker ", 100, ".1f", " %"),
        "fs_minor": ("FS minor ", 100, ".1f", " %"),
        "fs_major": ("FS major ", 100, ".1f", " %"),
        "stroke_volume_nl": ("stroke volume ", 1, _three_digits(volume), " nL"),
    }
    return ", ".join(
        f"{before}{_spread(found[name], factor, form)}{unit}"
        for name, (before, factor, form, unit) in forms.items()
        if name in found and found[name].mean is not None
    )


def _notes(console: Console, found: Sequence[SequenceBlock], over_all: SummaryBlock) -> None:
    for flag, count in over_all.flagged_frames.items():
        console.print(f"{counted(count, 'frame')} flagged '{flag}': {MASK_FLAGS[flag]}", soft_wrap=True)
    for flag, count in over_all.flagged_sequences.items():
        if flag in ("not_following", FLICKER):
            continue  # stand below with reasons and numbers
        name = flag.replace("_", " ")
        named = [safe(each.name) for each in found if flag in each.flags]
        where = ", ".join(named[:MAX_NAMED]) + (", …" if len(named) > MAX_NAMED else "")
        console.print(f"{counted(count, 'sequence')} flagged '{name}' ({where}): {FLAGS[flag]}", soft_wrap=True)


def _size_of(console: Console, found: SequenceBlock) -> None:
    """How large the ventricle is when full: whoever knows the animal sees whether the size of a pixel is right."""
    full = [frame for frame in found.frames or () if frame.frame in found.diastoles]
    sizes = [(frame.axis_major_um, frame.axis_minor_um, frame.volume_nl) for frame in full]
    known = [[value for value in column if value is not None] for column in zip(*sizes, strict=True)]
    if "end_diastolic_major_um" in (found.do_not_use or ()) or not all(known) or not known:
        return
    major, minor, volume = (median(column) for column in known)
    text = f"end of diastole: {major:.0f} x {minor:.0f} µm, {volume:{_three_digits(volume)}} nL (medians)"
    console.print(text, soft_wrap=True)


def _flicker(console: Console, found: Sequence[SequenceBlock]) -> None:
    """How far flicker of the masks raises the fractions: of films where it is much, and of a single one always."""
    odd = [each for each in found if FLICKER in each.flags]
    for each in found if len(found) == 1 else odd[:MAX_NAMED]:
        if text := raised_by_flicker(each):
            name = safe(each.name)
            console.print(f"[bold red]{name}[/]: {text}" if each in odd else f"{name}: {text}", soft_wrap=True)
    if len(odd) > MAX_NAMED:
        console.print(f"and {len(odd) - MAX_NAMED} more films flicker: see ef_corrected in sequences.csv or --json")


def _fit(found: SequenceBlock, measure: str, text: str) -> str:
    """The text of a measure, unless it is not to be used."""
    return f"[bold red]{UNFIT}[/]" if text != UNDEFINED and measure in (found.do_not_use or ()) else text


def _do_not_use(console: Console, found: Sequence[SequenceBlock]) -> None:
    """Which numbers of which films are not to be used, and why."""
    odd = [each for each in found if each.do_not_use]
    for each in odd[:MAX_NAMED]:
        named = [words for words, measures in _GROUPS.items() if set(measures) & set(each.do_not_use or ())]
        fit = "heart_rate_bpm" not in (each.do_not_use or ()) and each.heart_rate_bpm is not None
        rate = f". Its heart rate ({each.heart_rate_bpm:.1f}) may be right" if fit else ""
        console.print(
            f"[bold red]{safe(each.name)}: do not use its {_listed(named)}[/]: "
            f"{safe('; '.join(each.do_not_use_because or ()))}{rate}",
            soft_wrap=True,
        )
    if len(odd) > MAX_NAMED:
        console.print(f"and {len(odd) - MAX_NAMED} more films: see do_not_use in sequences.csv or --json")
    if odd and len(found) > 1:
        console.print(
            f"means over films leave these numbers out ({len(odd)} of {len(found)} films): say so where you give them",
            soft_wrap=True,
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _next(found: CardiacDocument) -> str:
    """What people do after this: keep tables and plots, look at the masks, hold them against some drawn by hand."""
    lines = []
    if not found.files:
        lines.append(f"{safe(found.command)} --out heart  # tables, plots")
    else:
        folder = Path(found.files[-1]).parent
        looked_at = [path for path in map(Path, found.files) if path.name == "overlay.mp4" or path.suffix == ".png"]
        if looked_at:
            lines.append(f"look at {safe(str(max(looked_at, key=lambda path: path.name == 'overlay.mp4')))}")
        lines.append(f"{METHODS} in {safe(str(folder))} says what the columns are, and has words for a Methods section")
    if found.dice is None and found.agreement is None:
        masks = f"bench cardiac {safe(found.masks)}" if found.masks else safe(found.command)
        lines.append(f"{masks} --truth DIR  # how far off: masks that you have drawn")
    return "\n      ".join(lines)


def _three_digits(value: float | None) -> str:
    """The form in which a value has three digits, and its deviation as many places."""
    if not value or not math.isfinite(value):
        return ".3g"
    places = 2 - math.floor(math.log10(abs(value)))
    return f".{places}f" if 0 <= places <= 8 else ".3g"


def _side(size: float | Sequence[float]) -> str:
    """The side of a pixel, or height x width where it is not square."""
    return " x ".join(f"{side:.4g}" for side in ([size] if isinstance(size, float) else size))


def _spread(found: Distribution | DistributionBlock, factor: float, form: str) -> str:
    if found.mean is None:
        return UNDEFINED
    std = "" if found.std is None else f" ± {factor * found.std:{form}}"
    return f"{factor * found.mean:{form}}{std}"
