"""What beating hearts are worth against truth and human annotators, at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..cardiac.agreement import ENOUGH_BEATS, relative_in_words, verdict_in_words
from ..cardiac.blocks import AgreementBlock
from ..cardiac.propagation import NO_ERRORS
from ..text import UNDEFINED, between, counted, number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ..evaluation.scores import Score
    from ..runs.cardiac.propagation import PropagationBlock


MANY_BEATS = 18
"""Beats of the published table (Schutera et al. 2019): a verdict on fewer rests on little."""
_STYLES = {
    "better than human": "bold green",
    "within the human range": "green",
    "worse than human": "bold red",
    "undecided": "yellow",
}
_NAMES = {"fs_minor": "FS, minor axis", "fs_major": "FS, major axis", "ef": "ejection fraction"}


def of_record(console: Console, block: Mapping[str, Any], scores: Mapping[str, Score]) -> None:
    """What the block of a record says of that: the hook `terminal_table` of the cardiac family."""
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
    table = table_of_numbers("error per beat", "pp", "95 % interval", "relative", f"human {low:g}–{high:g} pp")
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
    table = table_of_numbers("change", "px", "Dice", "FS minor", "FS major", "EF", "beats found")
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


def table_of_numbers(*columns: str) -> Table:
    """A table whose first column names its rows, and whose numbers are never folded."""
    from rich import box

    from .fitting_table import FittingTable

    table = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns:
        # Where it is narrow, names are folded; numbers stay whole.
        words = name == columns[0] or name.startswith("human")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    return table
