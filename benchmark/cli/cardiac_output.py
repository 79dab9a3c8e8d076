"""The numbers of beating hearts at the terminal: per sequence, and against truth and human annotators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..cardiac.agreement import ENOUGH_BEATS, verdict_in_words
from ..text import UNDEFINED, between, counted, number, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_NAMED = 5
_STYLES = {
    "better than human": "bold green",
    "within the human range": "green",
    "worse than human": "bold red",
    "undecided": "yellow",
}
_NAMES = {"fs_minor": "FS, minor axis", "fs_major": "FS, major axis", "ef": "ejection fraction"}


def sequences(console: Console, block: Mapping[str, Any]) -> None:
    """One line for each sequence, then the flags that need a word; `rhythm` is the rate found without beats."""
    table = _table("sequence", "frames", "beats", "beats/min", "rhythm", "EF %", "FS minor", "FS major")
    for found in block["sequences"]:
        table.add_row(
            printable(found["name"]),
            f"{found['n_frames']}" + (f" (-{len(found['missing'])})" if found["missing"] else ""),
            str(len(found["beats"])),
            number(found["heart_rate_bpm"], ".1f"),
            number(found["heart_rate_bpm_spectral"], ".1f"),
            *(_spread(found[name], 100, ".0f") for name in ("ef", "fs_minor", "fs_major")),
        )
    console.print(table)
    _notes(console, block)


def summary(console: Console, block: Mapping[str, Any]) -> None:
    """Over all sequences and beats: mean and standard deviation."""
    found = block["summary"]
    console.print(
        f"{counted(found['n_beats'], 'beat')} in {counted(found['n_sequences'], 'sequence')}: "
        f"{_spread(found['heart_rate_bpm'], 1, '.1f')} beats/min, EF {_spread(found['ef'], 100, '.1f')} %, "
        f"FS minor {_spread(found['fs_minor'], 100, '.1f')} %, FS major {_spread(found['fs_major'], 100, '.1f')} %, "
        f"stroke volume {_spread(found['stroke_volume_nl'], 1, '.3g')} nL",
        soft_wrap=True,
    )


def agreement(console: Console, block: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Errors against truth with the verdicts; `scores` are values with intervals by the names of the family."""
    found = block["agreement"]
    low, high = found["human_range_pp"]
    console.print(
        f"[bold]heart[/]: {found['n_matched_beats']} of {counted(found['n_true_beats'], 'true beat')} found"
        f"{_percent(scores['beat_detection_rate'])}, {found['n_predicted_beats'] - found['n_matched_beats']} predicted "
        f"without a true one, {counted(len(block['sequences']), 'sequence')}"
    )
    human = f"human {low:g}–{high:g} pp"
    table = _table("error per beat", "pp", "95 % interval", "relative", human)
    beats_found = scores["beat_detection_rate"]["value"]
    for name, what in _NAMES.items():
        error = scores[f"{name}_error_pp"]
        said = verdict_in_words(error["low"], error["high"], beats_found)
        table.add_row(
            what,
            number(error["value"], ".2f"),
            _interval(error, ".2f"),
            number(scores[f"{name}_error_relative"]["value"], ".1%"),
            f"[{_STYLES[said.partition(' (')[0]]}]{said}[/]" if name in found["verdicts"] else UNDEFINED,
        )
    rate = scores["heart_rate_error_bpm"]
    table.add_row(
        "heart rate, beats/min",
        number(rate["value"], ".2f"),
        _interval(rate, ".2f"),
        number(scores["heart_rate_error_relative"]["value"], ".1%"),
        UNDEFINED,
    )
    console.print(table)
    frames = [
        f"{name} off by {error['mean']:.2f} frames (at most {error['max']})"
        for name, error in found["frame_error"].items()
        if error
    ]
    if frames:
        console.print(", ".join(frames))
    if beats_found is not None and beats_found < ENOUGH_BEATS:
        few = f"fewer than {ENOUGH_BEATS:.0%} of the true beats were found"
        console.print(f"undecided, because {few}: errors are known of these alone", soft_wrap=True)


def propagation(console: Console, block: Mapping[str, Any]) -> None:
    """Error of each measure by kind and strength of change, then which Dice is needed."""
    table = _table("change", "px", "Dice", "FS minor", "FS major", "EF", "beats found")
    for row in block["rows"]:
        errors = (
            f"{number(row[f'{name}_error_pp'], '.1f')} ({number(row[f'{name}_bias_pp'], '+.1f')})" for name in _NAMES
        )
        found = number(row["beat_detection_rate"], ".0%")
        table.add_row(row["kind"], str(row["radius_px"]), number(row["dice"], ".3f"), *errors, found)
    console.print("[bold]masks changed on purpose[/]: mean absolute error per beat (bias), percentage points")
    console.print(table)
    for line in block["answer"]:
        console.print(line, soft_wrap=True)


def _notes(console: Console, block: Mapping[str, Any]) -> None:
    from ..cardiac.beats import SEQUENCE_FLAGS
    from ..cardiac.geometry import FLAGS

    summary = block["summary"]
    for flag, count in summary["flagged_frames"].items():
        console.print(f"{counted(count, 'frame')} flagged '{flag}': {FLAGS[flag]}", soft_wrap=True)
    for flag, count in summary["flagged_sequences"].items():
        name = flag.replace("_", " ")
        named = [printable(found["name"]) for found in block["sequences"] if flag in found["flags"]]
        where = ", ".join(named[:_NAMED]) + (", …" if len(named) > _NAMED else "")
        console.print(
            f"{counted(count, 'sequence')} flagged '{name}' ({where}): {SEQUENCE_FLAGS[flag]}", soft_wrap=True
        )


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns:
        # Where it is narrow, names are folded; numbers stay whole.
        words = name == columns[0] or name.startswith("human")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table


def _spread(found: Mapping[str, Any], factor: float, form: str) -> str:
    if found["mean"] is None:
        return UNDEFINED
    std = "" if found["std"] is None else f" ± {factor * found['std']:{form}}"
    return f"{factor * found['mean']:{form}}{std}"


def _interval(score: Mapping[str, Any], form: str) -> str:
    return between(score["low"], score["high"], form, " – ")


def _percent(score: Mapping[str, Any]) -> str:
    return "" if score["value"] is None else f" ({score['value']:.0%})"
