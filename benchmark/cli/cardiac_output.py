"""The numbers of beating hearts at the terminal: per sequence, and against truth and human annotators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ..cardiac.agreement import ENOUGH_BEATS, relative_in_words, verdict_in_words
from ..cardiac.blocks import AgreementBlock
from ..cardiac.geometry import FLAGS as MASK_FLAGS
from ..cardiac.propagation import NO_ERRORS
from ..runs.cardiac.doubts import FLAGS, cannot_judge
from ..runs.cardiac.flicker import FLICKER, raised_by_flicker
from ..runs.cardiac.groups import CORRECTED, MEASURES, means_over_films
from ..runs.cardiac.methods import METHODS
from ..text import UNDEFINED, between, counted, number
from .output import safe, stdout

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..cardiac.beats import Distribution
    from ..cardiac.blocks import DistributionBlock, SequenceBlock, SummaryBlock
    from ..evaluation.scores import Score
    from ..runs.cardiac.document import CardiacDocument
    from ..runs.cardiac.propagation import PropagationBlock
    from ..runs.cardiac.truth import DiceBlock

MANY_BEATS = 18
"""Beats of the published table (Schutera et al. 2019): a verdict on fewer rests on little."""
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
_STYLES = {
    "better than human": "bold green",
    "within the human range": "green",
    "worse than human": "bold red",
    "undecided": "yellow",
}
_NAMES = {"fs_minor": "FS, minor axis", "fs_major": "FS, major axis", "ef": "ejection fraction"}


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
    table = _table("sequence", "frames", "beats", "beats/min", "CV %", "rhythm", "EF %", "FS minor", "FS major")
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


def of_record(console: Console, block: Mapping[str, Any], scores: Mapping[str, Score]) -> None:
    """The same of a record's block: the hook `terminal_table` of the cardiac family."""
    agreement(console, AgreementBlock.model_validate(block["agreement"]), len(block["sequences"]), scores)


def agreement(console: Console, found: AgreementBlock, n_sequences: int, scores: Mapping[str, Score]) -> None:
    """Errors against truth with the verdicts; `scores` are values with intervals by the names of the family."""
    low, high = found.human_range_pp
    beats_found = scores["beat_detection_rate"].value
    console.print(
        f"[bold]heart[/]: {found.n_matched_beats} of {counted(found.n_true_beats, 'true beat')} found"
        f"{'' if beats_found is None else f' ({beats_found:.0%})'}, {found.n_predicted_beats - found.n_matched_beats} "
        f"predicted without a true one, {counted(n_sequences, 'sequence')}"
    )
    table = _table("error per beat", "pp", "95 % interval", "relative", f"human {low:g}–{high:g} pp")
    for name, what in _NAMES.items():
        error = scores[f"{name}_error_pp"]
        said = verdict_in_words(error.low, error.high, beats_found)
        table.add_row(
            what,
            number(error.value, ".2f"),
            between(error.low, error.high, ".2f", " – "),
            relative_in_words(error.value, scores[f"{name}_error_relative"].value),
            f"[{_STYLES[said.partition(' (')[0]]}]{said}[/]" if name in found.verdicts else UNDEFINED,
        )
    rate = scores["heart_rate_error_bpm"]
    table.add_row(
        "heart rate, beats/min",
        number(rate.value, ".2f"),
        between(rate.low, rate.high, ".2f", " – "),
        number(scores["heart_rate_error_relative"].value, ".1%"),
        UNDEFINED,
    )
    console.print(table)
    console.print(_basis(found, n_sequences), soft_wrap=True)
    frames = [
        f"{name} off by {error.mean:.2f} frames (at most {error.max})"
        for name, error in found.frame_error.items()
        if error is not None
    ]
    if frames:
        console.print(", ".join(frames))
    if beats_found is not None and beats_found < ENOUGH_BEATS:
        few = f"fewer than {ENOUGH_BEATS:.0%} of the true beats were found"
        console.print(f"undecided, because {few}: errors are known of these alone", soft_wrap=True)


def _basis(found: AgreementBlock, n_sequences: int) -> str:
    """Which error the verdicts are about, and how much they rest on."""
    text = (
        "verdicts are about the mean error per beat in percentage points (pp), not about the relative error, and rest "
        f"on {counted(found.n_matched_beats, 'beat')} of {counted(n_sequences, 'film')}"
    )
    few = [f"fewer than the {MANY_BEATS} of the published table"] if found.n_matched_beats < MANY_BEATS else []
    few += ["another film may be otherwise"] if n_sequences == 1 else []
    return f"{text}: {'; '.join(few)}" if few else text


def propagation(console: Console, block: PropagationBlock) -> None:
    """Error of each measure by kind and strength of change, then which Dice is needed, or that there are no beats."""
    if block.answer == [NO_ERRORS]:
        console.print(f"[bold]masks changed on purpose[/]: {NO_ERRORS}", soft_wrap=True)
        return
    table = _table("change", "px", "Dice", "FS minor", "FS major", "EF", "beats found")
    for row in block.rows:
        errors = (
            f"{number(error, '.1f')} ({number(bias, '+.1f')})"
            for error, bias in (
                (row.fs_minor_error_pp, row.fs_minor_bias_pp),
                (row.fs_major_error_pp, row.fs_major_bias_pp),
                (row.ef_error_pp, row.ef_bias_pp),
            )
        )
        found = number(row.beat_detection_rate, ".0%")
        table.add_row(row.kind, str(row.radius_px), number(row.dice, ".3f"), *errors, found)
    console.print("[bold]masks changed on purpose[/]: mean absolute error per beat (bias), percentage points")
    console.print(table)
    for line in block.answer:
        console.print(line, soft_wrap=True)


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


def _table(*columns: str) -> Table:
    from rich import box

    from .fitting_table import FittingTable

    table = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns:
        # Where it is narrow, names are folded; numbers stay whole.
        words = name == columns[0] or name.startswith("human")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table


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
